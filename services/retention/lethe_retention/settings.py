"""Retention's environment: what every service reads, and the verifier's credentials, which can only look."""

from pydantic import Field, SecretStr

from lethe_common.settings import ServiceSettings


class Settings(ServiceSettings):
    """Limits have their units in their names."""

    verifier_database_url: SecretStr
    verifier_keys_database_url: SecretStr
    verifier_pool_size: int = Field(default=2, ge=1, le=20)
    s3_verifier_access_key: str = ""
    s3_verifier_secret_key: SecretStr = SecretStr("")

    due_batch: int = Field(default=500, ge=1, le=5000)
    versions_batch: int = Field(default=500, ge=1, le=2000)
    look_batch: int = Field(default=1000, ge=1, le=1000)
    look_poll_seconds: float = Field(default=2.0, gt=0)
    look_again_seconds: float = Field(default=1.0, gt=0)
    due_again_seconds: float = Field(default=600.0, gt=0)
    settle_seconds: float = Field(default=60.0, ge=0)
    settle_poll_seconds: float = Field(default=0.1, gt=0)
    orphan_sweep_seconds: float = Field(default=3600.0, gt=0)
    orphan_age_seconds: float = Field(default=3600.0, gt=0)
    orphan_grace_seconds: float = Field(default=86400.0, gt=0)
    orphans_most: int = Field(default=10_000, ge=1)
    orphan_page: int = Field(default=1000, ge=1, le=10_000)
    closed_days: int = Field(default=8, ge=8)
    fence_days: int = Field(default=14, ge=8)
