"""Due items: what is over is told to its owners, but never behind a plan that was not heard of yet.

A better plan lengthens a deadline, and its event may be on its way for long: while a
broker is down, or this service was. So billing is asked, for a batch at a time, how many
plans the owners have had: the newest one alone does not tell, since an event that failed
once comes after those behind it. Items of whom one is missing stay open until it has
come; its moment may then lie before their deadline.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime

import structlog

from lethe_common.database import Database
from lethe_common.identifiers import SubjectRef
from lethe_retention import queries
from lethe_retention.gauges import Gauges
from lethe_retention.telling import tell_due

log = structlog.get_logger()

PlansCount = Callable[[Collection[SubjectRef]], Awaitable[Mapping[str, int]]]
"""How many plans have these subjects had? Raises NoAnswer."""


class DueItems:
    """Takes what is over, in batches."""

    def __init__(self, database: Database, plans_count: PlansCount, gauges: Gauges, *, batch: int) -> None:
        self._database, self._plans_count, self._gauges, self._batch = database, plans_count, gauges, batch

    async def take(self, now: datetime) -> None:
        """Tell every item whose time is over, but for those of owners of whose plan not all was heard.

        Raises:
            NoAnswer: billing is away: nothing more is told.
        """
        waiting: set[str] = set()
        size = self._batch
        while size == self._batch:
            async with self._database.transaction() as tx:
                page = await tx.fetch(queries.DUE_PAGE, now, self._batch, list(waiting))
            size = len(page)
            waiting |= await self._take({row[0]: SubjectRef.trusted(row[1]) for row in page}, now) if page else set()
        if waiting:
            log.info("items_wait_for_plans", count=len(waiting))

    async def _take(self, items: Mapping[str, SubjectRef], now: datetime) -> set[str]:
        """Take these items, and answer whose could not be taken."""
        had = await self._plans_count(set(items.values()))
        async with self._database.transaction() as tx:
            heard = dict(await tx.fetch(queries.PLANS_HEARD, list(had)))
            behind = {ref for ref, count in had.items() if heard.get(ref, 0) < count}
            free = [item for item, ref in items.items() if ref not in behind]
            taken = [queries.deadline(row) for row in await tx.fetch(queries.TAKE_DUE, now, free)]
            tell_due(tx, taken)
        self._gauges.due.inc(len(taken))
        return behind
