"""Correspondents: who has no session, gives an address, and writes to the rights desk by a mailed link.

Every address gets the same: an account of a kind of its own, found by an index of its own, and a mail with a link. That
somebody has another account by this address is looked up only when the link is used, by whoever reads its mail. A
correspondent may file and follow requests (`callers.OF_CORRESPONDENTS`) and is erased when nothing is asked any more.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg
import structlog

from lethe_common.bus import Bus
from lethe_common.clock import Clock
from lethe_common.database import Database
from lethe_common.identifiers import AccountId, SubjectRef
from lethe_common.rpc.envelope import Refused
from lethe_common.rpc.privacy import IndexLookup, IndexLookupQuestion, KeyClass, SubjectOpen, SubjectOpenQuestion
from lethe_common.sealing import SealContext, Sealer
from lethe_gateway import account_queries as queries
from lethe_gateway.accounts import EMAIL, Accounts
from lethe_gateway.blinding import Blinding, normal_email
from lethe_gateway.erasures import Erasures
from lethe_gateway.errors import NotSignedIn
from lethe_gateway.item_keys import ItemKeys
from lethe_gateway.mails import LinkTemplate, Mails
from lethe_gateway.requests import Requests

log = structlog.get_logger()

LINK: LinkTemplate = "request_link"
_LOOKED_AFTER = timedelta(days=1)
_BATCH = 100

INVITED = """
    INSERT INTO gateway.accounts
           (account_id, subject_ref, email_sealed, key_id, storage_ref, plan, state, created_at, look_at, seen_on)
    VALUES ($1, $2, $3, $4, $5, $6, 'correspondent', $7, $8, ($7 AT TIME ZONE 'UTC')::date)
        ON CONFLICT (subject_ref) DO UPDATE SET look_at = excluded.look_at WHERE accounts.state = 'correspondent'
    RETURNING account_id
"""
LOOK_AT = "UPDATE gateway.accounts SET look_at = $2 WHERE account_id = $1 AND state = 'correspondent'"
DUE = """
    SELECT account_id, subject_ref FROM gateway.accounts
     WHERE state = 'correspondent' AND look_at <= $1 ORDER BY look_at LIMIT $2
"""  # index accounts_look_at
HAS_VIDEO = """
    SELECT 1 FROM gateway.generations WHERE generation_id = $1 AND account_id = $2
     UNION ALL SELECT 1 FROM gateway.tombstones WHERE generation_id = $1 AND account_id = $2
"""  # primary keys


@dataclass(frozen=True, slots=True, repr=False)
class Entered:
    """A session's token and how long it lasts; `is_account` where it is that of the account that the second fact named."""

    token: str
    period: timedelta
    is_account: bool


class Correspondents:
    """Invites, lets in, looks after. A link is valid for `valid`, a session lasts for `period`."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        clock: Clock,
        keys: ItemKeys,
        sealer: Sealer,
        blinding: Blinding,
        accounts: Accounts,
        mails: Mails,
        requests: Requests,
        erasures: Erasures,
        *,
        plan: str,
        valid: timedelta,
        period: timedelta,
    ) -> None:
        self._database, self._bus, self._clock, self._keys, self._sealer = database, bus, clock, keys, sealer
        self._blinding, self._accounts, self._mails, self._requests = blinding, accounts, mails, requests
        self._erasures, self._plan, self._valid, self._period = erasures, plan, valid, period

    async def invite(self, email: str) -> None:
        """Mail a link to an address. For every address the same is done, whoever has it; nobody is told anything by it."""
        subject_ref = await self._subject_of(self._blinding.correspondent_index(normal_email(email)))
        known = await self._database.pool.fetchrow(queries.ACCOUNT_OF_SUBJECT, subject_ref)
        account_id = AccountId.new() if known is None else AccountId.trusted(known["account_id"])
        try:
            held = await self._keys.issue(subject_ref, account_id, KeyClass.IDENTITY)
            mail = await self._mails.write(account_id, subject_ref, LINK)
        except NotSignedIn:
            # It is being erased at this moment. Whoever asks again is somebody new.
            return
        sealed = self._sealer.seal(
            held.key, SealContext(EMAIL, subject_ref, account_id, held.key_id), email.strip().encode()
        )
        now = self._clock.now()
        row = (account_id, subject_ref, sealed, held.key_id, secrets.token_hex(16), self._plan, now, now + self._valid)
        async with self._database.transaction() as tx:
            if await tx.fetchval(INVITED, *row) == account_id:
                await self._mails.enqueue(tx, mail)

    async def enter(self, token: str, fact: str | None) -> Entered:
        """Begin a session by a mailed link: of the account by this address that the second fact is true of, else for requests.

        `fact` is the id of the account, or of one of its videos.

        Raises:
            Gone: the link was used, or is too old.
        """
        async with self._database.transaction() as tx:
            row = await self._accounts.take(tx, token, LINK)
            account = None if fact is None else await self._account_of(row, fact)
            period = self._period
            await tx.execute(LOOK_AT, row["account_id"], self._clock.now() + period)
        account_id = (account or row)["account_id"]
        return Entered(await self._accounts.begin_session(account_id, period), period, account is not None)

    async def sweep(self, now: datetime) -> None:
        """Erase those of whom no request is left, nor a link or a session that could file one."""
        for row in await self._database.pool.fetch(DUE, now, _BATCH):
            if not await self._requests.all_of(row["subject_ref"], 1):
                await self._forget(row["subject_ref"])
            async with self._database.transaction() as tx:
                await tx.execute(LOOK_AT, row["account_id"], now + _LOOKED_AFTER)

    async def _forget(self, subject_ref: str) -> None:
        try:
            await self._erasures.begin(subject_ref)
        except Refused as error:
            # One is refused for good; the others' turn comes all the same.
            log.warning("correspondent_left", error_code=error.refusal_code)

    async def _subject_of(self, index: str) -> SubjectRef:
        # Both questions each time, so that an address that is new here takes no longer than one that is not.
        known = (await self._bus.ask(IndexLookup, IndexLookupQuestion(login_index=index))).subject_ref
        subject_ref = known or SubjectRef.new()
        await self._bus.ask(SubjectOpen, SubjectOpenQuestion(subject_ref=subject_ref, login_index=index))
        return subject_ref

    async def _account_of(self, correspondent: asyncpg.Record, fact: str) -> asyncpg.Record | None:
        email = await self._accounts.address_of(correspondent)
        account = await self._accounts.find(email)
        if account is None or account["state"] not in {"active", "unverified"}:
            return None
        is_own = fact == account["account_id"] or await self._database.pool.fetchval(
            HAS_VIDEO, fact, account["account_id"]
        )
        return account if is_own else None
