"""What the jobs service reads from its environment, beside what every service does."""

import os

from pydantic import Field

from lethe_common.rpc.retention import REMOVALS_MOST
from lethe_common.settings import ServiceSettings


class JobsSettings(ServiceSettings):
    """Limits carry their unit in their name."""

    providers_noop: bool = False
    providers_noop_beside: bool = False
    providers_noop_seconds: float = Field(default=0.0, ge=0)
    providers_noop_object_bytes: int = Field(default=0, ge=0, le=16 * 1024 * 1024)
    local_at_once: int = Field(default=os.cpu_count() or 1, ge=1, le=256)

    lease_seconds: float = Field(default=10.0, gt=0)
    heartbeat_seconds: float = Field(default=1.0, gt=0)
    progress_seconds: float = Field(default=0.5, gt=0)
    claim_poll_seconds: float = Field(default=0.05, gt=0)
    """Work rings; a look this often besides keeps process and connection warm: with 0.25 a lease came 1.5 ms later."""
    claim_idle_seconds: float = Field(default=0.2, gt=0)
    """The same once nothing was claimed for five seconds; else an idle service looks at nothing so often."""
    key_seconds: float = Field(default=5.0, gt=0, le=60)
    claim_batch: int = Field(default=256, ge=1, le=256)
    attempts_most: int = Field(default=5, ge=1)
    expired_batch: int = Field(default=200, ge=1)

    removal_poll_seconds: float = Field(default=2.0, gt=0)
    removal_gather_seconds: float = Field(default=5.0, ge=0)
    removal_batch: int = Field(default=500, ge=1, le=REMOVALS_MOST)
    removals_at_once: int = Field(default=2, ge=1, le=8)
    removal_lease_seconds: float = Field(default=60.0, gt=0)
    removal_hold_seconds: float = Field(default=3600.0, gt=0)
    tombstone_days: int = Field(default=8, ge=4)

    position_most: int = Field(default=10_000, ge=1)
    seconds_per_second: float = Field(default=0.5, gt=0)
