"""What a plan means for the queue: how many runs at once, and how soon."""

from collections.abc import Mapping
from dataclasses import dataclass

from lethe_common.policy import Catalogue
from lethe_jobs.queries.subjects import KnownSubject


@dataclass(frozen=True, slots=True)
class Standing:
    """Runs at once, and priority (higher is sooner)."""

    at_once: int
    priority: int


class Plans:
    """The catalogue's plans, as the queue needs them."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.opening = catalogue.opening_plan.id
        self._standings = {plan.id: Standing(plan.concurrency, plan.priority) for plan in catalogue.plans.values()}

    def standing(self, plan: str) -> Standing:
        """A plan's standing; a plan that left the catalogue stands as the one accounts open with."""
        return self._standings.get(plan) or self._standings[self.opening]

    def limits(self, subjects: Mapping[str, KnownSubject]) -> dict[str, int]:
        """Runs at once, by subject."""
        return {ref: self.standing(subject.plan).at_once for ref, subject in subjects.items()}
