"""Erasures: retention forgets a subject's deadlines and plans. What the deadlines were for is removed by its owners."""

from collections.abc import Collection, Sequence

from lethe_common.clock import Clock
from lethe_common.database import Transaction
from lethe_common.events.privacy import (
    ErasureCompleted,
    ErasureStepReported,
    ErasureStepRequested,
    PauseBegan,
    PauseEnded,
    StoreCount,
)
from lethe_common.identifiers import RequestId, SubjectRef
from lethe_common.policy import PolicyBook
from lethe_common.rpc.facts import Fact, FactKind
from lethe_common.services import Service
from lethe_retention import hold_queries, queries
from lethe_retention.pauses import on_pause_began, on_pause_ended

_CATEGORIES = {"deadlines": "content.generation", "plans_held": "identity.account", "pauses": "identity.account"}
_HOLDS, _HOLD_RECORD = "legal_holds", "hold.record"


class ErasureHandlers:
    """What retention does while a subject is being erased. Every step may come again."""

    def __init__(self, book: PolicyBook, clock: Clock) -> None:
        self._book, self._clock = book, clock

    async def on_erasure_step_requested(self, event: ErasureStepRequested, tx: Transaction) -> None:
        """Forget, and report what there was and what is left."""
        await self._fence(tx, event.subject_ref)
        gone = await tx.fetchone(queries.FORGET_SUBJECT, event.subject_ref)
        holds = await hold_queries.forget(tx, event.subject_ref, self._clock.now())
        left = await tx.fetchone(queries.COUNT_OF_SUBJECT, event.subject_ref)
        counts = [
            StoreCount(
                store=f"pg:retention.{table}", category=category, before=gone[table] + left[table], after=left[table]
            )
            for table, category in _CATEGORIES.items()
        ]
        if holds:
            counts.append(self._kept(holds))
        tx.tell(
            ErasureStepReported(
                erasure_id=event.erasure_id,
                subject_ref=event.subject_ref,
                owner=Service.RETENTION,
                counts=tuple(counts),
            )
        )

    async def on_erasure_completed(self, event: ErasureCompleted, tx: Transaction) -> None:
        """From now on the fence only waits for late messages; a sweep removes it."""
        await tx.execute(queries.FENCE_DONE, event.subject_ref, self._clock.now())

    def _kept(self, holds: int) -> StoreCount:
        """That there were holds, and who decided, stays for its period; whom they were about does not."""
        ground = self._book.governing(self._clock.now()).rule(_HOLD_RECORD).ground
        return StoreCount(
            store=f"pg:retention.{_HOLDS}", category=_HOLD_RECORD, before=holds, after=holds, retained_ground=ground
        )

    async def bring_about(self, facts: Sequence[Fact], tx: Transaction) -> Collection[SubjectRef]:
        """Facts that the data do not remember: fence and pause again; who was erased and of whom there is something."""
        found = set()
        for fact in facts:
            await _pause(fact, tx)
            if fact.subject_ref is None or fact.kind is not FactKind.ERASED:
                continue
            await self._fence(tx, fact.subject_ref)
            counts = await tx.fetchrow(queries.COUNT_OF_SUBJECT, fact.subject_ref)
            if counts is not None and any(counts.values()):
                found.add(fact.subject_ref)
            else:
                await tx.execute(queries.FENCE_DONE, fact.subject_ref, self._clock.now())
        return found

    async def _fence(self, tx: Transaction, subject_ref: str) -> None:
        await queries.lock(tx, queries.LOCK_ALONE, [subject_ref])
        await tx.execute(queries.FENCE, subject_ref, self._clock.now())


async def _pause(fact: Fact, tx: Transaction) -> None:
    """Nothing expires meanwhile: begun and ended as it was told then. After an erasure there is nothing to pause."""
    if fact.subject_ref is None:
        return
    if fact.kind is FactKind.PAUSE_BEGAN:
        began = PauseBegan(request_id=RequestId(fact.ref), subject_ref=fact.subject_ref, began_at=fact.at)
        await on_pause_began(began, tx)
    if fact.kind is FactKind.PAUSE_ENDED:
        ended = PauseEnded(request_id=RequestId(fact.ref), subject_ref=fact.subject_ref, ended_at=fact.at)
        await on_pause_ended(ended, tx)
