"""Expiries: holds nobody settled, grants that ran out, quotes and fences that are over, lines of the ledger old enough to go."""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from lethe_billing import account_queries, queries
from lethe_billing.grants import expire
from lethe_billing.handlers import write
from lethe_billing.ledger import Books
from lethe_billing.settlements import Settlement, void
from lethe_common.clock import monotonic_seconds
from lethe_common.database import Database
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.policy import PolicyBook
from lethe_common.rpc.envelope import NoAnswer

LEDGER = "ledger.transfer"
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_TRANSACTION_SECONDS_MAX = 120.0

Accepted = Callable[[Sequence[GenerationId]], Awaitable[set[GenerationId]]]
"""Which of these generations did the gateway accept? Raises NoAnswer."""


class Watermark:
    """The policy time up to which no hold can be open any more.

    A hold that was being written while the clock jumped may commit behind a sweep,
    so a sweep counts only when any such transaction must long have ended.
    """

    def __init__(self) -> None:
        self.sure = _LONG_AGO
        self._swept: deque[tuple[float, datetime]] = deque()

    def move(self, now: datetime, monotonic: float) -> None:
        """A sweep found nothing open up to `now`."""
        self._swept.append((monotonic, now))
        while self._swept and monotonic - self._swept[0][0] >= _TRANSACTION_SECONDS_MAX:
            self.sure = self._swept.popleft()[1]


class Expiries:
    """Everything that is due at a policy time, in batches of bounded size."""

    def __init__(
        self,
        database: Database,
        book: PolicyBook,
        accepted: Accepted,
        *,
        hold_period: timedelta,
        fence_period: timedelta,
        batch: int,
    ) -> None:
        self._database, self._book, self._accepted = database, book, accepted
        self._hold_period, self._fence_period, self._batch = hold_period, fence_period, batch
        self._swept = Watermark()
        self._log = structlog.get_logger()

    async def sweep(self, now: datetime) -> None:
        """Let holds and grants expire, and return when nothing more is due."""
        await self._expire_holds(now)
        await self._expire_grants(now)

    async def prune(self, now: datetime) -> None:
        """Let go of what is kept no longer, and return when nothing more is over."""
        await self._delete(account_queries.QUOTES_OVER, now)
        await self._delete(account_queries.FENCES_OVER, now - self._fence_period)
        await self._forget(now)

    async def release(self, subject_ref: SubjectRef, generation_id: GenerationId, now: datetime) -> bool:
        """Let a hold expire now, because its generation was not accepted; whether there was an open one."""
        async with self._database.transaction() as tx:
            rows = await tx.fetch(account_queries.SUBJECTS_OF_GENERATIONS, [generation_id])
        if subject_ref not in {row[1] for row in rows}:
            return False
        return await self._settle([generation_id], set(), now) > 0

    async def _expire_holds(self, now: datetime) -> None:
        """Ask the gateway which generations it accepted: their holds stay, the others are given back.

        Without an answer nothing expires; the next sweep asks again.
        """
        while True:
            async with self._database.transaction() as tx:
                rows = await tx.fetch(queries.OPEN_HOLDS_OVER, self._swept.sure, now, self._batch)
            over = [GenerationId.trusted(row[0]) for row in rows]
            if not over:
                self._swept.move(now, monotonic_seconds())
                return
            try:
                accepted = await self._accepted(over)
            except NoAnswer:
                self._log.warning("holds_wait_for_gateway", hold_count=len(over))
                return
            await self._settle(over, accepted, now)

    async def _settle(self, over: list[GenerationId], accepted: set[GenerationId], now: datetime) -> int:
        """Let the holds of what was not accepted expire; how many they were."""
        async with self._database.transaction() as tx:
            await tx.fetch(queries.LOCK_WALLETS_OF_GENERATIONS, over)
            await tx.execute(queries.EXTEND_HOLDS, list(accepted), now + self._hold_period)
            orphans = await queries.holds_of_generations(tx, [one for one in over if one not in accepted])
            grants = await queries.grants_of(tx, {hold.wallet_id for hold in orphans.values()})
            settlement = Settlement()
            for hold in orphans.values():
                void(settlement, hold, "expired", grants[hold.wallet_id], now)
            subjects = {
                row[0]: row[1] for row in await tx.fetch(account_queries.SUBJECTS_OF_GENERATIONS, list(orphans))
            }
            await write(tx, settlement, subjects, now)
        return len(settlement.settled)

    async def _expire_grants(self, now: datetime) -> None:
        while True:
            async with self._database.transaction() as tx:
                rows = await tx.fetch(account_queries.WALLETS_WITH_GRANTS_OVER, now, self._batch)
                wallet_ids = [row[0] for row in rows]
                if not wallet_ids:
                    return
                await tx.fetch(queries.LOCK_WALLETS, wallet_ids)
                books = Books()
                for grants in (await queries.grants_of(tx, wallet_ids)).values():
                    for grant in grants:
                        if grant.is_over(now):
                            expire(books, grant)
                await queries.book(tx, books, now)
                await tx.execute(account_queries.MARK_GRANTS_EXPIRED, wallet_ids, now)

    async def _forget(self, now: datetime) -> None:
        """Let lines go that were kept as long as was promised; their sums are carried forward."""
        kept = self._book.kept(LEDGER, now)
        if kept is None:
            return
        while await self._call(account_queries.FORGET_TRANSFERS, now - kept, self._batch) == self._batch:
            pass
        while await self._call(account_queries.FORGET_WALLETS, self._batch) == self._batch:
            pass

    async def _call(self, statement: str, *arguments: object) -> int:
        async with self._database.transaction() as tx:
            done: int = await tx.fetchval(statement, *arguments)
        return done

    async def _delete(self, statement: str, before: datetime) -> None:
        removed = self._batch
        while removed == self._batch:
            async with self._database.transaction() as tx:
                tag = await tx.execute(statement, before, self._batch)
            removed = int(tag.rpartition(" ")[2])
