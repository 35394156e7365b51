"""Erasures: what billing forgets of a subject, and what law keeps without its name.

The fence closes the wallet: open holds go back, new ones are refused, late
completions charge nothing. The step then deletes the subject's row, holds, grants
and quotes. What is left are transfers of a wallet whose id never left billing,
bound to no generation and no person.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from lethe_billing import account_queries, queries
from lethe_billing.grants import expire
from lethe_billing.handlers import write
from lethe_billing.ledger import Books
from lethe_billing.settlements import Settlement, void
from lethe_common.clock import Clock
from lethe_common.database import Transaction
from lethe_common.events.privacy import (
    ErasureCompleted,
    ErasureFenced,
    ErasureStepReported,
    ErasureStepRequested,
    StoreCount,
)
from lethe_common.identifiers import SubjectRef
from lethe_common.policy import PolicyBook
from lethe_common.rpc.facts import Fact, FactKind
from lethe_common.services import Service


class ErasureHandlers:
    """What billing does while a subject is being erased. Every step may come again."""

    def __init__(self, book: PolicyBook, clock: Clock) -> None:
        self._book, self._clock = book, clock

    async def on_erasure_fenced(self, event: ErasureFenced, tx: Transaction) -> None:
        """Close the wallet and give all open holds back."""
        await _fence(tx, event.subject_ref, self._clock.now())

    async def on_erasure_step_requested(self, event: ErasureStepRequested, tx: Transaction) -> None:
        """Forget, and report what there was and what is left."""
        at = self._clock.now()
        wallet_id = await _fence(tx, event.subject_ref, at)
        counts = () if wallet_id is None else await self._forget(tx, wallet_id, at)
        tx.tell(
            ErasureStepReported(
                erasure_id=event.erasure_id, subject_ref=event.subject_ref, owner=Service.BILLING, counts=counts
            )
        )

    async def on_erasure_completed(self, event: ErasureCompleted, tx: Transaction) -> None:
        """From now on the fence only waits for late messages; a sweep removes it."""
        await tx.execute(account_queries.FENCE_DONE, event.subject_ref, self._clock.now())

    async def bring_about(self, facts: Sequence[Fact], tx: Transaction) -> Collection[SubjectRef]:
        """Facts that the data do not remember: close the wallets again; who was erased and has one."""
        found = set()
        for fact in facts:
            if fact.subject_ref is None or fact.kind not in {FactKind.ERASURE_REQUESTED, FactKind.ERASED}:
                continue
            wallet_id = await _fence(tx, fact.subject_ref, self._clock.now())
            if fact.kind is not FactKind.ERASED:
                continue
            if wallet_id is not None:
                found.add(fact.subject_ref)
            else:
                await tx.execute(account_queries.FENCE_DONE, fact.subject_ref, self._clock.now())
        return found

    async def _forget(self, tx: Transaction, wallet_id: UUID, at: datetime) -> tuple[StoreCount, ...]:
        books = Books()
        for grant in (await queries.grants_of(tx, [wallet_id]))[wallet_id]:
            expire(books, grant)
        await queries.book(tx, books, at)
        gone = await tx.fetchone(account_queries.FORGET_WALLET, wallet_id)
        left = await tx.fetchone(account_queries.COUNT_OF_WALLET, wallet_id)
        categories = {
            "subjects": "identity.account",
            "grants": "identity.account",
            "holds": "content.generation",
            "quotes": "content.generation",
        }
        counts = [
            StoreCount(
                store=f"pg:billing.{table}", category=category, before=gone[table] + left[table], after=left[table]
            )
            for table, category in categories.items()
        ]
        kept = StoreCount(
            store="pg:billing.transfers",
            category="ledger.transfer",
            before=left["transfers"],
            after=left["transfers"],
            retained_ground=self._book.governing(at).rule("ledger.transfer").ground,
        )
        return (*counts, kept)


async def _fence(tx: Transaction, subject_ref: str, at: datetime) -> UUID | None:
    """Close the subject's wallet, once, and return its id if there is one."""
    await tx.execute(account_queries.FENCE, subject_ref, at)
    rows = await tx.fetch(queries.LOCK_WALLETS_OF_SUBJECTS, [subject_ref])
    if not rows:
        return None
    wallet_id: UUID = rows[0]["wallet_id"]
    await tx.execute(queries.CLOSE_WALLET, wallet_id)
    holds = await queries.open_holds_of(tx, wallet_id)
    if holds:
        grants = (await queries.grants_of(tx, [wallet_id]))[wallet_id]
        settlement = Settlement()
        for hold in holds:
            void(settlement, hold, "erased", grants, at)
        await write(tx, settlement, {hold.generation_id: subject_ref for hold in holds}, at)
    return wallet_id
