"""How long the queue is, for those who scale by it."""

from datetime import datetime

from lethe_common.database import Database
from lethe_jobs.gauges import Gauges
from lethe_jobs.queries import answers as queries


class QueueWatch:
    """Measures the queue now and then."""

    def __init__(self, database: Database, gauges: Gauges) -> None:
        self._database, self._gauges = database, gauges

    async def sweep(self, _now: datetime) -> None:
        """A sweep of the frame."""
        async with self._database.transaction() as tx:
            ready, waiting = await queries.queue_length(tx)
        self._gauges.queued.labels("ready").set(ready)
        self._gauges.queued.labels("waiting").set(waiting)
