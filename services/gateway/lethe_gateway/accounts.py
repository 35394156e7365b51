"""Accounts: opened, signed in to, given a new password. What names a person is sealed on the way in."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from lethe_common.bus import Bus
from lethe_common.clock import Clock
from lethe_common.database import Database, Transaction
from lethe_common.events.identity import AccessRevoked, AccountOpened
from lethe_common.identifiers import AccountId, ApiKeyId, SealKeyId, SubjectRef
from lethe_common.rpc.privacy import (
    IndexLookup,
    IndexLookupQuestion,
    KeyClass,
    Purpose,
    SubjectOpen,
    SubjectOpenQuestion,
)
from lethe_common.sealing import SealContext, Sealer
from lethe_gateway import account_queries as queries
from lethe_gateway.api_keys import new_key
from lethe_gateway.blinding import Blinding, digest, normal_email
from lethe_gateway.browser import guest_period
from lethe_gateway.callers import Caller
from lethe_gateway.consents import Answers, Consents
from lethe_gateway.errors import AddressTaken, Gone, NotFound, NotSignedIn, WrongLogin
from lethe_gateway.facts import Facts
from lethe_gateway.item_keys import HeldKey, ItemKeys
from lethe_gateway.mails import Mails
from lethe_gateway.passwords import Passwords

EMAIL, CREDENTIALS = "identity.email", "identity.credentials"


@dataclass(frozen=True, slots=True)
class Opened:
    """A fresh account with its first key, which is shown this once."""

    account_id: AccountId
    plan: str
    state: str
    created_at: datetime
    key_id: ApiKeyId
    key: str


class Accounts:
    """What people do with their account."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        clock: Clock,
        keys: ItemKeys,
        sealer: Sealer,
        blinding: Blinding,
        passwords: Passwords,
        mails: Mails,
        consents: Consents,
        facts: Facts,
        *,
        plan: str,
        session_period: timedelta,
        is_verifying: bool,
    ) -> None:
        self._database, self._bus, self._clock = database, bus, clock
        self._keys, self._sealer, self._blinding, self._passwords = keys, sealer, blinding, passwords
        self._consents, self._facts = consents, facts
        self._mails, self._plan, self._session_period, self._is_verifying = mails, plan, session_period, is_verifying

    async def open(self, email: str, password: str, answers: Answers) -> Opened:
        """Open an account for somebody who answered what newcomers are asked.

        Raises:
            AddressTaken: there is one with this address.
        """
        encoded = await self._passwords.hash(password)
        subject_ref = await self._subject_for(self._blinding.login_index(normal_email(email)))
        return await self._open_for(subject_ref, answers, email.strip(), encoded)

    async def open_guest(self, answers: Answers) -> tuple[Opened, str, timedelta]:
        """Open an account without an address: who has its key or its session's token, which lasts so long, is its owner.

        Raises:
            AddressTaken: never, short of a collision of random numbers.
        """
        subject_ref = SubjectRef.new()
        # Nobody signs in by it; the privacy service knows no subject without an index.
        question = SubjectOpenQuestion(subject_ref=subject_ref, login_index=secrets.token_hex(32))
        if not (await self._bus.ask(SubjectOpen, question)).is_opened:
            raise AddressTaken
        opened = await self._open_for(subject_ref, answers, None, None)
        period = guest_period(answers.policy) or self._session_period
        return opened, await self.begin_session(opened.account_id, period), period

    async def open_external(self, index: str, answers: Answers, email: str | None) -> None:
        """Open an account for somebody whom a provider vouches for, with the address that it verified, if it told one.

        Nobody sees a key of it: who wants one makes it in the studio.

        Raises:
            AddressTaken: there is one by this name of the provider's already.
        """
        subject_ref = await self._subject_for(index)
        await self._open_for(subject_ref, answers, email, None, is_proven=True)

    async def enter(self, index: str) -> str | None:
        """A new session's token for whom a provider vouches for; None where there is no account."""
        account = await self._account_by(index)
        return None if account is None else await self.begin_session(account["account_id"], self._session_period)

    async def _open_for(
        self,
        subject_ref: SubjectRef,
        answers: Answers,
        email: str | None,
        encoded: str | None,
        *,
        is_proven: bool = False,
    ) -> Opened:
        account_id, key_id, key = AccountId.new(), ApiKeyId.new(), new_key()
        await self._consents.sign_up(subject_ref, answers)
        held = await self._keys.issue(subject_ref, account_id, KeyClass.IDENTITY)
        is_verifying = self._is_verifying and email is not None and not is_proven
        now, state = self._clock.now(), "unverified" if is_verifying else "active"
        mail = await self._mails.write(account_id, subject_ref, "verify_email") if is_verifying else None
        async with self._database.transaction() as tx:
            is_new = await queries.add_account(
                tx,
                account_id=account_id,
                subject_ref=subject_ref,
                email_sealed=self._seal_some(held, EMAIL, subject_ref, account_id, email),
                password_sealed=self._seal_some(held, CREDENTIALS, subject_ref, account_id, encoded),
                key_id=held.key_id,
                storage_ref=secrets.token_hex(16),
                plan=self._plan,
                state=state,
                created_at=now,
            )
            if not is_new:
                raise AddressTaken
            if not is_proven:
                await queries.add_key(tx, key_id, account_id, digest(key), now)
            if mail is None:
                tx.tell(AccountOpened(subject_ref=subject_ref, plan=self._plan, opened_at=now))
            else:
                await self._mails.enqueue(tx, mail)
        return Opened(account_id, self._plan, state, now, key_id, key)

    async def sign_in(self, email: str, password: str) -> tuple[str, asyncpg.Record]:
        """A new session's token and the account's row. Takes as long for an unknown address.

        Raises:
            WrongLogin: they do not fit.
        """
        account = await self.find(email)
        encoded = await self._password_of(account)
        if not await self._passwords.fits(encoded, password) or account is None:
            raise WrongLogin
        return await self.begin_session(account["account_id"], self._session_period), account

    async def sign_out(self, caller: Caller) -> None:
        """End the session this caller came with."""
        await self._facts.session_ended(caller.subject_ref, caller.token_hash)
        async with self._database.transaction() as tx:
            await tx.execute(queries.DELETE_SESSION, caller.token_hash)
        await self._bus.say(AccessRevoked(subject_ref=SubjectRef(caller.subject_ref), cause="session"))

    async def ask_for_reset(self, email: str) -> None:
        """Mail a link to set a new password, if there is such an account; nobody is told whether."""
        account = await self.find(email)
        if account is None or account["state"] == "closing":
            return
        mail = await self._mails.write(account["account_id"], account["subject_ref"], "password_reset")
        async with self._database.transaction() as tx:
            await self._mails.enqueue(tx, mail)

    async def reset_password(self, token: str, password: str) -> None:
        """Set a new password by a mailed link's token and end every session.

        Raises:
            Gone: the link was used, or is too old.
        """
        encoded = await self._passwords.hash(password)
        async with self._database.transaction() as tx:
            row = await self.take(tx, token, "password_reset")
            held = await self._keys.lease(Purpose.SIGN_IN, row["subject_ref"], row["account_id"])
            sealed = self._seal(held, CREDENTIALS, row["subject_ref"], row["account_id"], encoded)
            now = self._clock.now()
            await self._facts.password_changed(row["subject_ref"], now)
            await tx.execute(queries.SET_PASSWORD, row["account_id"], sealed, now)
            await tx.execute(queries.DELETE_SESSIONS, row["account_id"])
        await self._bus.say(AccessRevoked(subject_ref=SubjectRef(row["subject_ref"]), cause="password"))

    async def confirm_address(self, token: str) -> None:
        """Confirm an address by a mailed link's token; the account may now be used and gets its credits.

        Raises:
            Gone: the link was used, or is too old.
        """
        async with self._database.transaction() as tx:
            row = await self.take(tx, token, "verify_email")
            plan = await tx.fetchval(queries.SET_STATE, row["account_id"], "active", "unverified")
            if plan is not None:
                opened = AccountOpened(
                    subject_ref=SubjectRef(row["subject_ref"]), plan=plan, opened_at=self._clock.now()
                )
                tx.tell(opened)

    async def show(self, caller: Caller) -> tuple[asyncpg.Record, str | None]:
        """The account's row and its address; a guest has none.

        Raises:
            NotFound: it was erased a moment ago.
        """
        row = await self._database.pool.fetchrow(queries.ACCOUNT_BY_ID, caller.account_id)
        if row is None:
            raise NotFound
        if row["email_sealed"] is None:
            return row, None
        return row, await self.address_of(row)

    async def address_of(self, row: asyncpg.Record) -> str:
        """The address in an account's row that has one.

        Raises:
            NotSignedIn: it is being erased.
        """
        held = await self._keys.lease(Purpose.SHOW, row["subject_ref"], row["account_id"])
        return self._open(held, EMAIL, row, row["email_sealed"])

    async def begin_session(self, account_id: str, period: timedelta) -> str:
        token, now = secrets.token_urlsafe(32), self._clock.now()
        async with self._database.transaction() as tx:
            await tx.execute(queries.INSERT_SESSION, digest(token), account_id, now, now + period)
        return token

    async def _subject_for(self, index: str) -> SubjectRef:
        fresh = SubjectRef.new()
        opened = await self._bus.ask(SubjectOpen, SubjectOpenQuestion(subject_ref=fresh, login_index=index))
        if opened.is_opened:
            return fresh
        known = (await self._bus.ask(IndexLookup, IndexLookupQuestion(login_index=index))).subject_ref
        if known is None or await self._database.pool.fetchrow(queries.ACCOUNT_OF_SUBJECT, known) is not None:
            raise AddressTaken
        # A sign-up died between the two services: its subject waits for its account.
        return known

    async def find(self, email: str) -> asyncpg.Record | None:
        """The account of whoever signs in by this address."""
        return await self._account_by(self._blinding.login_index(normal_email(email)))

    async def _account_by(self, index: str) -> asyncpg.Record | None:
        ref = (await self._bus.ask(IndexLookup, IndexLookupQuestion(login_index=index))).subject_ref
        return await self._database.pool.fetchrow(queries.ACCOUNT_OF_SUBJECT, ref or SubjectRef.new())

    async def _password_of(self, account: asyncpg.Record | None) -> str | None:
        # A decoy is asked for as well, so that the time taken does not tell whether there is an account.
        subject_ref = account["subject_ref"] if account else SubjectRef.new()
        item_id = account["account_id"] if account else AccountId.new()
        try:
            held = await self._keys.lease(Purpose.SIGN_IN, subject_ref, item_id)
        except (Gone, NotSignedIn):
            return None
        # A restored password of before a change is none: a mailed link sets a new one.
        if account is None or account["password_sealed"] is None:
            return None
        return self._open(held, CREDENTIALS, account, account["password_sealed"])

    async def take(self, tx: Transaction, token: str, use: str) -> asyncpg.Record:
        """The account of a mailed link, which opens nothing any more.

        Raises:
            Gone: the link was used, or is too old.
        """
        account_id = await tx.fetchval(queries.TAKE_TOKEN, digest(token), use, self._clock.now())
        row = await tx.fetchrow(queries.ACCOUNT_BY_ID, account_id)
        if row is None:
            raise Gone("This link was used already, or is too old. Ask for a new one.")
        return row

    def _seal(self, held: HeldKey, category: str, subject_ref: str, account_id: str, text: str) -> bytes:
        return self._sealer.seal(held.key, SealContext(category, subject_ref, account_id, held.key_id), text.encode())

    def _seal_some(
        self, held: HeldKey, category: str, subject_ref: str, account_id: str, text: str | None
    ) -> bytes | None:
        return None if text is None else self._seal(held, category, subject_ref, account_id, text)

    def _open(self, held: HeldKey, category: str, row: asyncpg.Record, sealed: bytes) -> str:
        context = SealContext(category, row["subject_ref"], row["account_id"], SealKeyId.trusted(row["key_id"]))
        return self._sealer.open(held.key, context, sealed).decode()
