"""Deadlines: when an item's time is over, by every version of the policy it lived through and the plans its owner had."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from lethe_common.events.jobs import RemovalRule
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.policy import Catalogue, PolicyBook
from lethe_common.policy.rules import BY_COMPLETION

CATEGORY = "output.video"
"""A generation's one deadline: its prompt, parameters, video and thumbnail go together."""

PlanSince = tuple[str, datetime]
"""A plan's id in the catalogue, and since when it was held."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """Until when one item is kept. `due_at` is None while no clock runs, as for what is kept until it is deleted."""

    item_id: GenerationId
    subject_ref: SubjectRef
    category: str
    started_at: datetime
    due_at: datetime | None


@dataclass(slots=True)
class Removal:
    """What an item's owner says of its removal; told twice, it counts once with all prefixes named."""

    subject_ref: SubjectRef
    rule: RemovalRule
    prefixes: set[str] = field(default_factory=set)


class Timetable:
    """Computes deadlines. `now` is policy time: no version that takes effect later counts yet."""

    def __init__(self, book: PolicyBook, catalogue: Catalogue) -> None:
        self._book, self._catalogue = book, catalogue

    def version(self, now: datetime) -> int:
        """The number of the version that decides now."""
        return self._book.governing(now).version

    def deadline(
        self,
        item_id: GenerationId,
        subject_ref: SubjectRef,
        started_at: datetime,
        plans: Sequence[PlanSince],
        now: datetime,
    ) -> Deadline:
        """The deadline of an item whose generation ended at `started_at`.

        An owner of whose plan nothing was heard yet counts as on the opening plan;
        the deadline moves when the plan is told.
        """
        due_at = self.due_at(CATEGORY, started_at, plans, now)
        return Deadline(item_id, subject_ref, CATEGORY, started_at, due_at)

    def due_at(self, category: str, started_at: datetime, plans: Sequence[PlanSince], now: datetime) -> datetime | None:
        """When the time is over of what ended then; None while the event has not come from which its period counts."""
        held = [(self._catalogue.plan(plan).retention, since) for plan, since in plans]
        opening = [(self._catalogue.opening_plan.retention, started_at)]
        return self._book.due_at(category, held or opening, dict.fromkeys(BY_COMPLETION, started_at), now)
