"""Verification: an item is closed only when retention has seen for itself that nothing of it is left."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

import asyncpg
import structlog

from lethe_common.bells import Bell
from lethe_common.clock import Clock
from lethe_common.database import Database, Transaction
from lethe_common.errors import LetheError
from lethe_common.events.envelope import portions
from lethe_common.events.jobs import RemovalRule
from lethe_common.events.retention import ExportsRemoved, ItemsRemoved
from lethe_common.identifiers import ExportId
from lethe_retention import queries
from lethe_retention.deadlines import item_id
from lethe_retention.gauges import Gauges

log = structlog.get_logger()

StillThere = Callable[[Mapping[str, Sequence[str]]], Awaitable[set[str]]]
"""Which of these items, each with its object prefixes, can still be seen?"""


class Verification:
    """Looks at what its owners say is gone, batch by batch."""

    def __init__(
        self,
        database: Database,
        still_there: StillThere,
        clock: Clock,
        gauges: Gauges,
        *,
        batch: int,
        poll_seconds: float,
        again: timedelta,
    ) -> None:
        self._database, self._still_there, self._clock, self._gauges = database, still_there, clock, gauges
        self._batch, self._poll_seconds, self._again = batch, poll_seconds, again
        self._bell = Bell()

    def wake(self) -> None:
        """Something was reported as gone."""
        self._bell.ring()

    async def run(self) -> None:
        """Look for ever; a worker of the frame."""
        while True:
            while await self.look():
                pass
            await self._bell.wait(min(self._poll_seconds, self._again.total_seconds()))

    async def look(self) -> int:
        """Look at one batch, close what is seen to be gone, and return how many were looked at."""
        async with self._database.transaction() as tx:
            rows = await tx.fetch(queries.REMOVED_PAGE, self._batch)
        items = {row["item_id"]: row["prefixes"] for row in rows}
        if not items:
            return 0
        try:
            present = await self._still_there(items)
        except LetheError as error:
            log.warning("verification_waits", count=len(items), cause=type(error).__name__)
            present = set(items)
        gone = [item for item in items if item not in present]
        async with self._database.transaction() as tx:
            if present:
                await tx.execute(queries.LOOK_LATER, sorted(present), self._again)
            closed = {row[0] for row in await tx.fetch(queries.CLOSE, gone, self._clock.now())}
            self._tell(tx, [row for row in rows if row["item_id"] in closed])
        self._gauges.still_there.inc(len(present))
        self._gauges.verified.inc(len(closed))
        return len(items)

    def _tell(self, tx: Transaction, rows: Sequence[asyncpg.Record]) -> None:
        generations, exports, now = [], [], self._clock.now()
        for row in rows:
            item, rule = item_id(row["item_id"]), RemovalRule(row["rule"])
            if isinstance(item, ExportId):
                exports.append(ExportsRemoved.Item(export_id=item, rule=rule, verified_at=now))
            else:
                removed_at = row["removed_at"]
                generations.append(
                    ItemsRemoved.Item(generation_id=item, rule=rule, removed_at=removed_at, verified_at=now)
                )
        for told in portions(generations):
            tx.tell(ItemsRemoved(items=told))
        for archives in portions(exports):
            tx.tell(ExportsRemoved(items=archives))
