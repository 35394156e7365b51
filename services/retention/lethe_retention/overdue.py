"""Overdue: what passed deadline and grace and is still there, by category and age. An alarm is raised and cleared once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

AGES: tuple[tuple[str, timedelta | None], ...] = (
    ("under_1h", timedelta(hours=1)),
    ("under_1d", timedelta(days=1)),
    ("under_7d", timedelta(days=7)),
    ("over_7d", None),
)
"""The buckets of how long something is overdue, beyond its grace."""

Overdue = Mapping[tuple[str, str], int]
"""How many items, by (category, age). What is not there is none."""


@dataclass(frozen=True, slots=True)
class Change:
    """One count that is not what it was; zero means that the alarm is over."""

    category: str
    age: str
    count: int


def changes(before: Overdue, now: Overdue) -> Iterator[Change]:
    """What is to be said: every count that moved."""
    for category, age in sorted({*before, *now}):
        count = now.get((category, age), 0)
        if count != before.get((category, age), 0):
            yield Change(category, age, count)
