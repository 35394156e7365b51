"""Versions of the policy: when one takes effect, open deadlines are computed again, each once, page by page.

Each row says by which version it was computed, so a crash, a second replica or a row
that was written a moment too late needs nothing of its own: what is behind is taken
up until nothing is.
"""

from collections.abc import Sequence
from datetime import datetime

import structlog

from lethe_common.clock import Clock
from lethe_common.database import Database
from lethe_common.policy import PolicyBook
from lethe_retention import queries
from lethe_retention.deadlines import Deadline, PlanSince, Timetable
from lethe_retention.telling import tell_scheduled

log = structlog.get_logger()

_LOOK_SECONDS = 3600.0


class Versions:
    """Moves open deadlines when a version takes effect; a passed one is never revived."""

    def __init__(self, database: Database, book: PolicyBook, timetable: Timetable, clock: Clock, *, batch: int) -> None:
        self._database, self._book, self._timetable, self._clock = database, book, timetable, clock
        self._batch = batch

    async def run(self) -> None:
        """Be there at the very instant at which a version takes effect; a worker of the frame.

        Sweeps do the same a moment later, for what was written meanwhile.
        """
        while True:
            now = self._clock.now()
            await self.apply(now)
            coming = self._book.next_after(now)
            wait = _LOOK_SECONDS if coming is None else (coming.effective_at - now).total_seconds()
            await self._clock.wait_for_change(min(wait, _LOOK_SECONDS))

    async def apply(self, now: datetime) -> None:
        """Compute again what an older version than that of `now` computed; has to be done before anything is due."""
        version = self._timetable.version(now)
        while await self._page(version, now) == self._batch:
            pass

    async def _page(self, version: int, now: datetime) -> int:
        async with self._database.transaction() as tx:
            behind = await tx.fetch(queries.BEHIND, version, self._batch)
            if not behind:
                return 0
            refs = {row["subject_ref"] for row in behind}
            await queries.lock(tx, queries.LOCK_SHARED, refs)
            rows = await tx.fetch(queries.BEHIND_HELD, [row["item_id"] for row in behind], version)
            plans = await queries.plans(tx, refs)
            held = [queries.deadline(row) for row in rows]
            again = [self._again(deadline, plans[deadline.subject_ref], now) for deadline in held]
            notices = [self._timetable.notice_at(one, now) for one in again]
            await queries.move(tx, again, notices, version)
            moved = [new for old, new in zip(held, again, strict=True) if new.moves != old.moves]
            tell_scheduled(tx, moved)
        log.info("deadlines_recounted", count=len(moved), total=len(again), version=version)
        return len(behind)

    def _again(self, deadline: Deadline, plans: Sequence[PlanSince], now: datetime) -> Deadline:
        again = self._timetable.again(deadline, plans, now)
        if again is None:
            log.error("deadline_kept", category=deadline.category)
        return again or deadline
