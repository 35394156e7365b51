"""Expired leases: runs whose worker fell silent go back into the queue, or end after their last attempt."""

import asyncio

import structlog

from lethe_common.database import Database
from lethe_common.errors import Unavailable
from lethe_jobs.queries import runs as queries
from lethe_jobs.runs import RESUMABLE, Cause
from lethe_jobs.settlements import Settlements
from lethe_jobs.verdicts import broken

log = structlog.get_logger()


class Expiries:
    """Looks for leases that ran out; any process may, and one at a time succeeds."""

    def __init__(
        self, database: Database, settlements: Settlements, *, attempts_most: int, batch: int, every_seconds: float
    ) -> None:
        self._database, self._settlements = database, settlements
        self._attempts_most, self._batch, self._every_seconds = attempts_most, batch, every_seconds

    async def run(self) -> None:
        """Look for ever; a worker of the frame."""
        while True:
            try:
                await self.look()
            except Unavailable as error:
                log.info("expiries_wait", cause=type(error).__name__)
            await asyncio.sleep(self._every_seconds)

    async def look(self) -> int:
        """Settle what has expired by now. Returns how many runs were."""
        async with self._database.transaction() as tx:
            lost = await queries.expired(tx, RESUMABLE, self._batch)
        if not lost:
            return 0
        verdicts = [broken(run, Cause.LEASE_EXPIRED, self._attempts_most) for run in lost]
        settled = [outcome for outcome in await self._settlements.expire(verdicts) if outcome is not None]
        log.warning("leases_expired", count=len(settled))
        return len(settled)
