"""What others told about generations, folded: a batch of events comes to one change of each generation.

Events of one generation may come twice, late and out of order. Which state may
follow which is decided where the row is, in `outcome_queries.MOVE`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lethe_common.events.billing import HoldsPosted, HoldVoided
from lethe_common.events.jobs import (
    GenerationCancelled,
    GenerationCompleted,
    GenerationFailed,
    GenerationStarted,
)
from lethe_common.events.retention import ItemsDue, ItemsScheduled

OfOne = (
    GenerationStarted | GenerationCompleted | GenerationFailed | GenerationCancelled | HoldVoided
)  # fmt: skip
Told = OfOne | HoldsPosted | ItemsScheduled | ItemsDue
TELLING: tuple[type[Told], ...] = (
    GenerationStarted, GenerationCompleted, GenerationFailed, GenerationCancelled, HoldsPosted, HoldVoided, ItemsScheduled,
    ItemsDue,
)  # fmt: skip
_STARTED = "in_progress"


@dataclass(slots=True)
class Outcome:
    """What is new about one generation; None where nothing is."""

    generation_id: str
    state: str | None = None
    completed_at: datetime | None = None
    error_code: str | None = None
    credits_charged: int | None = None
    is_voided: bool = False
    expires_at: datetime | None = None
    moves: int | None = None
    hidden_at: datetime | None = None

    def hear(self, event: OfOne) -> None:
        """Take one more event in; the first end counts, and the last word about credits and dates."""
        match event:
            case GenerationStarted():
                self.state = self.state or _STARTED
            case GenerationCompleted():
                self._end("completed", completed_at=event.completed_at)
            case GenerationFailed():
                self._end("failed", error_code=str(event.code))
            case GenerationCancelled():
                self._end("cancelled")
            case HoldVoided():
                self.is_voided = True

    def schedule(self, due_at: datetime | None, moves: int) -> None:
        """Its deadline, None while no clock runs; of several the one that was moved most often is the newest."""
        if self.moves is None or moves >= self.moves:
            self.expires_at, self.moves = due_at, moves

    def hide(self, due_at: datetime) -> None:
        """Its time is over; the first word counts."""
        self.hidden_at = self.hidden_at or due_at

    def _end(self, state: str, *, completed_at: datetime | None = None, error_code: str | None = None) -> None:
        if self.state in {None, _STARTED}:
            self.state, self.completed_at, self.error_code = state, completed_at, error_code

    def row(self) -> tuple[object, ...]:
        """The values in the statement's order."""
        return (
            self.generation_id, self.state, self.completed_at, self.error_code, self.credits_charged, self.is_voided,
            self.expires_at, self.moves, self.hidden_at,
        )  # fmt: skip


def fold(events: Sequence[Told]) -> list[Outcome]:
    """One outcome for each generation."""
    found: dict[str, Outcome] = {}

    def about(generation_id: str) -> Outcome:
        known = found.get(generation_id)
        if known is None:
            known = found[generation_id] = Outcome(generation_id)
        return known

    for event in events:
        if isinstance(event, HoldsPosted):
            for hold in event.holds:
                about(hold.generation_id).credits_charged = hold.credits
        elif isinstance(event, ItemsScheduled):
            for item in event.items:
                about(item.generation_id).schedule(item.due_at, item.moves)
        elif isinstance(event, ItemsDue):
            for due in event.items:
                about(due.generation_id).hide(due.due_at)
        else:
            about(event.generation_id).hear(event)
    return list(found.values())
