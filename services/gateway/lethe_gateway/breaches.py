"""Breaches as operators meet them: what is written is sealed on its way in and opened on its way out; people are told."""

from dataclasses import dataclass
from datetime import datetime

import structlog

from lethe_common.bus import Bus
from lethe_common.database import Database
from lethe_common.identifiers import REGISTERS, BreachId, SealKeyId, TellingId
from lethe_common.rpc import breaches as rpc
from lethe_common.rpc.breaches import BreachStepKind
from lethe_common.rpc.privacy import KeyClass, Purpose
from lethe_common.rpc.requests import SealedText
from lethe_common.sealing import SealContext, Sealer
from lethe_gateway import breach_queries as queries
from lethe_gateway import ids
from lethe_gateway.errors import UseRefused
from lethe_gateway.item_keys import ItemKeys
from lethe_gateway.mails import Mails

log = structlog.get_logger()

CATEGORY = "register.record"
_PAGE = 200


@dataclass(frozen=True, slots=True)
class Shown:
    """A breach, and what was written about it by the number of the line; None where the policy lets nobody read it."""

    breach: rpc.Breach
    texts: dict[int, str] | None


class Breaches:
    """Asks the privacy service, which keeps the register, and writes to people."""

    def __init__(self, bus: Bus, keys: ItemKeys, sealer: Sealer, database: Database, mails: Mails) -> None:
        self._bus, self._keys, self._sealer = bus, keys, sealer
        self._database, self._mails = database, mails

    async def sealed(self, breach_id: BreachId, text: str) -> SealedText:
        """What an operator wrote about a breach, under the breach's key."""
        held = await self._keys.issue(REGISTERS, breach_id, KeyClass.SUPPORT)
        context = SealContext(CATEGORY, REGISTERS, breach_id, held.key_id)
        sealed = self._sealer.seal(held.key, context, text.encode())
        return SealedText.model_construct(sealed=sealed, key_id=held.key_id)

    async def listing(self, limit: int, *, is_open: bool) -> tuple[rpc.Breach, ...]:
        """Breaches without what is written, newest first."""
        return (await self._bus.ask(rpc.BreachList, rpc.BreachListQuestion(is_open=is_open, limit=limit))).breaches

    async def show(self, breach_id: str) -> Shown:
        """One breach with what is written; that its key was leased is on record.

        Raises:
            NotFound: nothing can have this id.
        """
        answer = await self._bus.ask(rpc.BreachShow, rpc.BreachShowQuestion(breach_id=named(breach_id)))
        return await self._opened(answer.breach)

    async def note(
        self,
        breach_id: str,
        operator: str,
        step: BreachStepKind,
        *,
        text: str | None = None,
        duty: str | None = None,
        reference: str | None = None,
        at: datetime | None = None,
    ) -> Shown:
        """Note what was done about a breach.

        Raises:
            NotFound: nothing can have this id.
        """
        known = named(breach_id)
        # Its key exists only where the breach does: nothing is issued for an id that somebody made up.
        await self._bus.ask(rpc.BreachShow, rpc.BreachShowQuestion(breach_id=known))
        question = rpc.BreachNoteQuestion(
            breach_id=known,
            operator=operator,
            step=step,
            at=at,
            duty=duty,
            reference=reference,
            text=None if text is None else await self.sealed(known, text),
        )
        return await self._opened((await self._bus.ask(rpc.BreachNote, question)).breach)

    async def tell(self, breach_id: str, operator: str, text: str, account_ids: list[str] | None) -> TellingId:
        """Have people written to about a breach: these accounts, or everybody (None). A sweep does it, page by page."""
        known, telling_id = named(breach_id), TellingId.new()
        await self._bus.ask(rpc.BreachShow, rpc.BreachShowQuestion(breach_id=known))
        sealed = await self.sealed(known, text)
        async with self._database.transaction() as tx:
            await tx.execute(queries.ADD, telling_id, known, operator, sealed.sealed, sealed.key_id, account_ids)
        return telling_id

    async def sweep(self, _now: datetime) -> None:
        """Write the mails that are asked for, and note in the register how many were."""
        while await self._tell_page():
            continue

    async def _tell_page(self) -> bool:
        async with self._database.transaction() as tx:
            row = await tx.fetchrow(queries.TAKE)
            if row is None:
                return False
            audience = await tx.fetch(queries.AUDIENCE, row["last_account_id"], row["account_ids"], _PAGE)
            held = await self._keys.lease(Purpose.MAIL, REGISTERS, row["breach_id"])
            text = self._open(row["breach_id"], held.key, row["key_id"], row["text_sealed"])
            reached = row["reached"] + await self._mails.warn(tx, audience, text)
            if len(audience) == _PAGE:
                await tx.execute(queries.GO_ON, row["telling_id"], audience[-1]["account_id"], reached)
                return True
            # Noted once under the telling's id, however often a crash leads here.
            question = rpc.BreachNoteQuestion(
                breach_id=BreachId.trusted(row["breach_id"]),
                operator=row["operator"],
                step=BreachStepKind.TOLD,
                reference=row["telling_id"],
                count=reached,
                text=SealedText.model_construct(sealed=row["text_sealed"], key_id=SealKeyId.trusted(row["key_id"])),
            )
            await self._bus.ask(rpc.BreachNote, question)
            await tx.execute(queries.DONE, row["telling_id"])
        log.info("breach_told", breach_id=row["breach_id"], count=reached)
        return True

    async def _opened(self, breach: rpc.Breach) -> Shown:
        written = [(step.number, step.text) for step in breach.steps if step.text is not None]
        if not written:
            return Shown(breach, {})
        try:
            held = await self._keys.lease(Purpose.REGISTER, REGISTERS, breach.breach_id)
        except UseRefused:
            return Shown(breach, None)
        return Shown(
            breach,
            {number: self._open(breach.breach_id, held.key, text.key_id, text.sealed) for number, text in written},
        )

    def _open(self, breach_id: str, key: bytes, key_id: str, sealed: bytes) -> str:
        context = SealContext(CATEGORY, REGISTERS, breach_id, SealKeyId.trusted(key_id))
        return self._sealer.open(key, context, sealed).decode()


def named(breach_id: str) -> BreachId:
    """The id in an address.

    Raises:
        NotFound: nothing can have it.
    """
    return ids.named(BreachId, breach_id, "There is no breach with this id. List the register.", code="breach_unknown")
