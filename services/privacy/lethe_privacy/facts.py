"""The ledger of facts as this service keeps it: append, page, compare, end.

It lies in a database outside the data's backups, like the keys. Facts that wait at
one moment are recorded in one transaction, since the chain lets one in after the other.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import chain

import asyncpg

from lethe_common.clock import Clock
from lethe_common.coalescer import Coalescer
from lethe_common.database import Database, Transaction
from lethe_common.policy import PolicyBook
from lethe_common.rpc.facts import OWNERS, Fact, FactKind, FactsPageAnswer, NewFact
from lethe_common.services import Service
from lethe_privacy import fact_queries as queries
from lethe_privacy.errors import LedgerBehind, LedgerOther
from lethe_privacy.ledger import NOTHING, chained

# A fact is recorded before its effect. Within this time the effect is committed, or will not be.
_SETTLED_AFTER = timedelta(seconds=90)
_RECORDED_TOGETHER = 64


class Facts:
    """The ledger."""

    def __init__(self, database: Database, book: PolicyBook, clock: Clock) -> None:
        self._database, self._book, self._clock = database, book, clock
        self._recording: Coalescer[tuple[NewFact, ...], None] = Coalescer(
            self._record_together, max_batch=_RECORDED_TOGETHER
        )
        self.run = self._recording.run

    async def begin(self) -> None:
        """Make the first line, by which this ledger is told from every other."""
        async with self._database.transaction(queries.LOCK) as tx:
            if await tx.fetchrow(queries.LAST) is None:
                begun = NewFact(kind=FactKind.LEDGER_BEGUN, subject_ref=None, ref=queries.name(), at=self._clock.now())
                await queries.add(tx, chained(0, NOTHING, [begun]))

    async def record(self, news: Sequence[NewFact]) -> None:
        """Record facts; on disk when this returns. Together with others that wait.

        Raises:
            DatabaseAway: nothing is known of them.
        """
        await self._recording.put(tuple(news))

    async def append(self, tx: Transaction, news: Sequence[NewFact]) -> None:
        """Record facts in a transaction of the caller's, which others wait for until it ends."""
        await tx.execute(queries.LOCK)
        fresh = await queries.unknown(tx, news)
        if not fresh:
            return
        last = await tx.fetchrow(queries.LAST)
        number, previous = (0, NOTHING) if last is None else (last["number"], last["hash"])
        await queries.add(tx, chained(number, previous, fresh))

    async def page(self, after: int, known_hash: str, limit: int) -> FactsPageAnswer:
        """The facts after one that the caller knows.

        Raises:
            LedgerBehind: the ledger does not have that fact, or no longer.
            LedgerOther: it has another one in its place.
        """
        async with self._database.transaction() as tx:
            await self._must_have(tx, after, bytes.fromhex(known_hash))
            rows = await tx.fetch(queries.PAGE, after, limit)
            settled = await tx.fetchrow(queries.SETTLED, _SETTLED_AFTER)
        return FactsPageAnswer(
            facts=tuple(_fact(row) for row in rows),
            hash=rows[-1]["hash"].hex() if rows else known_hash,
            settled=0 if settled is None else settled["number"],
            settled_hash="" if settled is None else settled["hash"].hex(),
        )

    async def newest(self) -> int:
        """The number of the last fact; 0 before the first."""
        async with self._database.transaction() as tx:
            row = await tx.fetchrow(queries.LAST)
        return 0 if row is None else int(row["number"])

    async def settled(self) -> int:
        """The number of the last fact whose effect is not under way any more; 0 before the first."""
        async with self._database.transaction() as tx:
            row = await tx.fetchrow(queries.SETTLED, _SETTLED_AFTER)
        return 0 if row is None else int(row["number"])

    async def after(self, number: int, limit: int) -> list[Fact]:
        """The facts after a number, in order, for this service itself."""
        async with self._database.transaction() as tx:
            return [_fact(row) for row in await tx.fetch(queries.PAGE, number, limit)]

    async def replayed(self, service: Service, through: int) -> tuple[Service, ...]:
        """Note that all facts up to one hold in a service's data; who still has to say so since a restore."""
        async with self._database.transaction() as tx:
            await tx.execute(queries.REPLAYED, service, through)
            return tuple(Service(row["service"]) for row in await tx.fetch(queries.WAITING, list(OWNERS)))

    async def sweep(self, now: datetime) -> None:
        """End what is older than any backup that can still be restored."""
        async with self._database.transaction() as tx:
            oldest = await tx.fetchval(queries.OLDEST)
            before = now - self._book.facts_kept(now)
            if oldest is not None and oldest < before:
                await tx.execute(queries.END, before)

    async def _must_have(self, tx: Transaction, number: int, known_hash: bytes) -> None:
        first = await tx.fetchval(queries.FIRST)
        if number == 0 and first in {None, 1}:
            return
        hash_ = await tx.fetchval(queries.HASH_AT, number)
        if hash_ is None:
            raise LedgerBehind
        if hash_ != known_hash:
            raise LedgerOther

    async def _record_together(self, waiting: Sequence[Sequence[NewFact]]) -> list[None]:
        async with self._database.transaction() as tx:
            await self.append(tx, list(chain.from_iterable(waiting)))
        return [None] * len(waiting)


def _fact(row: asyncpg.Record) -> Fact:
    return Fact(
        number=row["number"],
        kind=FactKind(row["kind"]),
        subject_ref=row["subject_ref"],
        ref=row["ref"],
        at=row["at"],
    )
