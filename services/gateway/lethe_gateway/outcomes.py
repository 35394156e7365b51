"""What others told about generations, folded: a batch of events comes to one change of each generation.

Events of one generation may come twice, late and out of order. Which state may
follow which is decided where the row is, in `outcome_queries.MOVE`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lethe_common.events.billing import HoldPosted, HoldVoided
from lethe_common.events.jobs import (
    GenerationCancelled,
    GenerationCompleted,
    GenerationFailed,
    GenerationStarted,
)
from lethe_common.events.retention import ItemDue, ItemScheduled

Told = (
    GenerationStarted | GenerationCompleted | GenerationFailed | GenerationCancelled | HoldPosted | HoldVoided
    | ItemScheduled | ItemDue
)  # fmt: skip
TELLING: tuple[type[Told], ...] = (
    GenerationStarted, GenerationCompleted, GenerationFailed, GenerationCancelled, HoldPosted, HoldVoided, ItemScheduled,
    ItemDue,
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
    hidden_at: datetime | None = None

    def hear(self, event: Told) -> None:
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
            case HoldPosted():
                self.credits_charged = event.credits
            case HoldVoided():
                self.is_voided = True
            case ItemScheduled():
                self.expires_at = event.due_at
            case ItemDue():
                self.hidden_at = self.hidden_at or event.due_at

    def _end(self, state: str, *, completed_at: datetime | None = None, error_code: str | None = None) -> None:
        if self.state in {None, _STARTED}:
            self.state, self.completed_at, self.error_code = state, completed_at, error_code

    def row(self) -> tuple[object, ...]:
        """The values in the statement's order."""
        return (
            self.generation_id, self.state, self.completed_at, self.error_code, self.credits_charged, self.is_voided,
            self.expires_at, self.hidden_at,
        )  # fmt: skip


def fold(events: Sequence[Told]) -> list[Outcome]:
    """One outcome for each generation."""
    found: dict[str, Outcome] = {}
    for event in events:
        outcome = found.get(event.generation_id)
        if outcome is None:
            outcome = found[event.generation_id] = Outcome(event.generation_id)
        outcome.hear(event)
    return list(found.values())
