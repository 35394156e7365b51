"""Leases: who works on a run, until when, and by which fencing token.

Leases live in database time. Each claim raises the run's token, and every later
write names the token it holds, so a worker whose lease was taken over can wake
up at any moment and still write nothing.
"""

from dataclasses import dataclass
from datetime import timedelta

from lethe_common.identifiers import GenerationId, HoldId, SubjectRef, UploadId

_FIRST_DELAY_SECONDS = 0.25
_MOST_DELAY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write about one run, as long as nobody raised its token."""

    generation_id: GenerationId
    token: int


@dataclass(frozen=True, slots=True)
class Run:
    """A run as its worker holds it. `attempts_count` includes the attempt that is being made."""

    lease: Lease
    subject_ref: SubjectRef
    hold_id: HoldId
    model: str
    width_px: int
    height_px: int
    seconds: int
    upload_id: UploadId | None
    attempts_count: int
    postponed_count: int

    @property
    def generation_id(self) -> GenerationId:
        return self.lease.generation_id


def delay_after(failures: int) -> timedelta:
    """How long to leave something alone after so many failures in a row: doubling from 0.25 s up to 30 s."""
    exponent = min(max(failures - 1, 0), 10)
    return timedelta(seconds=min(_FIRST_DELAY_SECONDS * 2**exponent, _MOST_DELAY_SECONDS))
