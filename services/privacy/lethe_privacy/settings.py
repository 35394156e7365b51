"""What the privacy service reads from its environment, beside what every service reads."""

from pathlib import Path

from pydantic import Field, SecretStr

from lethe_common.settings import Environment, ServiceSettings


class PrivacySettings(ServiceSettings):
    """The key store has a database of its own; the verifier looks with credentials that can only read."""

    keys_database_url: SecretStr
    keys_database_owner_url: SecretStr
    keys_database_pool_size: int = Field(default=6, ge=1, le=100)
    verifier_database_url: SecretStr
    verifier_keys_database_url: SecretStr
    verifier_facts_database_url: SecretStr
    s3_verifier_access_key: str = ""
    s3_verifier_secret_key: SecretStr = SecretStr("")

    keyring: Path
    signing_key: Path

    key_backups: Path | None = None
    recovery_key: Path | None = None
    rotation_statement_timeout_seconds: float = Field(default=3600.0, gt=0)

    key_batch_questions: int = Field(default=32, ge=1, le=256)
    key_writers: int = Field(default=1, ge=1, le=16)
    keys_waiting_questions: int = Field(default=5_000, ge=1)

    requests_open_most: int = Field(default=20, ge=1, le=1000)
    request_sweep_batch: int = Field(default=200, ge=1, le=1000)
    contract_warn_days: int = Field(default=30, ge=1, le=365)
    choices_per_subject_most: int = Field(default=1_000, ge=10)
    expiry_batch: int = Field(default=100, ge=1, le=1000)
    claims_per_erasure: int = Field(default=20, ge=1, le=1000)
    erasure_poll_seconds: float = Field(default=0.5, gt=0)
    erasure_step_retry_seconds: float = Field(default=15.0, gt=0)
    erasure_retry_first_seconds: float = Field(default=2.0, gt=0)
    erasure_retry_most_seconds: float = Field(default=600.0, gt=0)
    erasure_hold_retry_seconds: float = Field(default=3600.0, gt=0)
    erasure_call_again_seconds: float = Field(default=0.1, gt=0)
    erasure_lease_seconds: float = Field(default=60.0, gt=0, le=3600)
    erasure_lookback_seconds: float = Field(default=3600.0, gt=0, le=86_400)

    exports_per_subject: int = Field(default=3, ge=1, le=50)
    export_poll_seconds: float = Field(default=2.0, gt=0)
    export_again_first_seconds: float = Field(default=120.0, gt=0)
    export_again_most_seconds: float = Field(default=3600.0, gt=0)


class UpkeepSettings(Environment):
    """What backing up and restoring keys needs: a part of the service's own environment."""

    keys_database_url: SecretStr
    keys_database_owner_url: SecretStr
    keyring: Path
    key_backups: Path
    recovery_key: Path
    rotation_statement_timeout_seconds: float = Field(default=3600.0, gt=0)


class AccessLogSettings(Environment):
    """What reading the access log needs: a part of the service's own environment."""

    database_url: SecretStr
    keys_database_url: SecretStr
    keyring: Path
    signing_key: Path
