"""Absences: an account of which nothing was heard for as long as the policy says (`inactive`) ends, with all that belongs to it.

Contact is every request with the account's key or session. The day is written down, no more, and once a day.
"""

from datetime import datetime, timedelta

import structlog

from lethe_common.database import Database
from lethe_common.policy import PolicyBook
from lethe_common.rpc.envelope import Refused
from lethe_gateway.erasures import Erasures
from lethe_gateway.requests import Requests

log = structlog.get_logger()

_DAY = timedelta(days=1)
_BATCH = 100
_REQUESTS_MOST = 100

ABSENT = """
    SELECT account_id, subject_ref FROM gateway.accounts
     WHERE seen_on < $1 AND state <> 'closing' AND (look_at IS NULL OR look_at <= $2)
     ORDER BY seen_on LIMIT $3
"""  # index accounts_seen_on
LOOK_AT = "UPDATE gateway.accounts SET look_at = $2 WHERE account_id = $1"


class Absences:
    """Has accounts erased whose owners are gone; a sweep, for what nobody waits for."""

    def __init__(self, database: Database, book: PolicyBook, requests: Requests, erasures: Erasures) -> None:
        self._database, self._book, self._requests, self._erasures = database, book, requests, erasures

    async def sweep(self, now: datetime) -> None:
        """Begin the erasure of who was last seen so long ago. What is refused, or held, is looked at again a day later."""
        period = self._book.inactive(now)
        if period is None:
            return
        # Whoever came on a day may have come in its last second.
        seen_before = (now - period).date()
        while rows := await self._database.pool.fetch(ABSENT, seen_before, now, _BATCH):
            for row in rows:
                if not await self._has_paused(row["subject_ref"]):
                    await self._end(row["subject_ref"])
                async with self._database.transaction() as tx:
                    await tx.execute(LOOK_AT, row["account_id"], now + _DAY)

    async def _has_paused(self, subject_ref: str) -> bool:
        """Whether they asked for something that keeps all of theirs as it is: a restriction, say."""
        return any(one.is_paused for one in await self._requests.all_of(subject_ref, _REQUESTS_MOST))

    async def _end(self, subject_ref: str) -> None:
        try:
            await self._erasures.begin(subject_ref)
        except Refused as error:
            # One is refused for good; the others' turn comes all the same.
            log.warning("absent_account_left", error_code=error.refusal_code)
