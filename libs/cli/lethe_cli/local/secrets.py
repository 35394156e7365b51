"""The passwords, tokens and keys of one local suite, made once and kept in its data folder."""

import json
import secrets
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import BaseModel, ConfigDict

from lethe_cli.local.folder import DataFolder, write_private
from lethe_common.database.roles import role_names
from lethe_common.services import Service

_S3_ADMIN = "admin"
S3_IDENTITIES = (_S3_ADMIN, Service.GATEWAY.value, Service.JOBS.value, "verifier")


class S3Key(BaseModel):
    """One identity at the object store."""

    model_config = ConfigDict(frozen=True)

    access_key: str
    secret_key: str


class Secrets(BaseModel):
    """Everything random. It never leaves the data folder but in the environment of our own children."""

    model_config = ConfigDict(frozen=True)

    postgres_superuser: str
    postgres: dict[str, str]
    nats: dict[Service, str]
    s3: dict[str, S3Key]
    operator_token: str
    pepper: str

    @classmethod
    def fresh(cls) -> Self:
        """New secrets. The pepper is 32 bytes in hex."""
        return cls(
            postgres_superuser=secrets.token_urlsafe(24),
            postgres={role: secrets.token_urlsafe(24) for role in role_names()},
            nats={service: secrets.token_urlsafe(24) for service in Service},
            s3={
                name: S3Key(access_key=f"lethe{secrets.token_hex(7)}", secret_key=secrets.token_hex(20))
                for name in S3_IDENTITIES
            },
            operator_token=secrets.token_urlsafe(32),
            pepper=secrets.token_hex(32),
        )

    @property
    def s3_admin(self) -> S3Key:
        """Who makes the bucket; no service has it."""
        return self.s3[_S3_ADMIN]


def load_or_make(folder: DataFolder) -> Secrets:
    """The folder's secrets, made on its first use."""
    if not folder.signing_key.exists():
        write_private(folder.signing_key, _signing_key())
    if folder.secrets.exists():
        return Secrets.model_validate_json(folder.secrets.read_bytes())
    made = Secrets.fresh()
    write_private(folder.secrets, json.dumps(made.model_dump(mode="json"), indent=2).encode())
    return made


def _signing_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
