"""The mail queue: what a mail needs beyond its template waits sealed under the mail's own key.

A mail is written with the fact that asks for it; the event that comes back sets
it going. Without an SMTP server it waits until it is useless and is then removed.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Literal

import asyncpg
import structlog

from lethe_common.clock import Clock
from lethe_common.database import Database, Transaction
from lethe_common.errors import LetheError
from lethe_common.events.notice import MailRequested
from lethe_common.identifiers import MailId, SealKeyId, SubjectRef
from lethe_common.policy import Policy, PolicyBook
from lethe_common.rpc.privacy import KeyClass, Purpose
from lethe_common.sealing import SealContext, Sealer
from lethe_gateway import account_queries as queries
from lethe_gateway.adapters.smtp import MailNotSent, Smtp
from lethe_gateway.blinding import digest
from lethe_gateway.errors import NotSignedIn, UseRefused
from lethe_gateway.gauges import Gauges
from lethe_gateway.item_keys import ItemKeys
from lethe_gateway.mail_classes import Class, Withheld, class_of
from lethe_gateway.notices import Coming, Given, Moved, Notices, Soon
from lethe_gateway.words import load_words

log = structlog.get_logger()

CATEGORY = "mail.queue"
Template = Literal[
    "password_reset", "verify_email", "deletion_notice", "policy_change", "request_news", "address_change",
    "address_changed", "request_link", "video_removed", "breach_notice", "disclosure_notice",
]  # fmt: skip
LinkTemplate = Literal["password_reset", "verify_email", "request_link"]
MovedTemplate = Literal["address_change", "address_changed"]
_NOTICE: Template = "deletion_notice"
_CHANGE: Template = "policy_change"
_NEWS: Template = "request_news"
_BREACH: Template = "breach_notice"
_DISCLOSED: Template = "disclosure_notice"
_REMOVED: Template = "video_removed"
_LINK: LinkTemplate = "request_link"
NOTICES = frozenset({_NOTICE, _CHANGE, _BREACH, _DISCLOSED})
"""Mails whose sealed part is what they say; that of the others is a link's secret."""
_SUBJECTS: dict[str, str] = {
    "password_reset": "Set a new password",
    "verify_email": "Confirm your e-mail address",
}
_TEXTS: dict[str, str] = {
    "password_reset": "Somebody asked to set a new password for your account.\n\n"
    "If it was you, open this link within {minutes} minutes:\n{link}\n\n"
    "If it was not you, there is nothing to do: your password stays as it is.\n",
    "verify_email": "Welcome. Please confirm your e-mail address by opening this link within {minutes} minutes:\n"
    "{link}\n\nIf you did not open an account, there is nothing to do.\n",
}
_PAGES: dict[str, str] = {"password_reset": "/reset#", "verify_email": "/verify#"}


UNSUBSCRIBE = "unsubscribe"
_DECLINABLE_FOR = timedelta(days=90)


class MailWithheld(LetheError):
    """It is not sent: the policy, or its reader, does not want it."""

    code = "mail_withheld"

    def __init__(self, reason: Withheld) -> None:
        super().__init__("This mail is not allowed. It was removed, and counted.")
        self.reason = reason


@dataclass(frozen=True, slots=True, repr=False)
class Written:
    """A mail ready to enter the queue, and the digest of what it keeps secret: a link's token, or what it says."""

    mail_id: MailId
    account_id: str
    subject_ref: SubjectRef
    template: Template
    secret_sealed: bytes
    key_id: SealKeyId
    token_hash: bytes


