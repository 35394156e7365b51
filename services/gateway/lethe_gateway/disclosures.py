"""Disclosures as operators meet them: a package of facts, never of content, once enough of them have approved it.

What people create and write is opened for nobody: with `staff_access: none` no route gives
it to staff, and an authority gets through staff what staff can see. See decision 109.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from lethe_common.bus import Bus
from lethe_common.database import Database
from lethe_common.errors import Unavailable
from lethe_common.identifiers import DisclosureId, SubjectRef
from lethe_common.rpc import disclosures as rpc
from lethe_common.rpc.disclosures import DisclosureAction, DisclosureState
from lethe_common.rpc.privacy import KeyClass, Purpose
from lethe_common.rpc.requests import SealedText
from lethe_common.sealing import SealContext, Sealer
from lethe_gateway import account_queries, ids
from lethe_gateway import disclosure_queries as queries
from lethe_gateway.errors import Gone, NotFound, NotSignedIn, UseRefused
from lethe_gateway.item_keys import ItemKeys
from lethe_gateway.mails import Mails
from lethe_gateway.notices import Given

log = structlog.get_logger()

CATEGORY = "disclosure.record"
FORMAT = "lethe.disclosure/1"
_GENERATIONS_MOST = 10_000
_PAGE = 50
_LOOKED_EVERY = timedelta(minutes=1)
_AT_ONCE = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, repr=False)
class Package:
    """What is given: canonical JSON, and its SHA-256 in hex."""

    content: dict[str, object]
    digest: str


class Disclosures:
    """Asks the privacy service, which keeps the register."""

    def __init__(self, bus: Bus, keys: ItemKeys, sealer: Sealer, database: Database, mails: Mails) -> None:
        self._bus, self._keys, self._sealer = bus, keys, sealer
        self._database, self._mails = database, mails
        self._look_from = _AT_ONCE

    async def sealed(self, subject_ref: SubjectRef, disclosure_id: DisclosureId, text: str) -> SealedText:
        """What an authority asked, under a key of whom it is about: it goes with them."""
        held = await self._keys.issue(subject_ref, disclosure_id, KeyClass.SUPPORT)
        context = SealContext(CATEGORY, subject_ref, disclosure_id, held.key_id)
        return SealedText.model_construct(
            sealed=self._sealer.seal(held.key, context, text.encode()), key_id=held.key_id
        )

    async def show(self, disclosure_id: str) -> rpc.Disclosure:
        """One demand.

        Raises:
            NotFound: nothing can have this id.
        """
        question = rpc.DisclosureShowQuestion(disclosure_id=named(disclosure_id))
        return (await self._bus.ask(rpc.DisclosureShow, question)).disclosure

    async def asked(self, one: rpc.Disclosure) -> str | None:
        """What the authority asked, in clear; None where the policy lets nobody read it, or it is or will be forgotten."""
        if one.asked is None or one.subject_ref is None:
            return None
        try:
            held = await self._keys.lease(Purpose.REGISTER, one.subject_ref, one.disclosure_id)
        except (UseRefused, Gone, NotSignedIn):
            return None
        context = SealContext(CATEGORY, one.subject_ref, one.disclosure_id, one.asked.key_id)
        return self._sealer.open(held.key, context, one.asked.sealed).decode()

    async def decide(
        self, disclosure_id: str, operator: str, action: DisclosureAction, ground: str | None = None
    ) -> tuple[rpc.Disclosure, Package | None]:
        """Approve, refuse, or put together and disclose. Nothing is put together before it is approved.

        Raises:
            NotFound: nothing can have this id, or whom it is about has no account any more.
        """
        one, package = await self.show(disclosure_id), None
        if action is DisclosureAction.DISCLOSE and one.state in {DisclosureState.APPROVED, DisclosureState.DISCLOSED}:
            package = await self._package(one)
        question = rpc.DisclosureDecideQuestion(
            disclosure_id=one.disclosure_id,
            operator=operator,
            action=action,
            ground=ground,
            digest=None if package is None else package.digest,
        )
        decided = (await self._bus.ask(rpc.DisclosureDecide, question)).disclosure
        if decided.state is DisclosureState.DISCLOSED:
            self._look_from = _AT_ONCE
        return decided, package

    async def sweep(self, now: datetime) -> None:
        """Tell people by mail what was given: at once, or within a minute of when no law keeps it back any more.

        There is hardly ever anything to tell, and only the privacy service knows of it.
        """
        if now < self._look_from:
            return
        self._look_from = now + _LOOKED_EVERY
        try:
            while await self._tell_some(now) == _PAGE:
                continue
        except Unavailable as error:
            self._look_from = _AT_ONCE
            log.info("disclosures_wait", cause=type(error).__name__)

    async def _tell_some(self, now: datetime) -> int:
        question = rpc.DisclosureListQuestion(limit=_PAGE, to_be_told_at=now)
        found = (await self._bus.ask(rpc.DisclosureList, question)).disclosures
        for one in found:
            if one.subject_ref is not None and one.disclosed_at is not None and one.digest is not None:
                given = Given(
                    authority=one.authority,
                    legal_reference=one.legal_reference,
                    at=one.disclosed_at,
                    digest=one.digest,
                )
                await self._tell(one.subject_ref, given)
            # Behind the mail: a crash in between rather tells twice than never.
            await self._bus.ask(rpc.DisclosureTell, rpc.DisclosureShowQuestion(disclosure_id=one.disclosure_id))
        return len(found)

    async def _tell(self, subject_ref: str, given: Given) -> None:
        async with self._database.transaction() as tx:
            account = await tx.fetchrow(account_queries.ACCOUNT_OF_SUBJECT, subject_ref)
            # A guest has no address, and reads it in their own list.
            if account is not None and account["email_sealed"] is not None:
                await self._mails.disclosed(tx, account["account_id"], subject_ref, given)

    async def _package(self, one: rpc.Disclosure) -> Package:
        account = await self._database.pool.fetchrow(queries.ACCOUNT, one.subject_ref)
        if account is None:
            raise NotFound("Whom this is about has no account any more. Refuse it with that ground.")
        rows = await self._database.pool.fetch(queries.GENERATIONS, account["account_id"], _GENERATIONS_MOST)
        return packed(one, account, rows)


def packed(one: rpc.Disclosure, account: Mapping[str, object], rows: Sequence[Mapping[str, object]]) -> Package:
    """The facts of an account: since when, and what was made when and with which model; no prompt, address or output."""
    content: dict[str, object] = {
        "format": FORMAT,
        "disclosure_id": one.disclosure_id,
        "authority": one.authority,
        "legal_reference": one.legal_reference,
        "account": _facts(account),
        "generations": [_facts(row) for row in rows],
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return Package(content, hashlib.sha256(text.encode()).hexdigest())


def named(disclosure_id: str) -> DisclosureId:
    """The id in an address.

    Raises:
        NotFound: nothing can have it.
    """
    message = "There is no demand with this id. List the register."
    return ids.named(DisclosureId, disclosure_id, message, code="disclosure_unknown")


def _facts(row: Mapping[str, object]) -> dict[str, object]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
