"""Expiries: what was kept as long after its account's end as was promised goes: choices, and records of erasures."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from lethe_common.database import Database
from lethe_common.policy import PolicyBook
from lethe_privacy import key_queries, queries
from lethe_privacy.certificates import CHOICES, RECORD, kept

Forget = Callable[[datetime], Awaitable[int]]


class Expiries:
    """Lines of the ledger of choices that are over at a policy time, in batches of holders."""

    def __init__(self, keys: Database, book: PolicyBook, *, batch: int) -> None:
        self._keys, self._book, self._batch = keys, book, batch

    async def sweep(self, now: datetime) -> None:
        """Let all lines go that are old enough, and return when no more are."""
        period = kept(self._book, CHOICES, now)
        if period is not None:
            await _forget_all(self._forget, now - period, self._batch)

    async def _forget(self, closed_at_or_before: datetime) -> int:
        async with self._keys.transaction() as tx:
            holders: int = await tx.fetchval(key_queries.FORGET_CHOICES, closed_at_or_before, self._batch)
        return holders


class RecordExpiries:
    """Records of erasures that are over at a policy time: with their certificates here, as who was erased in the key store."""

    def __init__(self, database: Database, keys: Database, book: PolicyBook, *, batch: int) -> None:
        self._database, self._keys, self._book, self._batch = database, keys, book, batch

    async def sweep(self, now: datetime) -> None:
        """Let all records go that are old enough, and return when no more are."""
        period = kept(self._book, RECORD, now)
        if period is not None:
            await _forget_all(self._forget_erasures, now - period, self._batch)
            await _forget_all(self._forget_subjects, now - period, self._batch)

    async def _forget_erasures(self, completed_at_or_before: datetime) -> int:
        async with self._database.transaction() as tx:
            erasures: int = await tx.fetchval(queries.FORGET_ERASURES, completed_at_or_before, self._batch)
        return erasures

    async def _forget_subjects(self, erased_at_or_before: datetime) -> int:
        async with self._keys.transaction() as tx:
            return len(await tx.fetch(key_queries.FORGET_ERASED, erased_at_or_before, self._batch))


async def _forget_all(forget: Forget, before: datetime, batch: int) -> None:
    while await forget(before) == batch:
        pass
