"""What a certificate of erasure says. Instants are UTC; counts are rows or objects."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from lethe_common.certificates import ERASURE_FORMAT
from lethe_common.identifiers import CertificateId, ErasureId


class Part(BaseModel):
    """A value inside a certificate."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PolicyName(Part):
    """The policy in force; `hash` is the SHA-256 of its file."""

    profile: str
    hash: str


class StoreLine(Part):
    """What one store held of one category before and after, and how it was removed."""

    owner: str
    store: str
    category: str
    before: int
    after: int
    method: str


class CheckLine(Part):
    """Where the verifier looked with credentials that can only read, and what it found there."""

    store: str
    method: str
    found: int


class RetainedLine(Part):
    """What a law keeps, on which ground and at least until when."""

    store: str
    category: str
    count: int
    ground: str
    until: datetime | None


class Residual(Part):
    """What still lies somewhere for a while; `until` is unknown where no date can be promised."""

    place: str
    holds: str
    ends: str
    until: datetime | None


class Horizon(Part):
    """From when on no remains in the listed stores open with any key that still exists."""

    is_key_rotation_running: bool
    statement: str


class Verifier(Part):
    """Who looked, and with what."""

    id: str
    build: str
    not_scanned: tuple[str, ...]


class ErasureStatement(Part):
    """The signed payload."""

    format: Literal["lethe.erasure-certificate/1"] = ERASURE_FORMAT
    certificate_id: CertificateId
    erasure_id: ErasureId
    subject: str
    requested_at: datetime
    completed_at: datetime
    clock: Literal["real", "virtual"]
    policy: PolicyName
    stores: tuple[StoreLine, ...]
    checked: tuple[CheckLine, ...]
    retained: tuple[RetainedLine, ...]
    residuals: tuple[Residual, ...]
    horizon: Horizon
    verifier: Verifier
