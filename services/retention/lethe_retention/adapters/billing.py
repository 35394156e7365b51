"""Billing, as retention asks it."""

from collections.abc import Collection, Mapping
from datetime import datetime

from lethe_common.bus import Bus
from lethe_common.identifiers import SubjectRef
from lethe_common.rpc.billing import PlansSince, PlansSinceQuestion


class Billing:
    """Knows everybody's plan."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def plans_since(self, subject_refs: Collection[SubjectRef]) -> Mapping[str, datetime]:
        """Since when at most 5000 subjects are on their plans; whom billing does not know is missing.

        Raises:
            NoAnswer: billing is away or too slow.
        """
        answer = await self._bus.ask(PlansSince, PlansSinceQuestion(subject_refs=tuple(subject_refs)))
        return {plan.subject_ref: plan.since for plan in answer.plans}
