"""Coming versions of the policy: told to everybody who has an account, once, and as early as was promised.

What was told is remembered by version. So a version that was announced in time may be
started with any day before it takes effect, and one that nobody heard of may not.
"""

from datetime import datetime
from itertools import pairwise

import structlog

from lethe_common.clock import Clock
from lethe_common.database import Database, Transaction
from lethe_common.policy import Policy, PolicyBook
from lethe_common.policy.diff import changes, due, late
from lethe_gateway import announcement_queries as queries
from lethe_gateway.errors import AnnouncedOtherwise, NoticeTooLate
from lethe_gateway.mails import Mails

log = structlog.get_logger()

_PAGE = 100


class Announcements:
    """Notes coming versions at the start, and writes the mails that tell of them."""

    def __init__(self, database: Database, book: PolicyBook, clock: Clock, mails: Mails) -> None:
        self._database, self._book, self._clock, self._mails = database, book, clock, mails

    async def register(self) -> None:
        """Note the versions that were not known yet. As long as nobody has an account, nobody has to be told.

        Raises:
            NoticeTooLate: one would take effect sooner after this than the version before it promised.
            AnnouncedOtherwise: one was announced with another text.
        """
        async with self._database.transaction(queries.LOCK) as tx:
            known = {row["version"]: row["policy_hash"] for row in await tx.fetch(queries.KNOWN)}
            has_audience = bool(await tx.fetchval(queries.HAS_ACCOUNTS))
            first = self._book.versions[0]
            if first.version not in known:
                await self._note(tx, first, is_told=True)
            for older, newer in pairwise(self._book.versions):
                if known.get(newer.version) != newer.hash:
                    await self._register(tx, older, newer, known, has_audience=has_audience)

    async def _register(
        self, tx: Transaction, older: Policy, newer: Policy, known: dict[int, str], *, has_audience: bool
    ) -> None:
        now = self._clock.now()
        is_coming = newer.effective_at > now
        if newer.version in known and (has_audience or not is_coming):
            if is_coming:
                raise AnnouncedOtherwise(newer.version)
            return
        # Of a first start on data of before, what is in force already was somebody else's to announce.
        if has_audience and (is_coming or known) and (fault := late(older, newer, now)) is not None:
            raise NoticeTooLate(fault)
        notice = due(older, newer, changes(older, newer))
        is_mailed = has_audience and is_coming and notice is not None and "email" in notice.channels
        await self._note(tx, newer, is_told=not is_mailed)

    async def _note(self, tx: Transaction, policy: Policy, *, is_told: bool) -> None:
        await tx.execute(queries.ANNOUNCE, policy.version, policy.hash, self._clock.now(), is_told)

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
