"""Orphans as operators see them."""

from datetime import timedelta

from lethe_common.database import Database
from lethe_common.rpc import orphans as rpc
from lethe_common.services import Service
from lethe_retention import orphan_queries
from lethe_retention.orphan_sweep import OrphanSweep


class Orphans:
    """Lists what the last sweeps found."""

    def __init__(self, database: Database, sweep: OrphanSweep, *, age: timedelta) -> None:
        self._database, self._sweep, self._age = database, sweep, age

    async def list(self, question: rpc.OrphanListQuestion, _caller: Service) -> rpc.OrphanListAnswer:
        """The oldest, and how many there are."""
        async with self._database.transaction() as tx:
            counts = await orphan_queries.counts(tx, self._age)
            rows = await orphan_queries.page(tx, self._age, question.limit)
        return rpc.OrphanListAnswer(
            counts=tuple(rpc.OrphanCount(kind=kind, place=place, count=n) for (kind, place), n in counts.items()),
            orphans=tuple(rpc.Orphan(**dict(row)) for row in rows),
            swept_at=self._sweep.swept_at,
        )
