"""Expiries: lines of the ledger of choices go when they were kept as long after their account's end as was promised."""

from datetime import datetime

from lethe_common.database import Database
from lethe_common.policy import PolicyBook
from lethe_privacy import key_queries as queries
from lethe_privacy.certificates import CHOICES


class Expiries:
    """What is over at a policy time, in batches of holders."""

    def __init__(self, keys: Database, book: PolicyBook, *, batch: int) -> None:
        self._keys, self._book, self._batch = keys, book, batch

    async def sweep(self, now: datetime) -> None:
        """Let all lines go that are old enough, and return when no more are."""
        kept = self._book.longest_minimum(CHOICES, now)
        if kept is None:
            return
        while await self._forget(now - kept) == self._batch:
            pass

    async def _forget(self, closed_at_or_before: datetime) -> int:
        async with self._keys.transaction() as tx:
            holders: int = await tx.fetchval(queries.FORGET_CHOICES, closed_at_or_before, self._batch)
        return holders
