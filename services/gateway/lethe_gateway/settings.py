"""What the gateway reads from its environment, beside what every service does."""

from typing import Literal

from pydantic import Field, SecretStr, field_validator

from lethe_common.settings import ServiceSettings
from lethe_gateway.passwords import PasswordCost

_PEPPER_BYTES, _TOKEN_CHARACTERS = 32, 32


class GatewaySettings(ServiceSettings):
    """Limits carry their unit in their name. `0` per hour or minute switches a throttle off."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    console_host: str = "127.0.0.1"
    console_port: int = Field(default=8081, ge=0, le=65535)
    behind_door: bool = False
    public_url: str = "http://127.0.0.1:8080"
    operator_token: SecretStr
    pepper: SecretStr

    verify_email: bool = False
    identity_stand_in: Literal["password", "guest"] | None = None
    oidc_issuer_url: str | None = None
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr = SecretStr("")
    signup_per_hour: int = Field(default=0, ge=0)
    signin_per_minute: int = Field(default=0, ge=0)
    age_retry_seconds: float = Field(default=600.0, ge=0)
    session_days: int = Field(default=14, ge=1, le=90)
    console_session_hours: int = Field(default=12, ge=1, le=168)
    correspondent_session_hours: int = Field(default=12, ge=1, le=168)
    proof_token_minutes: int = Field(default=60, ge=5, le=1440)
    password_hashes_at_once: int = Field(default=2, ge=1, le=16)
    password_cost: PasswordCost = PasswordCost.RFC_9106
    api_keys_most: int = Field(default=20, ge=1, le=1000)

    smtp_url: SecretStr | None = None
    mail_from: str = "no-reply@example.org"
    mail_attempts_most: int = Field(default=8, ge=1, le=50)

    body_limit_bytes: int = Field(default=256 * 1024, ge=1024)
    upload_limit_bytes: int = Field(default=20 * 1024 * 1024, ge=1024)
    pictures_cleaned_at_once: int = Field(default=2, ge=1, le=16)
    page_most: int = Field(default=100, ge=1, le=1000)
    hold_batch_most: int = Field(default=256, ge=1, le=256)
    accept_writers: int = Field(default=1, ge=1, le=8)
    idempotency_hours: int = Field(default=72, ge=1)
    upload_orphan_minutes: int = Field(default=15, ge=1)
    streams_per_account_most: int = Field(default=32, ge=1)

    exports_per_hour: int = Field(default=20, ge=0)
    export_lease_seconds: float = Field(default=20.0, gt=0)
    export_renew_seconds: float = Field(default=2.0, gt=0)
    export_retry_seconds: float = Field(default=2.0, gt=0)
    export_retry_most_seconds: float = Field(default=600.0, gt=0)
    export_poll_seconds: float = Field(default=2.0, gt=0)

    delete_wait_seconds: float = Field(default=10.0, gt=0, le=60)
    erasure_wait_seconds: float = Field(default=10.0, gt=0, le=60)
    subject_wait_seconds: float = Field(default=2.0, gt=0, le=10)
    look_seconds: float = Field(default=2.0, gt=0)
    keep_alive_seconds: float = Field(default=15.0, gt=0)
    stop_streams_seconds: int = Field(default=3, ge=0)

    @field_validator("pepper")
    @classmethod
    def _is_long_enough(cls, pepper: SecretStr) -> SecretStr:
        if len(bytes.fromhex(pepper.get_secret_value())) < _PEPPER_BYTES:
            raise ValueError("LETHE_PEPPER must be at least 32 bytes in hex")
        return pepper

    @field_validator("operator_token")
    @classmethod
    def _is_hard_to_guess(cls, token: SecretStr) -> SecretStr:
        if len(token.get_secret_value()) < _TOKEN_CHARACTERS:
            raise ValueError("LETHE_OPERATOR_TOKEN must have at least 32 characters")
        return token

    @property
    def has_provider(self) -> bool:
        """Whether there is a provider that people can sign in by."""
        return bool(self.oidc_issuer_url and self.oidc_client_id)

    @property
    def is_https(self) -> bool:
        """Whether browsers reach us over TLS; cookies then carry Secure and the __Host- prefix."""
        return self.public_url.startswith("https://")
