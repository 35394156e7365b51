"""What time does to requests: whoever answers is warned before one is late, and each goes at its end."""

from datetime import datetime

import structlog

from lethe_common.database import Database
from lethe_common.identifiers import RequestId, SubjectRef
from lethe_common.policy import PolicyBook
from lethe_common.policy.clocks import warn_at
from lethe_common.rpc.privacy import LeaseWish
from lethe_common.rpc.requests import LETHE
from lethe_privacy import request_queries as queries
from lethe_privacy import requests
from lethe_privacy.desk import ends_at
from lethe_privacy.gauges import Gauges
from lethe_privacy.itemkeys import ItemKeys
from lethe_privacy.requests import Done, Step

log = structlog.get_logger()


class RequestSweeps:
    """Warns, counts and removes; each as often as it is asked to, with the same effect."""

    def __init__(self, database: Database, keys: ItemKeys, book: PolicyBook, gauges: Gauges, *, batch: int) -> None:
        self._database, self._keys, self._book, self._gauges, self._batch = database, keys, book, gauges, batch

    async def warn(self, now: datetime) -> None:
        """Note in the dossier, and say in the log, that little time is left; then count what is open."""
        while await self._warn_some(now) == self._batch:
            continue
        async with self._database.transaction() as tx:
            standings = await tx.fetch(queries.STANDINGS, now)
        self._gauges.open.clear()
        for row in standings:
            self._gauges.open.labels(row["kind"], row["standing"]).set(row["n"])

    async def remove(self, now: datetime) -> None:
        """Requests whose period is over go, first their keys."""
        while await self._remove_some(now) == self._batch:
            continue

    async def _warn_some(self, now: datetime) -> int:
        async with self._database.transaction() as tx:
            rows = await tx.fetch(queries.TAKE_WARNED, now, self._batch)
            for row in rows:
                request = await queries.lock(tx, RequestId.trusted(row["request_id"]))
                if request is None:
                    continue
                warned = requests.noted(request, Done(Step.WARNED, LETHE, now))
                await queries.move(tx, request, warned, warn_at(request.received_at, request.due_at))
                log.warning("request_due_soon", request_id=request.request_id, kind=request.kind)
        return len(rows)

    async def _remove_some(self, now: datetime) -> int:
        async with self._database.transaction() as tx:
            oldest = await tx.fetch(queries.OLDEST, self._batch)
        over = [row for row in oldest if (end := ends_at(self._book, row["received_at"], now)) and end <= now]
        if not over:
            return 0
        await self._keys.destroy(
            [LeaseWish(subject_ref=SubjectRef.trusted(row["subject_ref"]), item_id=row["request_id"]) for row in over]
        )
        async with self._database.transaction() as tx:
            await tx.execute(queries.REMOVE, [row["request_id"] for row in over])
        return len(over)
