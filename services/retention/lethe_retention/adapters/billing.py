"""Billing, as retention asks it."""

from collections.abc import Collection, Mapping

from lethe_common.bus import Bus
from lethe_common.identifiers import SubjectRef
from lethe_common.rpc.billing import PlansCount, PlansCountQuestion


class Billing:
    """Knows everybody's plan."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def plans_count(self, subject_refs: Collection[SubjectRef]) -> Mapping[str, int]:
        """How many plans at most 5000 subjects have had; whom billing does not know is missing.

        Raises:
            NoAnswer: billing is away or too slow.
        """
        answer = await self._bus.ask(PlansCount, PlansCountQuestion(subject_refs=tuple(subject_refs)))
        return {plan.subject_ref: plan.count for plan in answer.plans}
