"""A run's life: its states, the arrows between them, and why each was taken.

    queued ── leased ── rendering ── storing ── completed
      ▲         │  └─ submitting ── submitted | submit_unknown ── rendering
      └─────────┴── from leased, rendering or storing, when a lease ran out or something needed is away

Any state that is not final may also end in `failed` or `cancelled`. A provider
that delivers at once goes from `leased` to `completed`. The database refuses an
arrow that is not listed here: each change of state writes its arrow into
`attempts`, whose CHECK holds this same table.
"""

from enum import StrEnum

from lethe_common.events.jobs import FailureCode
from lethe_jobs.errors import IllegalArrow


class State(StrEnum):
    """Where a run is."""

    QUEUED = "queued"
    LEASED = "leased"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    SUBMIT_UNKNOWN = "submit_unknown"
    RENDERING = "rendering"
    STORING = "storing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing can happen any more."""
        return self in FINAL

    @property
    def is_active(self) -> bool:
        """Whether a worker holds, or held, its lease."""
        return self in ACTIVE


class Cause(StrEnum):
    """Why an arrow was taken."""

    CLAIMED = "claimed"
    STARTED = "started"
    RENDERED = "rendered"
    SUBMITTING = "submitting"
    ACCEPTED = "accepted"
    NO_ANSWER = "no_answer"
    DELIVERED = "delivered"
    SERVICE_AWAY = "service_away"
    STORAGE_AWAY = "storage_away"
    LEASE_EXPIRED = "lease_expired"
    WORKER_STOPPED = "worker_stopped"
    INPUT_GONE = "input_gone"
    KEY_GONE = "key_gone"
    NOT_ALLOWED = "not_allowed"
    KEYS_STALE = "keys_stale"
    CANCEL_REQUESTED = "cancel_requested"
    DELETED = "deleted"
    EXPIRED = "expired"
    ERASED = "erased"
    PROVIDER_FAILED = "provider_failed"
    BAD_INPUT = "bad_input"
    REFUSED = "refused"
    TIMED_OUT = "timed_out"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"


FINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})
_STOPS = frozenset({State.FAILED, State.CANCELLED})

ARROWS: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.LEASED}) | _STOPS,
    State.LEASED: frozenset({State.SUBMITTING, State.RENDERING, State.COMPLETED, State.QUEUED}) | _STOPS,
    State.SUBMITTING: frozenset({State.SUBMITTED, State.SUBMIT_UNKNOWN}) | _STOPS,
    # Never back to `submitting`: what may have cost money is looked up, not sent again.
    State.SUBMIT_UNKNOWN: frozenset({State.SUBMITTED}) | _STOPS,
    State.SUBMITTED: frozenset({State.RENDERING}) | _STOPS,
    State.RENDERING: frozenset({State.STORING, State.QUEUED}) | _STOPS,
    State.STORING: frozenset({State.COMPLETED, State.QUEUED}) | _STOPS,
    State.COMPLETED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}

ACTIVE = frozenset(ARROWS) - FINAL - {State.QUEUED}
RESUMABLE = tuple(sorted(state for state, goals in ARROWS.items() if State.QUEUED in goals))
"""A run left in one of these may start anew: nothing was bought from anybody yet."""


def arrow(before: State, after: State) -> tuple[State, State]:
    """An arrow that exists.

    Raises:
        IllegalArrow: a run never goes this way.
    """
    if after not in ARROWS[before]:
        raise IllegalArrow(before, after)
    return before, after


def failure_of(cause: Cause) -> FailureCode:
    """What the user is told about a failed run."""
    return {
        Cause.BAD_INPUT: FailureCode.BAD_INPUT,
        Cause.REFUSED: FailureCode.REFUSED,
        Cause.TIMED_OUT: FailureCode.TIMED_OUT,
    }.get(cause, FailureCode.PROVIDER_FAILED)
