"""Deadlines: when an item's time is over, by every version of the policy it lived through and the plans its owner had."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from lethe_common.events.jobs import RemovalRule
from lethe_common.exports import CATEGORY as EXPORT
from lethe_common.identifiers import ExportId, GenerationId, SubjectRef
from lethe_common.policy import Catalogue, Policy, PolicyBook, PolicyError
from lethe_common.policy.rules import BY_COMPLETION, ITEM

CATEGORY = ITEM

ItemId = GenerationId | ExportId
"""What has a deadline: a generation, or the archive of an export."""

PlanSince = tuple[str, datetime]
"""A plan's id in the catalogue, and since when it was held."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """Until when one item is kept. `due_at` is None while no clock runs, as for what is kept until it is deleted.

    `moves` counts how often it was moved: of two that are heard of, the one of more moves is the newer.
    """

    item_id: ItemId
    subject_ref: SubjectRef
    category: str
    started_at: datetime
    due_at: datetime | None
    stored_bytes: int = 0
    moves: int = 0

    def moved(self, due_at: datetime | None) -> "Deadline":
        """The same item's deadline as it was computed again."""
        return self if due_at == self.due_at else replace(self, due_at=due_at, moves=self.moves + 1)


@dataclass(frozen=True, slots=True)
class Rule:
    """Why a deadline is when it is. `plan` is the catalogue's; None when the category does not count by plan.

    `period` is None while no clock runs.
    """

    from_event: str
    plan: str | None
    period: timedelta | None
    on_plan_change: str


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
        stored_bytes: int = 0,
    ) -> Deadline:
        """The deadline of an item whose generation ended at `started_at`.

        An owner of whose plan nothing was heard yet counts as on the opening plan;
        the deadline moves when the plan is told.
        """
        due_at = self.due_at(CATEGORY, started_at, plans, now)
        return Deadline(item_id, subject_ref, CATEGORY, started_at, due_at, stored_bytes)

    def deadline_of_export(
        self, export_id: ExportId, subject_ref: SubjectRef, ready_at: datetime, now: datetime, stored_bytes: int
    ) -> Deadline:
        """The deadline of an export's archive: it counts from when it is ready, whatever its owner's plan."""
        due_at = self.due_at(EXPORT, ready_at, (), now)
        return Deadline(export_id, subject_ref, EXPORT, ready_at, due_at, stored_bytes)

    def notice_at(self, deadline: Deadline, now: datetime) -> datetime | None:
        """When its owner is told, by the version that decides now; None: never, as of a copy, whose end they know."""
        policy = self._book.governing(now)
        if deadline.category == EXPORT or deadline.category not in policy.categories:
            return None
        return policy.notice_at(deadline.category, deadline.started_at, deadline.due_at)

    def rule(self, deadline: Deadline, plans: Sequence[PlanSince], now: datetime) -> Rule:
        """Why a deadline is when it is: its period, and the latest of its owner's plans that gives it."""
        policy = self._book.governing(now)
        keep = policy.keep(deadline.category)
        category = policy.rule(deadline.category).keep.with_category or deadline.category
        on_plan_change = policy.rule(category).on_plan_change
        if deadline.due_at is None:
            return Rule(keep.from_event, None, None, on_plan_change)
        period = deadline.due_at - deadline.started_at
        held = sorted(plans, key=lambda plan: plan[1]) or [(self._catalogue.opening_plan.id, deadline.started_at)]
        giving = [plan for plan, _ in held if self._gives(policy, deadline.category, plan, period)]
        plan = giving[-1] if keep.exactly is not None and giving else None
        return Rule(keep.from_event, plan, period, on_plan_change)

    def _gives(self, policy: Policy, category: str, plan: str, period: timedelta) -> bool:
        return policy.period(category, policy.counted_as(category, self._retention(plan))) == period

    def _retention(self, plan: str) -> str:
        """The retention key of a plan; of one that left the catalogue its id, as that is all that is left of it."""
        known = self._catalogue.plans.get(plan)
        return plan if known is None else known.retention

    def again(self, deadline: Deadline, plans: Sequence[PlanSince], now: datetime) -> Deadline | None:
        """A deadline as the version of `now` has it.

        None: it cannot be computed, since its category is no more. It then stays
        as it is, so that one item does not keep all others from being moved or removed.
        """
        try:
            return deadline.moved(self.due_at(deadline.category, deadline.started_at, plans, now))
        except PolicyError:
            return None

    def due_at(self, category: str, started_at: datetime, plans: Sequence[PlanSince], now: datetime) -> datetime | None:
        """When the time is over of what ended then; None while the event has not come from which its period counts."""
        held = [(self._retention(plan), since) for plan, since in plans]
        opening = [(self._catalogue.opening_plan.retention, started_at)]
        return self._book.due_at(category, held or opening, dict.fromkeys(BY_COMPLETION, started_at), now)


def item_id(text: str) -> ItemId:
    """An item's id as our own rows have it, as what it is."""
    return ExportId.trusted(text) if text.startswith(f"{ExportId.prefix}_") else GenerationId.trusted(text)
