"""Acts of destruction as people meet them: who is erased is named before it begins, and read by operators years later."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from lethe_common.bus import Bus
from lethe_common.database import Database
from lethe_common.identifiers import REGISTERS, ActId, SealKeyId
from lethe_common.policy import Policy
from lethe_common.rpc import acts as rpc
from lethe_common.rpc.acts import CATEGORY, ActGround, ActOpening
from lethe_common.rpc.privacy import KeyClass, Purpose
from lethe_common.rpc.requests import SealedText
from lethe_common.sealing import SealContext, Sealer
from lethe_gateway import account_queries, ids
from lethe_gateway.errors import Gone, NotSignedIn, UseRefused
from lethe_gateway.item_keys import ItemKeys

log = structlog.get_logger()

_EMAIL = "identity.email"


@dataclass(frozen=True, slots=True, repr=False)
class Shown:
    """An act, and who it names."""

    act: rpc.Act
    name: str


class Acts:
    """Names people, and asks the privacy service, which keeps the acts."""

    def __init__(
        self, bus: Bus, keys: ItemKeys, sealer: Sealer, database: Database, policy: Callable[[], Policy]
    ) -> None:
        self._bus, self._keys, self._sealer, self._database, self._policy = bus, keys, sealer, database, policy

    async def opening(self, subject_ref: str, ground: ActGround) -> ActOpening | None:
        """Who is about to be erased, under a key of no person's, which outlives theirs; None where no act is kept.

        The order wants the person's name, or something else that tells who it was: the address, which is all that is
        known here, or the account's id where there is none.
        """
        if CATEGORY not in self._policy().content.data:
            return None
        try:
            name = await self._name_of(subject_ref)
        except (Gone, NotSignedIn):
            # Somebody else has begun already, and has named them.
            return None
        if name is None:
            return None
        act_id = ActId.new()
        held = await self._keys.issue(REGISTERS, act_id, KeyClass.SUPPORT)
        sealed = self._sealer.seal(held.key, SealContext(CATEGORY, REGISTERS, act_id, held.key_id), name.encode())
        return ActOpening(
            act_id=act_id, name=SealedText.model_construct(sealed=sealed, key_id=held.key_id), ground=ground
        )

    async def listing(self, limit: int) -> tuple[rpc.Act, ...]:
        """Acts, newest first; nobody is named."""
        return (await self._bus.ask(rpc.ActList, rpc.ActListQuestion(limit=limit))).acts

    async def show(self, act_id: str) -> Shown:
        """One act with its name; that its key was leased is on record.

        Raises:
            NotFound: nothing can have this id.
            UseRefused: the policy lets nobody of the staff read acts.
        """
        act = (await self._bus.ask(rpc.ActShow, rpc.ActShowQuestion(act_id=_named(act_id)))).act
        rule = self._policy().content.data.get(CATEGORY)
        if rule is None or rule.staff_access == "none":
            raise UseRefused
        held = await self._keys.lease(Purpose.REGISTER, REGISTERS, act.act_id)
        context = SealContext(CATEGORY, REGISTERS, act.act_id, act.name.key_id)
        return Shown(act, self._sealer.open(held.key, context, act.name.sealed).decode())

    async def _name_of(self, subject_ref: str) -> str | None:
        account = await self._database.pool.fetchrow(account_queries.ACCOUNT_OF_SUBJECT, subject_ref)
        if account is None:
            return None
        account_id: str = account["account_id"]
        if account["email_sealed"] is None:
            return account_id
        try:
            held = await self._keys.lease(Purpose.ACT, subject_ref, account_id)
        except UseRefused:
            # An erasure waits for no policy; the linter tells of this one (`unnamed-act`).
            log.warning("act_without_address")
            return account_id
        context = SealContext(_EMAIL, account["subject_ref"], account_id, SealKeyId.trusted(account["key_id"]))
        return self._sealer.open(held.key, context, account["email_sealed"]).decode()


def _named(act_id: str) -> ActId:
    return ids.named(ActId, act_id, "There is no act with this id. List the register.", code="act_unknown")