class Mails:
    """Writes mails, sends what is due, removes what is over."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        keys: ItemKeys,
        sealer: Sealer,
        smtp: Smtp | None,
        *,
        public_url: str,
        valid: timedelta,
        book: PolicyBook,
        attempts_most: int,
        gauges: Gauges,
    ) -> None:
        self._database, self._clock, self._keys, self._sealer, self._smtp = database, clock, keys, sealer, smtp
        self._public_url, self._valid, self._attempts_most = public_url.rstrip("/"), valid, attempts_most
        self._book, self._words, self._gauges = book, load_words(), gauges
        self._notices = Notices(book, self._words, self._public_url)

    async def write(self, account_id: str, subject_ref: str, template: LinkTemplate) -> Written:
        """Seal a fresh link for an account."""
        token = secrets.token_urlsafe(32)
        return await self._write(account_id, subject_ref, template, token)

    async def notify(self, tx: Transaction, account_id: str, subject_ref: str, soon: Soon) -> None:
        """Put a notice into the queue that something is deleted soon: how many, and from when on. Not what."""
        mail = await self._write(account_id, subject_ref, _NOTICE, soon.model_dump_json())
        await self._enqueue(tx, mail, self._useless_from(soon.first_at))

    async def news(self, tx: Transaction, account_id: str, subject_ref: str) -> None:
        """Put a mail into the queue that a request of somebody's was decided about. Not how, nor what it is about."""
        mail = await self._write(account_id, subject_ref, _NEWS, _NEWS)
        await self._enqueue(tx, mail, self._kept_until(self._clock.now()))

    async def warn(self, tx: Transaction, audience: Sequence[asyncpg.Record], text: str) -> int:
        """Put what an operator wrote about a breach into the queue of everybody of these who has an address.

        Returns:
            How many there are.
        """
        return await self._to_all(tx, audience, _BREACH, text, self._kept_until(self._clock.now()))

    async def disclosed(self, tx: Transaction, account_id: str, subject_ref: str, given: Given) -> None:
        """Put a mail into the queue that facts about somebody were given to an authority."""
        mail = await self._write(account_id, subject_ref, _DISCLOSED, given.model_dump_json())
        await self._enqueue(tx, mail, self._kept_until(self._clock.now()))

    async def removed(self, tx: Transaction, account_id: str, subject_ref: str) -> None:
        """Put a mail into the queue that a video of somebody's went because of whom it shows. Not which, nor who asked."""
        try:
            mail = await self._write(account_id, subject_ref, _REMOVED, _REMOVED)
        except NotSignedIn:
            return  # is being erased: there is nobody to tell
        await self._enqueue(tx, mail, self._kept_until(self._clock.now()))

    async def write_moved(self, account_id: str, subject_ref: str, template: MovedTemplate, moved: Moved) -> Written:
        """Seal what goes to an address that is not, or not any more, the account's."""
        return await self._write(account_id, subject_ref, template, moved.model_dump_json())

    async def recall(self, account_id: str, subject_ref: str, template: Template) -> None:
        """Mails of this kind that still wait for an account are removed: another one takes their place."""
        rows = await self._database.pool.fetch(queries.MAILS_OF_KIND, account_id, template)
        if rows:
            await self._remove([(subject_ref, row["mail_id"]) for row in rows])

    async def enqueue_until(self, tx: Transaction, mail: Written, over: datetime) -> None:
        """Put a mail into the queue, which it leaves at that time, sent or not."""
        await self._enqueue(tx, mail, over)

    async def announce(self, tx: Transaction, audience: Sequence[asyncpg.Record], policy: Policy) -> int:
        """Put a mail into the queue of everybody of these who has an address and may use their account.

        It tells that this version takes effect.

        Returns:
            How many there are.
        """
        secret = Coming(version=policy.version).model_dump_json()
        return await self._to_all(tx, audience, _CHANGE, secret, self._useless_from(policy.effective_at))

    async def _to_all(
        self, tx: Transaction, audience: Sequence[asyncpg.Record], template: Template, secret: str, over: datetime
    ) -> int:
        reached = [row for row in audience if row["is_reached"]]
        written = await asyncio.gather(*(self._write_unless_erased(row, template, secret) for row in reached))
        mails = [mail for mail in written if mail is not None]
        for mail in mails:
            await self._enqueue(tx, mail, over)
        return len(mails)

    async def _write_unless_erased(self, row: asyncpg.Record, template: Template, secret: str) -> Written | None:
        try:
            return await self._write(row["account_id"], row["subject_ref"], template, secret)
        except NotSignedIn:
            return None

    def _useless_from(self, at: datetime) -> datetime:
        """When a notice leaves the queue, sent or not: at the latest when what it announces has come."""
        return min(at, self._kept_until(self._clock.now()))

    def _kept_until(self, now: datetime) -> datetime:
        return now + (self._book.governing(now).keep(CATEGORY).at_most or self._valid)

    async def enqueue(self, tx: Transaction, mail: Written) -> None:
        """Put a mail with a link into the queue; older links of its kind die."""
        over = self._clock.now() + self._valid
        await tx.execute(queries.DELETE_TOKENS, mail.account_id, mail.template)
        await tx.execute(queries.INSERT_TOKEN, mail.token_hash, mail.account_id, mail.template, over)
        await self._enqueue(tx, mail, over)

    async def _write(self, account_id: str, subject_ref: str, template: Template, secret: str) -> Written:
        mail_id = MailId.new()
        held = await self._keys.issue(subject_ref, mail_id, KeyClass.IDENTITY)
        context = SealContext(CATEGORY, subject_ref, mail_id, held.key_id)
        sealed = self._sealer.seal(held.key, context, secret.encode())
        ref = SubjectRef.trusted(subject_ref)
        return Written(mail_id, account_id, ref, template, sealed, held.key_id, digest(secret))

    async def _enqueue(self, tx: Transaction, mail: Written, over: datetime) -> None:
        now = self._clock.now()
        row = (
            mail.mail_id,
            mail.account_id,
            mail.subject_ref,
            mail.template,
            mail.secret_sealed,
            mail.key_id,
            now,
            over,
        )
        await tx.execute(queries.INSERT_MAIL, *row)
        tx.tell(MailRequested(mail_id=mail.mail_id, subject_ref=mail.subject_ref, template=mail.template))

    async def sweep(self, now: datetime) -> None:
        """Send what is due, then remove what is useless by now, with its key."""
        while self._smtp is not None and await self._send_one(now, self._smtp):
            continue
        rows = await self._database.pool.fetch(queries.OVER_MAILS, now, self._attempts_most)
        if rows:
            await self._remove([(row["subject_ref"], row["mail_id"]) for row in rows])

    async def _send_one(self, now: datetime, smtp: Smtp) -> bool:
        """Send one due mail; whether there was one. Its next attempt is set before this one is made."""
        async with self._database.transaction() as tx:
            row = await tx.fetchrow(queries.CLAIM_MAIL, now)
        if row is None:
            return False
        account = await self._database.pool.fetchrow(queries.ACCOUNT_BY_ID, row["account_id"])
        if account is None:
            return True
        ref, kind = row["subject_ref"], class_of(self._policy, row["template"])
        try:
            address = await self._address(account, kind)
        except MailWithheld as refusal:
            self._gauges.withheld.labels(row["template"], refusal.reason).inc()
            await self._remove([(ref, row["mail_id"])])
            return True
        held = await self._keys.lease(Purpose.MAIL, ref, row["mail_id"])
        token = self._sealer.open(
            held.key, SealContext(CATEGORY, ref, row["mail_id"], held.key_id), row["secret_sealed"]
        )
        message = self._message(row["template"], address, token.decode())
        if message is None:
            await self._remove([(ref, row["mail_id"])])
            return True
        if kind is not None and kind.is_declinable:
            await self._make_declinable(message, row["account_id"], kind.purpose)
        try:
            await smtp.send(message, row["mail_id"])
        except MailNotSent as error:
            log.warning("mail_not_sent", mail_id=row["mail_id"], attempt=row["attempts"], cause=error.cause)
            return True
        await self._remove([(ref, row["mail_id"])])
        log.info("mail_sent", mail_id=row["mail_id"], template=row["template"])
        return True

    @property
    def _policy(self) -> Policy:
        return self._book.governing(self._clock.now())

    async def _address(self, account: asyncpg.Record, kind: Class | None) -> str:
        """Where to send a mail of this class.

        Raises:
            MailWithheld: it is not to be sent.
        """
        if kind is None:
            raise MailWithheld(Withheld.UNDECLARED)
        if account["email_sealed"] is None:
            raise MailWithheld(Withheld.NO_ADDRESS)
        ref, account_id = account["subject_ref"], account["account_id"]
        try:
            held = await self._keys.lease_for(kind.purpose, Purpose.MAIL, ref, account_id)
        except UseRefused as error:
            raise MailWithheld(Withheld.REFUSED) from error
        return self._sealer.open(
            held.key, SealContext("identity.email", ref, account_id, held.key_id), account["email_sealed"]
        ).decode()

    async def _make_declinable(self, message: EmailMessage, account_id: str, purpose: str) -> None:
        """One click ends mails of this purpose, from the mail program (RFC 8058) or by a link in the text."""
        token, over = secrets.token_urlsafe(32), self._clock.now() + _DECLINABLE_FOR
        async with self._database.transaction() as tx:
            await tx.execute(queries.INSERT_TOKEN, digest(token), account_id, f"{UNSUBSCRIBE}:{purpose}", over)
        message["List-Unsubscribe"] = f"<{self._public_url}/v1/unsubscribe/{token}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        link = f"{self._public_url}/unsubscribe#{token}"
        lines = (self._words[tag]("mail.unsubscribe", url=link) for tag in self._policy.languages)
        message.set_content("\n".join((message.get_content(), *lines)) + "\n")

    def _message(self, template: str, address: str, token: str) -> EmailMessage | None:
        """None: what it is about is no more."""
        policy, notices = self._policy, self._notices
        said: dict[str, Callable[[], EmailMessage | None]] = {
            _NOTICE: lambda: notices.deletion(address, Soon.model_validate_json(token), policy),
            _CHANGE: lambda: notices.change(address, Coming.model_validate_json(token)),
            _BREACH: lambda: notices.breach(address, token, policy),
            _DISCLOSED: lambda: notices.disclosed(address, Given.model_validate_json(token), policy),
            _NEWS: lambda: notices.news(address, policy),
            _REMOVED: lambda: notices.removed(address, policy),
        }
        if template in said:
            return said[template]()
        minutes = int(self._valid.total_seconds() // 60)
        if template in {"address_change", "address_changed"}:
            return self._notices.moved(template, Moved.model_validate_json(token), self._policy, minutes)
        if template == _LINK:
            return self._notices.link(address, token, self._policy, minutes)
        message = EmailMessage()
        message["To"], message["Subject"] = address, _SUBJECTS[template]
        # Behind `#`: a fragment is never sent to a server, so it stands in no log.
        link = f"{self._public_url}{_PAGES[template]}{token}"
        message.set_content(_TEXTS[template].format(minutes=minutes, link=link))
        return message

    async def _remove(self, items: list[tuple[str, str]]) -> None:
        await self._keys.destroy(items)
        async with self._database.transaction() as tx:
            await tx.execute(queries.DELETE_MAILS, [mail_id for _, mail_id in items])
