"""What a coming version would move: groups of open deadlines, each judged by one of its own. Pure.

A deadline depends on its item's start only through comparisons of instants: the start plus
a period of some version, with the instant of a version or the end of a stretch of time.
`starts` names every start at which one of these comparisons turns. Between two of them all
items of owners with the same history fare alike, so that one stands for all, computed by
the very function that moves deadlines when a version takes effect.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import product
from typing import Literal

from lethe_common.policy import Catalogue, PolicyBook, PolicyError
from lethe_retention.deadlines import CATEGORY, Deadline, PlanSince, Timetable

AHEAD = (timedelta(0), timedelta(days=1), timedelta(days=7), timedelta(days=30))
"""How far from the instant on it is counted what goes."""
_AFTER = timedelta(microseconds=1)
"""The resolution of both clocks: what is compared with `<=` turns right after its instant."""

Move = Literal["passed", "same", "earlier", "later", "gained", "lost"]


@dataclass(frozen=True, slots=True)
class Group:
    """Open deadlines that fare alike. `example` is one of them, `plans` what its owner had."""

    example: Deadline
    plans: Sequence[PlanSince]
    is_held: bool
    count: int
    oldest_at: datetime
    newest_at: datetime


@dataclass(slots=True)
class Tally:
    """Counts of one category, plan and fate; `as_is` and `simulated` are cumulative along `AHEAD`."""

    oldest_at: datetime
    newest_at: datetime
    moves: dict[Move, int] = field(default_factory=dict)
    kept: int = 0
    as_is: list[int] = field(default_factory=lambda: [0] * len(AHEAD))
    simulated: list[int] = field(default_factory=lambda: [0] * len(AHEAD))

    def add(self, group: Group, move: Move, ends: tuple[datetime | None, datetime | None], at: datetime) -> None:
        """Count a group whose items end then without the version, and then with it."""
        self.oldest_at, self.newest_at = min(self.oldest_at, group.oldest_at), max(self.newest_at, group.newest_at)
        self.moves[move] = self.moves.get(move, 0) + group.count
        if move == "passed":
            return
        for going, end in zip((self.as_is, self.simulated), ends, strict=True):
            for place, ahead in enumerate(AHEAD):
                going[place] += group.count if end is not None and end <= at + ahead else 0


Key = tuple[str, str | None, bool]
"""Category, plan where the period goes by plan, whether a legal hold keeps it."""


class Simulation:
    """A coming version beside those there are. `candidate` is the book with it, `book` the one without."""

    def __init__(self, book: PolicyBook, candidate: PolicyBook, catalogue: Catalogue, at: datetime) -> None:
        self.at = at
        self._books, self._catalogue = (book, candidate), catalogue
        self._as_is, self._simulated = Timetable(book, catalogue), Timetable(candidate, catalogue)
        self.tallies: dict[Key, Tally] = {}

    @property
    def instants(self) -> list[datetime]:
        """Right after which another plan may be the newest that a version has heard of, in order."""
        return sorted({since + _AFTER for since in self._versions()})

    @property
    def starts(self) -> list[datetime]:
        """Every start of an item from which on it may fare otherwise than one that began before, in order."""
        turns = {*self._versions(), *(self.at + ahead for ahead in AHEAD)}
        found = turns | {turn - period for turn, period in product(turns, self._periods())}
        return sorted({at for start in found for at in (start, start + _AFTER)})

    @property
    def ends(self) -> list[datetime]:
        """Right after the ends of the stretches of time that are counted, in order."""
        return [self.at + ahead + _AFTER for ahead in AHEAD]

    def add(self, group: Group) -> None:
        """Judge a group by its example and count all of it."""
        before = self._as_is.again(group.example, group.plans, self.at)
        after = self._simulated.again(group.example, group.plans, self.at)
        ends = (before or group.example).due_at, (after or group.example).due_at
        key = group.example.category, self._plan(group), group.is_held
        tally = self.tallies.setdefault(key, Tally(group.oldest_at, group.newest_at))
        tally.add(group, _move(*ends, self.at), ends, self.at)
        tally.kept += 0 if after else group.count

    def _versions(self) -> Iterable[datetime]:
        return (policy.effective_at for book in self._books for policy in book.versions)

    def _periods(self) -> set[timedelta]:
        offered, found = {plan.retention for plan in self._catalogue.plans.values()}, set[timedelta]()
        for book in self._books:
            for policy in book.versions:
                # A plan that left the catalogue counts by a period that a version still states.
                for plan in offered | policy.plans:
                    with suppress(PolicyError):  # no deadline is ever computed by it
                        found.add(policy.timer(CATEGORY, plan))
        return found

    def _plan(self, group: Group) -> str | None:
        """The newest plan of those that own these, if a version that counts goes by plan."""
        category = group.example.category
        counting = (book.governing(self.at) for book in self._books)
        if not any(category in one.categories and one.keep(category).exactly for one in counting):
            return None
        return max(group.plans, key=lambda plan: plan[1])[0] if group.plans else self._catalogue.opening_plan.id


def _move(before: datetime | None, after: datetime | None, at: datetime) -> Move:
    if before is not None and before <= at:
        return "passed"
    if before is None or after is None:
        return "same" if before is after else "gained" if before is None else "lost"
    return "same" if before == after else "earlier" if after < before else "later"
