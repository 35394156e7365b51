"""Facts and the key store: an older copy of the keys undoes nothing either.

At its start the service goes through the facts that its keys do not remember, before
it gives any key out. Keys of deleted items are destroyed by who removes the items,
since only they know whether a legal hold keeps one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence

from lethe_common.consents import Choice
from lethe_common.database import Database, Transaction
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.replay import LedgerRefused
from lethe_common.rpc.facts import FACTS_MOST, Fact, FactKind
from lethe_common.rpc.privacy import LeaseWish
from lethe_common.rpc.retention import RemovalWish
from lethe_privacy import key_queries as queries
from lethe_privacy.consents import chosen_of
from lethe_privacy.facts import Facts

HeldOf = Callable[[Sequence[RemovalWish]], Awaitable[Collection[str]]]
"""Which of these generations does a legal hold keep? Raises Unavailable."""
MARK = "SELECT number FROM facts_mark"
SET_MARK = """
    INSERT INTO facts_mark (number) VALUES ($1) ON CONFLICT (is_only) DO UPDATE SET number = excluded.number
"""
LAST_SAID = "SELECT max(at) FROM consents WHERE holder_ref = $1 AND purpose = $2"
_RESTRICTIONS = {FactKind.RESTRICTED: True, FactKind.RESTRICTION_ENDED: False}
_CHOICES = {FactKind.WITHDRAWN: Choice.WITHDRAWN, FactKind.OBJECTED: Choice.OBJECTED}


class KeyReplay:
    """The key store's own way through the facts."""

    def __init__(self, keys_database: Database, facts: Facts, held_of: HeldOf, *, every_seconds: float) -> None:
        self._keys, self._facts, self._held_of, self._every_seconds = keys_database, facts, held_of, every_seconds
        self._through = 0

    async def catch_up(self) -> None:
        """Have all facts hold in the key store, but for keys of deleted items.

        Raises:
            LedgerRefused: the key store knows a fact that the ledger does not have, or one that it has no longer.
        """
        mark, newest = await self._mark(), await self._facts.newest()
        if mark > newest:
            raise LedgerRefused(
                "The ledger of facts is older than the keys. Bring back the newest database lethe_facts; "
                "see docs/operate.md."
            )
        is_done = True
        while facts := await self._facts.after(mark, FACTS_MOST):
            if mark and facts[0].number > mark + 1:
                raise LedgerRefused("The keys are older than the ledger of facts reaches back. Bring back newer ones.")
            is_done = await self._bring_about(facts, is_done_before=is_done)
            mark = facts[-1].number
        self._through = mark

    async def follow(self) -> None:
        """Destroy the keys of deleted items, then remember facts whose effect is committed; a worker of the frame.

        Raises:
            Unavailable: retention is away; it is tried again.
        """
        await self.destroy_deleted()
        while True:
            await asyncio.sleep(self._every_seconds)
            settled = await self._facts.settled()
            async with self._keys.transaction() as tx:
                if settled > int(await tx.fetchval(MARK) or 0):
                    await tx.execute(SET_MARK, settled)

    async def destroy_deleted(self) -> None:
        """Destroy the keys of items that were deleted, as far as was caught up; a page is over with its mark.

        Raises:
            Unavailable: retention is away.
        """
        mark = await self._mark()
        while mark < self._through:
            # What came since has its effect by itself, and is not over before that is committed.
            facts = [one for one in await self._facts.after(mark, FACTS_MOST) if one.number <= self._through]
            async with self._keys.transaction() as tx:
                living = await _living(tx, facts)
            wishes = [RemovalWish(generation_id=GenerationId(item), subject_ref=ref) for ref, item in living]
            held = await self._held_of(wishes) if wishes else ()
            free = [LeaseWish(subject_ref=ref, item_id=item) for ref, item in living if item not in held]
            mark = facts[-1].number if facts else self._through
            async with self._keys.transaction(queries.SHARE) as tx:
                await queries.destroy_items(tx, free)
                await tx.execute(SET_MARK, mark)

    async def _mark(self) -> int:
        async with self._keys.transaction() as tx:
            return int(await tx.fetchval(MARK) or 0)

    async def _bring_about(self, facts: Sequence[Fact], *, is_done_before: bool) -> bool:
        """Whether all facts hold now, these and those before."""
        # No key is on its way meanwhile, and none that is destroyed is copied into the next generation.
        async with self._keys.transaction(queries.EXCLUDE) as tx:
            for fact in facts:
                if fact.kind is FactKind.ERASURE_REQUESTED:
                    await tx.execute(queries.FENCE, fact.subject_ref)
                elif fact.kind is FactKind.ERASED:
                    await tx.execute(queries.DESTROY_SUBJECT, fact.subject_ref, fact.at)
                    await tx.execute(queries.FORGET_LOSS, fact.subject_ref)
                elif fact.kind in _RESTRICTIONS:
                    await tx.fetchval(queries.RESTRICT, fact.subject_ref, _RESTRICTIONS[fact.kind])
                elif fact.kind in _CHOICES:
                    await _say_no(tx, fact)
            is_done = is_done_before and not await _living(tx, facts)
            if is_done:
                await tx.execute(SET_MARK, facts[-1].number)
        return is_done


async def _living(tx: Transaction, facts: Sequence[Fact]) -> list[tuple[SubjectRef, str]]:
    """Whose and which items, of those that facts say were deleted, have a key."""
    deleted = [fact for fact in facts if fact.kind is FactKind.ITEM_DELETED]
    refs, items = [fact.subject_ref for fact in deleted], [fact.ref for fact in deleted]
    rows = await tx.fetch(queries.LIVING_ITEMS, refs, items) if deleted else []
    return [(SubjectRef.trusted(row["subject_ref"]), row["item_id"]) for row in rows]


async def _say_no(tx: Transaction, fact: Fact) -> None:
    """Unless its subject has said something of the purpose since."""
    row = await tx.fetchrow(queries.LOCK_CHOSEN, fact.subject_ref)
    if row is None or row["state"] != "active":
        return
    said_at = None if row["holder_ref"] is None else await tx.fetchval(LAST_SAID, row["holder_ref"], fact.ref)
    if said_at is not None and said_at >= fact.at:
        return
    chosen = chosen_of(row).after(fact.ref, "", _CHOICES[fact.kind])
    await tx.execute(
        queries.SET_CHOSEN, fact.subject_ref, list(chosen.consents), list(chosen.objections), row["holder_ref"]
    )
