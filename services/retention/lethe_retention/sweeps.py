"""Sweeps: at a policy time, everything due is told, and what is over for good is dropped."""

import asyncio
from datetime import datetime, timedelta

import structlog

from lethe_common.clock import monotonic_seconds
from lethe_common.database import PLANNED_ANEW, Database
from lethe_common.policy import PolicyBook
from lethe_common.rpc.envelope import NoAnswer
from lethe_retention import calendar_queries, hold_queries, pauses, queries, schemas
from lethe_retention.due_items import DueItems
from lethe_retention.gauges import Gauges
from lethe_retention.legal_holds import Step
from lethe_retention.overdue import Overdue, changes
from lethe_retention.telling import tell_due

log = structlog.get_logger()

_TOGETHER = timedelta(days=1)
HOLD_RECORD = "hold.record"
_CLOCK = "clock"
"""Who ended a hold whose end had come, in its history."""


class Sweeps:
    """Everything due at a policy time, in batches of bounded size."""

    def __init__(
        self,
        database: Database,
        book: PolicyBook,
        due_items: DueItems,
        gauges: Gauges,
        *,
        batch: int,
        due_again: timedelta,
        closed_period: timedelta,
        fence_period: timedelta,
        settle_seconds: float,
        settle_poll_seconds: float,
    ) -> None:
        self._database, self._book, self._due_items, self._gauges = database, book, due_items, gauges
        self._batch, self._due_again = batch, due_again
        self._closed_period, self._fence_period = closed_period, fence_period
        self._settle_seconds, self._settle_poll_seconds = settle_seconds, settle_poll_seconds
        self._overdue: Overdue = {}

    async def tell_due(self, now: datetime) -> None:
        """Tell every item whose time is over; and again those whose owner has not answered for long."""
        await self._end_holds(now)
        await self._take_due(now)
        await self._tell_again()
        await self._tell_notices(now)
        await self._watch_overdue(now)

    async def prune(self, now: datetime) -> None:
        """Drop the records of what is over for good."""
        await self._prune(queries.PRUNE_CLOSED, now - self._closed_period)
        await self._prune(queries.PRUNE_FENCES, now - self._fence_period)
        await self._forget_holds(now)
        await self._prune(pauses.PRUNE, now - self._fence_period)

    async def settle(self, now: datetime) -> None:
        """Wait until nothing due at `now` is left unverified, within `settle_seconds`.

        A move of the virtual clock is acknowledged only after that, so that who
        moved it can look at once.
        """
        give_up_at = monotonic_seconds() + self._settle_seconds
        while await self._is_unsettled(now):
            if monotonic_seconds() >= give_up_at:
                log.warning("items_unsettled")
                return
            await asyncio.sleep(self._settle_poll_seconds)
            await self._take_due(now)

    async def _tell_notices(self, now: datetime) -> None:
        """Tell the owners of what goes soon, everything of one owner together."""
        told = True
        while told:
            # Where no video has a notice, a plan for any time takes a third of them to have one, and reads all that are kept.
            async with self._database.transaction(PLANNED_ANEW) as tx:
                rows = await tx.fetch(queries.TAKE_NOTICES, now, now + _TOGETHER, self._batch)
                for notice in schemas.notices(rows):
                    tx.tell(notice)
            told = bool(rows)
            self._gauges.noticed.inc(len(rows))

    async def _end_holds(self, now: datetime) -> None:
        """End the holds whose end has come, before what they kept is taken."""
        ended = self._batch
        while ended == self._batch:
            async with self._database.transaction() as tx:
                rows = await tx.fetch(hold_queries.TAKE_ENDED, now, self._batch)
                for row in rows:
                    await tx.execute(hold_queries.ADD_STEP, row["hold_id"], Step.ENDED, _CLOCK, now)
                    tx.tell(schemas.lifted(*hold_queries.scope_of(row), now))
            ended = len(rows)

    async def _forget_holds(self, now: datetime) -> None:
        """Let the records of holds go that ended as long ago as the policy says."""
        kept = self._book.kept(HOLD_RECORD, now)
        forgotten = 0 if kept is None else self._batch
        while forgotten == self._batch and kept is not None:
            async with self._database.transaction() as tx:
                forgotten = await tx.fetchval(hold_queries.FORGET_RECORDS, now - kept, self._batch)

    async def _take_due(self, now: datetime) -> None:
        """While billing cannot be asked, what is due waits; all else goes on."""
        try:
            await self._due_items.take(now)
        except NoAnswer as error:
            log.warning("due_items_wait", cause=type(error).__name__)

    async def _tell_again(self) -> None:
        async with self._database.transaction() as tx:
            taken = [
                queries.deadline(row) for row in await tx.fetch(queries.TAKE_DUE_AGAIN, self._due_again, self._batch)
            ]
            tell_due(tx, taken)
        self._gauges.due.inc(len(taken))

    async def _prune(self, statement: str, before: datetime) -> None:
        removed = self._batch
        while removed == self._batch:
            async with self._database.transaction() as tx:
                tag = await tx.execute(statement, before, self._batch)
            removed = int(tag.rpartition(" ")[2])

    async def _watch_overdue(self, now: datetime) -> None:
        """Show how much is overdue, and say it when it changes; also that it is over."""
        policy = self._book.governing(now)
        graces = {category: policy.grace(category) for category in policy.categories}
        async with self._database.transaction() as tx:
            overdue = await calendar_queries.overdue(tx, graces, now)
        for change in changes(self._overdue, overdue):
            self._gauges.overdue.labels(change.category, change.age).set(change.count)
            if change.count:
                log.error("items_overdue", category=change.category, age=change.age, count=change.count)
            else:
                log.info("items_overdue", category=change.category, age=change.age, count=0)
        self._overdue = overdue

    async def _is_unsettled(self, at: datetime) -> bool:
        async with self._database.transaction() as tx:
            found: bool = await tx.fetchval(queries.UNSETTLED, at)
        return found
