"""Deadlines: when an item's time is over, by the policy and the plans its owner had."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from lethe_common.events.jobs import RemovalRule
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.policy import Catalogue, Policy

CATEGORY = "output.video"
"""A generation's one deadline: its prompt, parameters, video and thumbnail go together."""

PlanSince = tuple[str, datetime]
"""A plan's id in the catalogue, and since when it was held."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """Until when one item is kept."""

    item_id: GenerationId
    subject_ref: SubjectRef
    category: str
    started_at: datetime
    due_at: datetime


@dataclass(slots=True)
class Removal:
    """What an item's owner says of its removal; told twice, it counts once with all prefixes named."""

    subject_ref: SubjectRef
    rule: RemovalRule
    prefixes: set[str] = field(default_factory=set)


class Timetable:
    """Computes deadlines."""

    def __init__(self, policy: Policy, catalogue: Catalogue) -> None:
        self._policy, self._catalogue = policy, catalogue

    def deadline(
        self, item_id: GenerationId, subject_ref: SubjectRef, started_at: datetime, plans: Sequence[PlanSince]
    ) -> Deadline:
        """An item's deadline.

        An owner of whose plan nothing was heard yet counts as on the opening plan;
        the deadline moves when the plan is told.
        """
        return Deadline(item_id, subject_ref, CATEGORY, started_at, self.due_at(CATEGORY, started_at, plans))

    def due_at(self, category: str, started_at: datetime, plans: Sequence[PlanSince]) -> datetime:
        """When the time is over of what started then."""
        held = [(self._catalogue.plan(plan).retention, since) for plan, since in plans]
        opening = [(self._catalogue.opening_plan.retention, started_at)]
        return self._policy.deadline(category, held or opening, started_at)
