"""Erasures: the order of an erasure's steps. Pure; `saga.py` takes the steps.

    requested ──fence──> fenced ──all let go──> quiet ──clear──> erasing ──all reported──> destroying ──> verifying ──> completed
                                                │  ^                                           ^            │ something is left
                                    a legal hold│  │                                           └─ again ─ verification_failed
                                                v  │ it ended
                                                held

Where retention says at the fence already that no legal hold keeps anything, `quiet` is passed over.
Each state names the one step that is outstanding. Every step may be taken twice
with the same effect, so a crash anywhere is followed by the same step again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lethe_common.events.privacy import StoreCount
from lethe_common.identifiers import ErasureId, SubjectRef
from lethe_common.services import Service

OWNERS = frozenset({Service.GATEWAY, Service.JOBS, Service.BILLING, Service.RETENTION})
"""Who holds something of a subject and reports; privacy counts and destroys its own."""


class State(StrEnum):
    """How far an erasure is."""

    REQUESTED = "requested"
    FENCED = "fenced"
    QUIET = "quiet"
    HELD = "held"
    ERASING = "erasing"
    DESTROYING = "destroying"
    VERIFYING = "verifying"
    VERIFICATION_FAILED = "verification_failed"
    COMPLETED = "completed"


class Step(StrEnum):
    """What is to be done next."""

    FENCE = "fence"
    QUIESCE = "quiesce"
    CLEAR = "clear"
    ASK_OWNERS = "ask_owners"
    DESTROY_KEYS = "destroy_keys"
    VERIFY = "verify"


OUTSTANDING = {
    State.REQUESTED: Step.FENCE,
    State.FENCED: Step.QUIESCE,
    State.QUIET: Step.CLEAR,
    State.HELD: Step.CLEAR,
    State.ERASING: Step.ASK_OWNERS,
    State.DESTROYING: Step.DESTROY_KEYS,
    State.VERIFYING: Step.VERIFY,
    State.VERIFICATION_FAILED: Step.ASK_OWNERS,
}


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure under way."""

    erasure_id: ErasureId
    subject_ref: SubjectRef
    pseudonym: str
    state: State
    failures: int
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class Called:
    """A process that was handed keys of the subject not long before the fence, and whether it said that it has none left."""

    service: Service
    is_let_go: bool


@dataclass(frozen=True, slots=True)
class Calling:
    """How far the subject's keys are called in.

    Where no record is kept of who was handed keys, `is_by_record` is false, and nobody can be told to be the last.
    `is_time_over`: whoever has not answered has had the time of the longest lease since the fence.
    `is_clear`: retention said at the fence that no legal hold keeps anything, and takes none any more.
    """

    called: tuple[Called, ...]
    is_by_record: bool
    is_time_over: bool
    is_clear: bool = False

    @property
    def is_quiet(self) -> bool:
        """Whether no key of the subject is waited for any more."""
        return self.is_time_over or (self.is_by_record and all(one.is_let_go for one in self.called))


@dataclass(frozen=True, slots=True)
class Report:
    """What one owner found and left, and where nothing may be any more."""

    owner: Service
    counts: tuple[StoreCount, ...]
    prefixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where the verifier looked, and how many things of the subject it saw there."""

    store: str
    method: str
    found: int


def after_report(state: State, reported: Collection[Service]) -> State:
    """The state once these owners have reported in this round."""
    is_asking = state in {State.ERASING, State.VERIFICATION_FAILED}
    return State.DESTROYING if is_asking and set(reported) >= OWNERS else state


def merged(earlier: Report | None, later: Report) -> Report:
    """One report out of two by the same owner.

    What was there before is what the first one saw, since a second one counts
    after the removal; what is left is what the later one says. What law keeps has lost
    its link to the subject by then, so a later count does not find it: it stays as it was.
    """
    if earlier is None:
        return later
    before = {(count.store, count.category): count for count in earlier.counts}
    now = {(count.store, count.category): count for count in later.counts}
    counts = [_one(before.get(key), now.get(key)) for key in sorted(before.keys() | now.keys())]
    return Report(later.owner, tuple(counts), tuple(sorted({*earlier.prefixes, *later.prefixes})))


def _one(before: StoreCount | None, now: StoreCount | None) -> StoreCount:
    if before is None or now is None:
        only = before or now
        assert only is not None  # noqa: S101  one of two reports has it
        return only if before is None or before.retained_ground else only.model_copy(update={"after": 0})
    if before.retained_ground:
        return before if before.after >= now.after else now
    return now.model_copy(update={"before": max(now.before, before.before)})


def left_over(reports: Sequence[Report], seen: Sequence[Finding]) -> list[Finding]:
    """What stands against a certificate: seen by the verifier, or admitted by an owner without a ground."""
    admitted = [
        Finding(count.store, f"reported by {report.owner}", count.after)
        for report in reports
        for count in report.counts
        if count.after and count.retained_ground is None
    ]
    return [finding for finding in seen if finding.found] + admitted


def retry_delay(failures: int, first: timedelta, most: timedelta) -> timedelta:
    """How long to wait after this many failures: twice as long each time, up to a limit."""
    return min(first * (1 << min(failures - 1, 30)), most)
