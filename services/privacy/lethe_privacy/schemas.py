"""What a certificate of erasure says. Instants are UTC; counts are rows or objects."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from lethe_common.catalogue import Kind, declare, each, held, impersonal
from lethe_common.certificates import ERASURE_FORMAT, FINAL_FORMAT
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


class QuiescedLine(Part):
    """How the processes of one service that had been handed keys let go of them before anything was erased.

    `let_go` of them said that they had none left in memory; `time_over` did not, and were waited for as long as a lease lasts.
    """

    service: str
    processes: int
    let_go: int
    time_over: int


class Quiesced(Part):
    """Whom the wait before the erasure was for: those on record (the access log), or, without one, whoever it may have been."""

    is_by_record: bool
    services: tuple[QuiescedLine, ...]


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
    """From when on no remains in the listed stores open with any key that still exists.

    `rotation` and `destroy_delay` are ISO 8601 durations, the latter null where keys go at once.
    """

    is_key_rotation_running: bool
    at: datetime
    rotation: str
    key_backups: int
    destroy_delay: str | None
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
    quiesced: Quiesced
    stores: tuple[StoreLine, ...]
    checked: tuple[CheckLine, ...]
    retained: tuple[RetainedLine, ...]
    residuals: tuple[Residual, ...]
    horizon: Horizon
    verifier: Verifier


class FinalStatement(Part):
    """The signed payload of the second certificate: after the horizon, what was seen to be gone above the deleted keys.

    `interim` is the id of the first certificate, `seen` where was looked; instants are as in it.
    """

    format: Literal["lethe.erasure-final/1"] = FINAL_FORMAT
    certificate_id: CertificateId
    interim: CertificateId
    erasure_id: ErasureId
    subject: str
    completed_at: datetime
    horizon_at: datetime
    final_at: datetime
    clock: Literal["real", "virtual"]
    policy: PolicyName
    seen: tuple[CheckLine, ...]
    residuals: tuple[Residual, ...]
    verifier: Verifier


_SIGNED_HEAD = ("key_id", "signature", "payload.format", "payload.size", "payload.root", "payload.at")
HEAD_KEYS = declare(Kind.JSON_KEY, each(_SIGNED_HEAD, impersonal("a count and a hash over certificates, signed")))
"""The keys of a head of the log as it is kept."""
_SIGNED_CHECKPOINT = ("key_id", "signature", "payload.format", "payload.number", "payload.link", "payload.at")
CHECKPOINT_KEYS = declare(
    Kind.JSON_KEY, each(_SIGNED_CHECKPOINT, impersonal("a number and a hash over hashes, signed"))
)
"""The keys of a checkpoint of the access log."""
_RECORD = held("erasure.record", is_sealed=False)
CERTIFICATE_KEYS = declare(
    Kind.JSON_KEY,
    {
        **each(("key_id", "signature"), impersonal("who signed, and the signature")),
        **each(
            ("log.index", "log.proof", *(f"log.head.{key}" for key in _SIGNED_HEAD)),
            impersonal("the place in the log of certificates, and hashes over all of them"),
        ),
        **each(
            (
                "payload.subject", "payload.certificate_id", "payload.erasure_id", "payload.requested_at",
                "payload.completed_at", "payload.interim", "payload.horizon_at", "payload.final_at",
            ),
            _RECORD,
        ),
        **each(
            (f"payload.stores.{key}" for key in ("owner", "store", "category", "before", "after", "method")), _RECORD
        ),
        **each(
            (
                "payload.quiesced.is_by_record",
                *(f"payload.quiesced.services.{key}" for key in ("service", "processes", "let_go", "time_over")),
            ),
            _RECORD,
        ),
        **each((f"payload.{place}.{key}" for place in ("checked", "seen") for key in ("store", "method", "found")), _RECORD),
        **each((f"payload.retained.{key}" for key in ("store", "category", "count", "ground", "until")), _RECORD),
        **each(
            ("payload.format", "payload.clock", "payload.policy.profile", "payload.policy.hash"),
            impersonal("by which rules it was made"),
        ),
        **each(
            (
                *(f"payload.residuals.{key}" for key in ("place", "holds", "ends", "until")),
                *(f"payload.horizon.{key}" for key in ("is_key_rotation_running", "at", "rotation", "key_backups", "destroy_delay", "statement")),
                *(f"payload.verifier.{key}" for key in ("id", "build", "not_scanned")),
            ),
            impersonal("the same in all certificates of a build"),
        ),
    },
)  # fmt: skip
"""The keys of a certificate as it is kept; `lethe_common.certificates` says what is around the payload."""

ACT_KEYS = declare(
    Kind.JSON_KEY,
    {
        **each(
            (
                "operator", "address", "profile", "service_url", "build", "clock",
                *(f"processors.{key}" for key in ("name", "country")),
            ),
            impersonal("the same in all acts under a policy"),
        ),
        **each(
            (
                "certificate_id",
                *(f"categories.{key}" for key in ("category", "ru", "en")),
                *(f"stores.{key}" for key in ("store", "category", "before", "after")),
            ),
            held("destruction.act", is_sealed=False),
        ),
    },
)  # fmt: skip
"""The keys of an act of destruction as it is kept; see `ActContent` of `lethe_common.rpc.acts`."""
