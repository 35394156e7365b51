"""Fairness: each subject has as many slots as its plan allows runs at once.

A run that got a slot stands in the queue that workers claim from; the others of
its subject wait for one of its slots to become free. The queue is ordered by
plan priority, then by slot number, then by age. So everybody's first run comes
before anybody's second, a subject with ten thousand runs never stands in the
way, and claiming costs the same however many wait. The database holds it too:
a slot of a subject is unique.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Which slots of a subject are taken, and whether older runs of it wait for one."""

    slots: frozenset[int] = frozenset()
    has_waiting: bool = False


def admit(
    newcomers: Iterable[tuple[str, str]], occupied: Mapping[str, Occupancy], limits: Mapping[str, int]
) -> list[int | None]:
    """A slot, or None to wait, for each newcomer `(generation_id, subject_ref)`, in their order.

    A newcomer never overtakes an older run of its own subject. `limits` are runs at once, per subject.
    """
    free: dict[str, list[int]] = {}
    admitted: list[int | None] = []
    for _, subject in newcomers:
        if subject not in free:
            free[subject] = free_slots(occupied.get(subject, Occupancy()), limits[subject])
        admitted.append(free[subject].pop() if free[subject] else None)
    return admitted


def first(newcomers: Iterable[tuple[str, int, int | None]], count: int) -> set[str]:
    """Of newcomers `(generation_id, priority, slot)`, in their order, the first `count` that workers would claim."""
    admitted = [
        (-priority, slot, place, key) for place, (key, priority, slot) in enumerate(newcomers) if slot is not None
    ]
    return {key for *_, key in sorted(admitted)[:count]}


def free_slots(occupancy: Occupancy, limit: int) -> list[int]:
    """The slots a newcomer may take, the lowest last; none while older runs wait."""
    if occupancy.has_waiting:
        return []
    return [slot for slot in reversed(range(limit)) if slot not in occupancy.slots]


def place_of(ahead_admitted: int, ahead_of_own: int) -> int:
    """Position in the queue, 1 being next: those admitted before it, and its subject's older waiting runs."""
    return 1 + ahead_admitted + ahead_of_own


def eta_seconds(position: int, at_once: int, mean_seconds: float, own_seconds: float) -> int:
    """A guess: the rounds until its turn, and its own time."""
    rounds = max(0, position - 1) // max(1, at_once)
    return round(rounds * mean_seconds + own_seconds)
