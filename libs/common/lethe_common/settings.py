"""What a service process reads from its environment. Units are in the names, secrets never print."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Environment(BaseSettings):
    """Every variable starts with LETHE_."""

    # Compose hands on what .env leaves open as an empty variable, which is to mean the default. What is wrong with a
    # secret is said without it.
    model_config = SettingsConfigDict(
        env_prefix="LETHE_", extra="ignore", frozen=True, env_ignore_empty=True, hide_input_in_errors=True
    )


class ServiceSettings(Environment):
    """What every service reads."""

    database_url: SecretStr
    database_owner_url: SecretStr
    database_pool_size: int = Field(default=10, ge=1, le=200)
    database_statement_timeout_seconds: float = Field(default=30.0, gt=0)

    nats_url: str = "nats://127.0.0.1:4222"
    nats_user: str
    nats_password: SecretStr
    nats_monitor_url: str | None = None
    nats_replicas: int = Field(default=1, ge=1, le=5)

    s3_endpoint: str = "127.0.0.1:9000"
    s3_access_key: str = ""
    s3_secret_key: SecretStr = SecretStr("")
    s3_bucket: str = "lethe"
    s3_secure: bool = False

    own_hosts: str = ""
    egress_socket: Path | None = None
    egress_private: str = ""

    profile: Path
    clock_file: Path | None = None
    crash_folder: Path | None = None
    process_name: str = Field(default="", pattern="^[a-z0-9-]{0,32}$")
    health_host: str = "127.0.0.1"
    health_port: int = Field(default=0, ge=0, le=65535)
    log_level: str = "info"
    sealing: bool = True
    trace_ratio: float = Field(default=0.0, ge=0, le=1)

    facts_page: int = Field(default=500, ge=1, le=500)
    facts_follow_seconds: float = Field(default=20.0, gt=0)
    register_follow_seconds: float = Field(default=5.0, gt=0)
    register_counts_seconds: float = Field(default=300.0, gt=0)
    sweep_seconds: float = Field(default=2.0, gt=0)
    rare_sweep_seconds: float = Field(default=60.0, gt=0)
    drain_seconds: float = Field(default=8.0, gt=0)

    consumer_batch: int = Field(default=200, ge=1, le=1000)
    consumer_items: int = Field(default=1024, ge=1, le=100_000)
    consumer_ack_wait_seconds: float = Field(default=30.0, gt=0)
    consumer_max_deliver: int = Field(default=6, ge=1, le=100)
    consumer_max_ack_pending: int = Field(default=2000, ge=1)
    consumer_retry_first_seconds: float = Field(default=0.2, gt=0)
    consumer_retry_most_seconds: float = Field(default=30.0, gt=0)
    busy_batch: int = Field(default=8, ge=2)
    busy_pause_seconds: float = Field(default=0.04, ge=0, le=1)
    relay_busy_pause_seconds: float = Field(default=0.15, ge=0, le=1)
    relay_batch: int = Field(default=500, ge=1, le=1000)
    relay_poll_seconds: float = Field(default=1.0, gt=0)
    outbox_days: int = Field(default=3, ge=1)
    inbox_days: int = Field(default=7, ge=4)
