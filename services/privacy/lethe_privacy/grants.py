"""Grants of leases, and the chain of batches they are entered in: commitments, roots, what a batch stands for. Pure.

An entry is one grant: which service was handed keys of whose items, for what, when. Its commitment is the leaf's hash
of the entry with a random salt: whoever has no entry learns nothing from it, and an entry cannot be changed under it.
A batch is what was granted together. Its root is that of the Merkle tree (RFC 6962) of its commitments, and its link
the SHA-256 of the link before it and of all that the batch says, so that nothing before a link can be changed, taken
out or put in another order under it. `access_log.py` keeps them.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from lethe_common.certificates import merkle, render
from lethe_common.identifiers import SubjectRef
from lethe_common.rpc.privacy import Purpose
from lethe_common.services import Service

CATEGORY = "access.log"
NOTHING = bytes(32)
"""The link before the first batch."""
COMMITMENT_BYTES = 32
_SALT_BYTES = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Grant:
    """What one lease granted of one subject."""

    subject_ref: SubjectRef
    service: Service
    purpose: Purpose
    use: str
    items: tuple[str, ...]
    at: datetime
    process: str
    """Whose memory the keys are in then; it stays out of the entry, whose subject has no use for it."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of policy time in which a subject's entries have one key; both go as a whole."""

    began_at: datetime
    ends_at: datetime

    def record_of(self, subject_ref: SubjectRef) -> str:
        """The id of the item under whose key a subject's entries of this window rest."""
        _, _, random = subject_ref.partition("_")
        return f"access_{int(self.began_at.timestamp()):x}_{int(self.ends_at.timestamp()):x}_{random}"


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it is kept. `bodies` is how many sealed bodies it came with, one for each subject."""

    number: int
    at: datetime
    ends_at: datetime
    bodies: int
    commitments: tuple[bytes, ...]
    link: bytes


def window_of(at: datetime, width: timedelta) -> Window:
    """The window that an instant lies in; windows of one width follow one another from 1970 on."""
    began_at = _EPOCH + (at - _EPOCH) // width * width
    return Window(began_at, began_at + width)


def entry_of(grant: Grant) -> dict[str, JsonValue]:
    """The entry of a grant, with a salt of its own."""
    return {
        "at": grant.at.astimezone(UTC).isoformat(),
        "items": list(grant.items),
        "purpose": grant.purpose.value,
        "salt": secrets.token_hex(_SALT_BYTES),
        "service": grant.service.value,
        "subject": str(grant.subject_ref),
        "use": grant.use,
    }


def commitment_of(entry: Mapping[str, JsonValue]) -> bytes:
    """What the chain has of an entry, 32 bytes.

    Raises:
        ValueError: the entry has no canonical form (RFC 8785).
    """
    return merkle.leaf_hash(render(entry))


def link_of(previous: bytes, batch: Batch) -> bytes:
    """The link that a batch has behind the one before it; `batch.link` counts for nothing here."""
    said: dict[str, JsonValue] = {
        "number": batch.number,
        "at": batch.at.astimezone(UTC).isoformat(),
        "ends_at": batch.ends_at.astimezone(UTC).isoformat(),
        "bodies": batch.bodies,
        "entries": len(batch.commitments),
        "root": merkle.root_of(batch.commitments).hex(),
    }
    return hashlib.sha256(previous + render(said)).digest()


def linked(previous: bytes, batch: Batch) -> Batch:
    """The batch with its link."""
    return replace(batch, link=link_of(previous, batch))


def held_by(grants: Sequence[tuple[int, Grant]]) -> list[str]:
    """Which processes have keys by these grants, each once, as `service.process`."""
    return sorted({f"{grant.service}.{grant.process}" for _, grant in grants})


def split(commitments: bytes) -> tuple[bytes, ...]:
    """The commitments of a batch out of the bytes they are kept in, one after the other."""
    return tuple(
        commitments[start : start + COMMITMENT_BYTES] for start in range(0, len(commitments), COMMITMENT_BYTES)
    )


def by_subject(grants: Sequence[Grant]) -> dict[SubjectRef, list[tuple[int, Grant]]]:
    """The grants of each subject, with their places in the batch."""
    found: dict[SubjectRef, list[tuple[int, Grant]]] = {}
    for place, grant in enumerate(grants):
        found.setdefault(grant.subject_ref, []).append((place, grant))
    return found
