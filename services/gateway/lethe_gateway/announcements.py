"""Coming versions of the policy: told to everybody who has an account, once, and as early as was promised.

What was told is remembered by version. So a version that was announced in time may be
started with any day before it takes effect, and one that nobody heard of may not.
"""

from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise

import asyncpg
import structlog

from lethe_common.announcements import Record
from lethe_common.clock import Clock
from lethe_common.database import Database, Transaction
from lethe_common.policy import Policy, PolicyBook
from lethe_common.policy.diff import Announced, changes, due, unannounced
from lethe_common.rpc.announcements import Announcement
from lethe_gateway import announcement_queries as queries
from lethe_gateway.mails import Mails

log = structlog.get_logger()

_PAGE = 100


class Announcements:
    """Notes coming versions at the start, and writes the mails that tell of them."""

    def __init__(self, database: Database, record: Record, book: PolicyBook, clock: Clock, mails: Mails) -> None:
        self._database, self._record, self._book, self._clock, self._mails = database, record, book, clock, mails

    async def register(self) -> None:
        """Note the versions that were not known yet, and have them recorded for all services.

        Raises:
            NoticeTooLate, AnnouncedOtherwise, HistoryMissing: one may not be run on; as in `unannounced`.
        """
        recorded = (await self._record.noted()).announcements
        async with self._database.transaction(queries.LOCK) as tx:
            await self._note_fresh(tx, {one.version: one for one in recorded})
            noted = {row["version"]: _announcement(row) for row in await tx.fetch(queries.KNOWN)}
        # Behind the commit: what is recorded is noted here, and a crash in between does both again.
        await self._record.enter(tuple(noted.values()))

    async def _note_fresh(self, tx: Transaction, recorded: Mapping[int, Announcement]) -> None:
        noted = {row["version"]: _announcement(row) for row in await tx.fetch(queries.KNOWN)}
        # A restored backup may have forgotten an announcement; the record lies outside of backups.
        known = {**noted, **recorded}
        has_audience = bool(await tx.fetchval(queries.HAS_ACCOUNTS))
        now = self._clock.now()
        hashes = {version: one.hash for version, one in known.items()}
        for older, newer in pairwise(self._book.versions):
            if newer.version in recorded and newer.version not in noted:
                # Nobody knows any more whom its mails reached: rather twice than not at all.
                is_told = not (has_audience and _is_mailed(older, newer, now))
                await self._note(tx, recorded[newer.version], is_told=is_told)
        for before, fresh in unannounced(self._book, Announced(hashes, has_audience), now):
            one = Announcement(version=fresh.version, hash=fresh.hash, announced_at=now)
            await self._note(tx, one, is_told=not (has_audience and _is_mailed(before, fresh, now)))

    async def _note(self, tx: Transaction, one: Announcement, *, is_told: bool) -> None:
        await tx.execute(queries.ANNOUNCE, one.version, one.hash, one.announced_at, is_told)

    async def sweep(self, now: datetime) -> None:
        """Write the mails of all coming versions that are not written yet, a page of accounts a transaction."""
        while await self._tell_page(now):
            continue

    async def _tell_page(self, now: datetime) -> bool:
        coming = {policy.version: policy for policy in self._book.versions if policy.effective_at > now}
        async with self._database.transaction() as tx:
            row = await tx.fetchrow(queries.TAKE, list(coming))
            if row is None:
                return False
            audience = await tx.fetch(queries.AUDIENCE, row["last_account_id"], row["announced_at"], _PAGE)
            written = await self._mails.announce(tx, audience, coming[row["version"]])
            is_told = len(audience) < _PAGE
            # When all are told, no account's id stays behind.
            await tx.execute(queries.GO_ON, row["version"], "" if is_told else audience[-1]["account_id"], is_told)
        log.info("policy_announced", version=row["version"], count=written)
        return True


def _is_mailed(older: Policy | None, newer: Policy, now: datetime) -> bool:
    """Whether the version before it promised mail about this one, and its day is still to come."""
    if older is None or newer.effective_at <= now:
        return False
    notice = due(older, newer, changes(older, newer))
    return notice is not None and "email" in notice.channels


def _announcement(row: asyncpg.Record) -> Announcement:
    return Announcement(version=row["version"], hash=row["policy_hash"], announced_at=row["announced_at"])
