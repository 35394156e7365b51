"""The sweep for orphans: looks through all places, both ways, page by page, and has objects removed by their owner."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from lethe_common.database import Database
from lethe_common.errors import LetheError
from lethe_common.rpc.orphans import OBJECTS_MOST
from lethe_retention import orphan_queries as queries
from lethe_retention.adapters.places import ENDED, OBJECT_PLACES, Places
from lethe_retention.gauges import Gauges
from lethe_retention.orphans import Found, Kind, batches, compared
from lethe_retention.verification import StillThere

log = structlog.get_logger()

Remove = Callable[[Sequence[str]], Awaitable[Sequence[str]]]
"""Has these object keys removed by their owner; answers those that are gone."""
_DEADLINES = "retention.deadlines"
_BATCH = 500
_FORGET_BATCH = 5000


@dataclass(frozen=True, slots=True)
class Pace:
    """How often is looked, how old an orphan must be, and how many are noted of one place at most."""

    every_seconds: float
    age: timedelta
    grace: timedelta
    most: int


class OrphanSweep:
    """Finds and counts orphans. Removes nothing itself."""

    def __init__(
        self,
        database: Database,
        places: Places,
        still_there: StillThere,
        owners: Mapping[str, Remove],
        gauges: Gauges,
        pace: Pace,
    ) -> None:
        self._database, self._places, self._still_there = database, places, still_there
        self._owners, self._gauges, self._pace = owners, gauges, pace
        self.swept_at: datetime | None = None

    async def run(self) -> None:
        """Sweep for ever; a worker of the frame."""
        while True:
            await self.sweep()
            await asyncio.sleep(self._pace.every_seconds)

    async def sweep(self) -> None:
        """Look through every place once. One that cannot be seen keeps what is known of it."""
        for place in OBJECT_PLACES:
            where = {Kind.OBJECT_WITHOUT_ROW: place.prefix, Kind.ROW_WITHOUT_OBJECT: place.table}
            await self._sweep(where, compared(self._places.objects(place), self._places.rows(place)))
        for table in ENDED:
            await self._sweep({Kind.ITEM_WITHOUT_DEADLINE: table}, self._unscheduled(table))
        await self._sweep({Kind.DEADLINE_WITHOUT_ITEM: _DEADLINES}, self._itemless())
        await self._count()
        for prefix, remove in self._owners.items():
            await self._remove(prefix, remove)
        async with self._database.single() as tx:
            self.swept_at = await tx.fetchval(queries.NOW)

    async def _sweep(self, where: Mapping[Kind, str], found: AsyncIterator[tuple[Kind, str]]) -> None:
        """Note what is found, and forget what is not found any more."""
        async with self._database.single() as tx:
            began = await tx.fetchval(queries.NOW)
        noted = 0
        try:
            async for batch in batches(found, _BATCH, self._pace.most):
                noted += len(batch)
                async with self._database.transaction() as tx:
                    await queries.note(tx, [Found(kind, where[kind], name) for kind, name in batch])
        except LetheError as error:
            log.warning("orphan_sweep_waits", store=next(iter(where.values())), cause=type(error).__name__)
            return
        if noted == self._pace.most:
            log.warning("orphans_not_all_noted", store=next(iter(where.values())), count=noted)
        for kind, place in where.items():
            removed = _FORGET_BATCH
            while removed == _FORGET_BATCH:
                async with self._database.transaction() as tx:
                    tag = await tx.execute(queries.FORGET_UNSEEN, kind, place, began, _FORGET_BATCH)
                removed = int(tag.rpartition(" ")[2])

    async def _unscheduled(self, table: str) -> AsyncIterator[tuple[Kind, str]]:
        async for page in self._places.pages(table, ENDED[table]):
            async with self._database.single() as tx:
                missing = [row[0] for row in await tx.fetch(queries.UNSCHEDULED, page)]
            for name in missing:
                yield Kind.ITEM_WITHOUT_DEADLINE, name

    async def _itemless(self) -> AsyncIterator[tuple[Kind, str]]:
        after = ""
        while True:
            async with self._database.single() as tx:
                names = [row[0] for row in await tx.fetch(queries.OPEN_ITEMS, after, _BATCH)]
            if not names:
                return
            there = await self._still_there(dict.fromkeys(names, ()))
            for name in names:
                if name not in there:
                    yield Kind.DEADLINE_WITHOUT_ITEM, name
            after = names[-1]

    async def _count(self) -> None:
        async with self._database.single() as tx:
            counts = await queries.counts(tx, self._pace.age)
        self._gauges.orphans.clear()
        for (kind, place), count in counts.items():
            self._gauges.orphans.labels(kind, place).set(count)
            log.error("orphans_found", kind=kind, store=place, count=count)

    async def _remove(self, prefix: str, remove: Remove) -> None:
        """Ask the owner, a batch at a time, each orphan once in a sweep."""
        async with self._database.transaction() as tx:
            await tx.execute(queries.ASK_ANEW, prefix)
        while True:
            async with self._database.transaction() as tx:
                rows = await tx.fetch(queries.TAKE, self._pace.grace, prefix, OBJECTS_MOST)
            if not rows:
                return
            try:
                gone = await remove([row[0] for row in rows])
            except LetheError as error:
                log.warning("orphan_removal_waits", store=prefix, count=len(rows), cause=type(error).__name__)
                return
            async with self._database.transaction() as tx:
                await tx.execute(queries.FORGET, Kind.OBJECT_WITHOUT_ROW, prefix, list(gone))
            self._gauges.orphans_removed.inc(len(gone))
