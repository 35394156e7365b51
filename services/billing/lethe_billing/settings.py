"""Billing's environment."""

from pydantic import Field

from lethe_common.settings import ServiceSettings


class Settings(ServiceSettings):
    """What every service reads, and billing's own limits."""

    hold_seconds: int = Field(default=900, ge=1)
    quote_seconds: int = Field(default=900, ge=1)
    retry_window_seconds: int = Field(default=900, ge=1)
    hold_batch: int = Field(default=256, ge=1, le=1000)
    hold_writers: int = Field(default=1, ge=1, le=16)
    expiry_batch: int = Field(default=256, ge=1, le=256)
    fence_days: int = Field(default=14, ge=8)
