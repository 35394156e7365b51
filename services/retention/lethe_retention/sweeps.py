"""Sweeps: at a policy time, everything due is told, and what is over for good is dropped."""

import asyncio
from datetime import datetime, timedelta

import structlog

from lethe_common.clock import monotonic_seconds
from lethe_common.database import Database
from lethe_common.events.retention import ItemDue
from lethe_common.policy import PolicyBook
from lethe_retention import queries
from lethe_retention.deadlines import CATEGORY, Deadline
from lethe_retention.gauges import Gauges

log = structlog.get_logger()


class Sweeps:
    """Everything due at a policy time, in batches of bounded size."""

    def __init__(
        self,
        database: Database,
        book: PolicyBook,
        gauges: Gauges,
        *,
        batch: int,
        due_again: timedelta,
        closed_period: timedelta,
        fence_period: timedelta,
        settle_seconds: float,
        settle_poll_seconds: float,
    ) -> None:
        self._database, self._book, self._gauges = database, book, gauges
        self._batch, self._due_again = batch, due_again
        self._closed_period, self._fence_period = closed_period, fence_period
        self._settle_seconds, self._settle_poll_seconds = settle_seconds, settle_poll_seconds

    async def tell_due(self, now: datetime) -> None:
        """Tell every item whose time is over; and again those whose owner has not answered for long."""
        while await self._take(queries.TAKE_DUE, now) == self._batch:
            pass
        await self._take(queries.TAKE_DUE_AGAIN, self._due_again)
        await self._prune(queries.PRUNE_CLOSED, now - self._closed_period)
        await self._prune(queries.PRUNE_FENCES, now - self._fence_period)
        await self._count_overdue(now)

    async def settle(self, now: datetime) -> None:
        """Wait until nothing due at `now` is left unverified, within `settle_seconds`.

        A move of the virtual clock is acknowledged only after that, so that who
        moved it can look at once.
        """
        give_up_at = monotonic_seconds() + self._settle_seconds
        while unsettled := await self._count(queries.UNSETTLED, now):
            if monotonic_seconds() >= give_up_at:
                log.warning("items_unsettled", count=unsettled)
                return
            await asyncio.sleep(self._settle_poll_seconds)

    async def _take(self, statement: str, limit: datetime | timedelta) -> int:
        async with self._database.transaction() as tx:
            taken = [queries.deadline(row) for row in await tx.fetch(statement, limit, self._batch)]
            for deadline in taken:
                tx.tell(_due(deadline))
        self._gauges.due.inc(len(taken))
        return len(taken)

    async def _prune(self, statement: str, before: datetime) -> None:
        removed = self._batch
        while removed == self._batch:
            async with self._database.transaction() as tx:
                tag = await tx.execute(statement, before, self._batch)
            removed = int(tag.rpartition(" ")[2])

    async def _count_overdue(self, now: datetime) -> None:
        overdue = await self._count(queries.OVERDUE, now - self._book.governing(now).grace(CATEGORY))
        self._gauges.overdue.set(overdue)
        if overdue:
            log.error("items_overdue", count=overdue)

    async def _count(self, statement: str, at: datetime) -> int:
        async with self._database.transaction() as tx:
            counted: int = await tx.fetchval(statement, at)
        return counted


def _due(deadline: Deadline) -> ItemDue:
    assert deadline.due_at is not None  # noqa: S101  the statements take only what has a clock
    return ItemDue(
        generation_id=deadline.item_id,
        subject_ref=deadline.subject_ref,
        category=deadline.category,
        due_at=deadline.due_at,
    )
