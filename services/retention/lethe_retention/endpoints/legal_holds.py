"""Legal holds as operators propose, approve and lift them, and as those who remove things have to ask about them."""

from lethe_common.clock import Clock
from lethe_common.database import Database, Transaction
from lethe_common.identifiers import SubjectRef
from lethe_common.rpc import legal_holds as rpc
from lethe_common.rpc.retention import (
    ErasureClearAnswer,
    ErasureClearQuestion,
    RemovalCheckAnswer,
    RemovalCheckQuestion,
)
from lethe_common.services import Service
from lethe_retention import hold_queries, queries, schemas
from lethe_retention.errors import HoldOver, HoldUnknown
from lethe_retention.legal_holds import Hold, HoldState, Scope, Step, check_approval, check_proposal, end_of


class LegalHolds:
    """The desk for legal holds. A subject's holds, its plans and its erasure meet at one lock."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def list(self, question: rpc.LegalHoldListQuestion, _caller: Service) -> rpc.LegalHoldListAnswer:
        """The newest holds."""
        async with self._database.transaction() as tx:
            holds = await hold_queries.newest(tx, question.limit, is_open=question.is_open)
            waiting = await hold_queries.waiting(tx, holds, self._clock.now())
        return rpc.LegalHoldListAnswer(
            holds=tuple(schemas.legal_hold(hold, waiting.get(hold.hold_id, 0)) for hold in holds)
        )

    async def propose(self, question: rpc.LegalHoldProposeQuestion, _caller: Service) -> rpc.LegalHoldAnswer:
        """Write a proposal. Nothing is held before somebody else approves it.

        Raises:
            HoldRefused: as `check_proposal`.
        """
        now = self._clock.now()
        async with self._database.transaction() as tx:
            await queries.lock(tx, queries.LOCK_ALONE, [question.subject_ref])
            if not await hold_queries.find(tx, [question.hold_id]):
                scope = await self._scope(tx, question.subject_ref, question.generation_id)
                check_proposal(scope, question.ends_at, now)
                await hold_queries.add(tx, question, now)
            return await self._answer(tx, question.hold_id)

    async def approve(self, question: rpc.LegalHoldDecisionQuestion, _caller: Service) -> rpc.LegalHoldAnswer:
        """Put a hold into force: with this commit nothing in its scope is removed any more.

        Raises:
            HoldRefused: as `check_approval`, or there is no such hold.
        """
        now = self._clock.now()
        async with self._database.transaction() as tx:
            hold = await self._locked(tx, question.hold_id)
            if hold.subject_ref is None:
                raise HoldOver
            scope = await self._scope(tx, hold.subject_ref, hold.item_id)
            if check_approval(hold, scope, question.operator, now):
                await hold_queries.move(tx, hold.hold_id, HoldState.IN_FORCE, Step.APPROVED, question.operator, now)
                tx.tell(schemas.placed(hold, hold.subject_ref, now))
            return await self._answer(tx, hold.hold_id)

    async def lift(self, question: rpc.LegalHoldDecisionQuestion, _caller: Service) -> rpc.LegalHoldAnswer:
        """End a hold, or withdraw a proposal. What is over goes with the next sweep.

        Raises:
            HoldRefused: it has ended, or there is no such hold.
        """
        now = self._clock.now()
        async with self._database.transaction() as tx:
            hold = await self._locked(tx, question.hold_id)
            if (end := end_of(hold)) is not None:
                await hold_queries.move(tx, hold.hold_id, *end, question.operator, now)
                if hold.state is HoldState.IN_FORCE and hold.subject_ref is not None:
                    tx.tell(schemas.lifted(hold.hold_id, hold.subject_ref, hold.item_id, now))
            return await self._answer(tx, hold.hold_id)

    async def check(self, question: RemovalCheckQuestion, _caller: Service) -> RemovalCheckAnswer:
        """Which of these generations a hold keeps."""
        items = [wish.generation_id for wish in question.wishes]
        refs = [wish.subject_ref for wish in question.wishes]
        async with self._database.single() as tx:
            held = {row[0] for row in await tx.fetch(hold_queries.HELD, items, refs)}
        return RemovalCheckAnswer(held=tuple(item for item in items if item in held))

    async def clear(self, question: ErasureClearQuestion, _caller: Service) -> ErasureClearAnswer:
        """Whether a subject may be erased. If so it is fenced here: from now on nothing of it can be held."""
        async with self._database.transaction() as tx:
            await queries.lock(tx, queries.LOCK_ALONE, [question.subject_ref])
            holds = [row["hold_id"] for row in await tx.fetch(hold_queries.OF_SUBJECT, question.subject_ref)]
            if not holds:
                await tx.execute(queries.FENCE, question.subject_ref, self._clock.now())
        return ErasureClearAnswer(held_by=tuple(holds))

    async def _locked(self, tx: Transaction, hold_id: str) -> Hold:
        """A hold, with its subject's lock. The subject's lock comes before any row's, as in an erasure."""
        found = await hold_queries.find(tx, [hold_id])
        if not found:
            raise HoldUnknown
        if (subject_ref := found[0].subject_ref) is not None:
            await queries.lock(tx, queries.LOCK_ALONE, [subject_ref])
        return (await hold_queries.find(tx, [hold_id]))[0]

    async def _scope(self, tx: Transaction, subject_ref: SubjectRef, item_id: str | None) -> Scope:
        is_being_erased = subject_ref in await queries.fenced(tx, [subject_ref])
        return await hold_queries.scope(tx, subject_ref, item_id, is_being_erased=is_being_erased)

    async def _answer(self, tx: Transaction, hold_id: str) -> rpc.LegalHoldAnswer:
        (hold,) = await hold_queries.find(tx, [hold_id])
        waiting = await hold_queries.waiting(tx, [hold], self._clock.now())
        return rpc.LegalHoldAnswer(hold=schemas.legal_hold(hold, waiting.get(hold_id, 0)))
