"""The register of disclosures: takes demands of authorities, has them approved by several, and says whom to tell."""

from datetime import datetime

from lethe_common.clock import Clock
from lethe_common.database import Database, Transaction
from lethe_common.identifiers import DisclosureId, SubjectRef
from lethe_common.policy import PolicyBook
from lethe_common.rpc import disclosures as rpc
from lethe_common.rpc.disclosures import DisclosureState as State
from lethe_common.rpc.privacy import LeaseWish
from lethe_common.rpc.requests import LETHE, is_reserved
from lethe_common.services import Service
from lethe_privacy import disclosure_queries as queries
from lethe_privacy import disclosures
from lethe_privacy import queries as erasures
from lethe_privacy.disclosures import Deed, Disclosure, Done
from lethe_privacy.errors import DisclosureUnknown, NameReserved, SubjectGone
from lethe_privacy.itemkeys import ItemKeys

RECORD = "disclosure.record"
_USUAL_APPROVALS = 2


class Disclosures:
    """Demands of one deployment. A demand about somebody and their erasure meet at the ledger of facts."""

    def __init__(self, database: Database, keys: ItemKeys, book: PolicyBook, clock: Clock, *, batch: int) -> None:
        self._database, self._keys, self._book, self._clock, self._batch = database, keys, book, clock, batch

    async def open(self, question: rpc.DisclosureOpenQuestion, _caller: Service) -> rpc.DisclosureAnswer:
        """Take a demand.

        Raises:
            DelayNeedsGround: as `disclosures.must_be_whole`.
            SubjectGone: its subject is being erased.
            NameReserved: the operator's name stands for a person or the suite.
        """
        _must_be_a_name(question.operator)
        now = self._clock.now()
        new = Disclosure(
            question.disclosure_id, question.subject_ref, State.REQUESTED, question.authority, question.legal_reference,
            now, question.delay_until, question.delay_ground, question.asked,
            steps=(Done(disclosures.REQUESTED, question.operator, now),),
        )  # fmt: skip
        disclosures.must_be_whole(new)
        async with self._database.transaction() as tx:
            if await tx.fetchval(erasures.IS_FACT, question.subject_ref, "erasure_requested"):
                raise SubjectGone
            known = await queries.find(tx, queries.FIND, question.disclosure_id)
            if not known:
                await queries.add(tx, new)
        return rpc.DisclosureAnswer(disclosure=self._shown(known[0] if known else new))

    async def list(self, question: rpc.DisclosureListQuestion, _caller: Service) -> rpc.DisclosuresAnswer:
        """The newest; one person's own of which they were told; or those of which somebody is to be told by a time."""
        async with self._database.transaction() as tx:
            if question.to_be_told_at is not None:
                found = await queries.find(tx, queries.UNTOLD, question.to_be_told_at, question.limit)
            elif question.subject_ref is not None:
                found = await queries.find(tx, queries.OWN, question.subject_ref, question.limit)
            else:
                found = await queries.find(tx, queries.NEWEST, question.limit)
        return rpc.DisclosuresAnswer(disclosures=tuple(self._shown(one) for one in found))

    async def show(self, question: rpc.DisclosureShowQuestion, _caller: Service) -> rpc.DisclosureAnswer:
        """One demand.

        Raises:
            DisclosureUnknown: there is none.
        """
        async with self._database.transaction() as tx:
            found = await _found(tx, queries.FIND, question.disclosure_id)
        return rpc.DisclosureAnswer(disclosure=self._shown(found))

    async def decide(self, question: rpc.DisclosureDecideQuestion, _caller: Service) -> rpc.DisclosureAnswer:
        """An operator approves, refuses, or discloses what was approved.

        Raises:
            DisclosureUnknown: there is none.
            NameReserved: the operator's name stands for a person or the suite.
            SameApprover, NotApproved, GroundNeeded, DisclosureOver: as `disclosures.after`.
        """
        _must_be_a_name(question.operator)
        deed = Deed(question.action, question.operator, self._clock.now(), question.ground, question.digest)
        async with self._database.transaction() as tx:
            before = await _found(tx, queries.LOCK, question.disclosure_id)
            moved = disclosures.after(before, deed, self._needed())
            await queries.move(tx, before, moved)
        return rpc.DisclosureAnswer(disclosure=self._shown(moved))

    async def tell(self, question: rpc.DisclosureShowQuestion, _caller: Service) -> rpc.DisclosureAnswer:
        """Note that its subject was told.

        Raises:
            DisclosureUnknown: there is none.
        """
        async with self._database.transaction() as tx:
            before = await _found(tx, queries.LOCK, question.disclosure_id)
            moved = disclosures.told(before, LETHE, self._clock.now())
            await queries.move(tx, before, moved)
        return rpc.DisclosureAnswer(disclosure=self._shown(moved))

    async def sweep(self, now: datetime) -> None:
        """Demands whose period is over go, first their keys."""
        kept = self._book.kept(RECORD, now)
        while kept is not None and await self._remove_some(now - kept) == self._batch:
            continue

    async def _remove_some(self, opened_at_or_before: datetime) -> int:
        async with self._database.transaction() as tx:
            over = await tx.fetch(queries.OVER, opened_at_or_before, self._batch)
        if over:
            known = [row for row in over if row["subject_ref"] is not None]
            await self._keys.destroy(
                [
                    LeaseWish(subject_ref=SubjectRef.trusted(row["subject_ref"]), item_id=row["disclosure_id"])
                    for row in known
                ]
            )
            async with self._database.transaction() as tx:
                await tx.execute(queries.REMOVE, [row["disclosure_id"] for row in over])
        return len(over)

    def _needed(self) -> int:
        promised = self._book.governing(self._clock.now()).content.disclosure
        return max(_USUAL_APPROVALS, promised.approvals if promised is not None else _USUAL_APPROVALS)

    def _shown(self, one: Disclosure) -> rpc.Disclosure:
        return rpc.Disclosure(
            disclosure_id=one.disclosure_id,
            subject_ref=one.subject_ref,
            state=one.state,
            authority=one.authority,
            legal_reference=one.legal_reference,
            approvals=len(one.approvers),
            approvals_needed=self._needed(),
            opened_at=one.opened_at,
            delay_until=one.delay_until,
            delay_ground=one.delay_ground,
            digest=one.digest,
            disclosed_at=one.when(disclosures.DISCLOSED),
            is_told=one.is_told,
            asked=one.asked,
            steps=tuple(
                rpc.DisclosureStep(step=done.step, operator=done.operator, at=done.at, ground=done.ground)
                for done in one.steps
            ),
        )


async def _found(tx: Transaction, statement: str, disclosure_id: DisclosureId) -> Disclosure:
    found = await queries.find(tx, statement, disclosure_id)
    if not found:
        raise DisclosureUnknown
    return found[0]


def _must_be_a_name(operator: str) -> None:
    if is_reserved(operator):
        raise NameReserved
