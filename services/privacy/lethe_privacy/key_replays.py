"""Facts and the key store: an older copy of the keys undoes nothing either.

At its start the service goes through the facts that its keys do not remember, before
it gives any key out. Keys of deleted items are destroyed by who removes the items,
since only they know whether a legal hold keeps one.
"""

import asyncio
from collections.abc import Sequence

from lethe_common.consents import Choice
from lethe_common.database import Database, Transaction
from lethe_common.replay import LedgerRefused
from lethe_common.rpc.facts import FACTS_MOST, Fact, FactKind
from lethe_privacy import key_queries as queries
from lethe_privacy.consents import chosen_of
from lethe_privacy.facts import Facts

MARK = "SELECT number FROM facts_mark"
SET_MARK = """
    INSERT INTO facts_mark (number) VALUES ($1) ON CONFLICT (is_only) DO UPDATE SET number = excluded.number
"""
LAST_SAID = "SELECT max(at) FROM consents WHERE holder_ref = $1 AND purpose = $2"
_RESTRICTIONS = {FactKind.RESTRICTED: True, FactKind.RESTRICTION_ENDED: False}
_CHOICES = {FactKind.WITHDRAWN: Choice.WITHDRAWN, FactKind.OBJECTED: Choice.OBJECTED}


class KeyReplay:
    """The key store's own way through the facts."""

    def __init__(self, keys_database: Database, facts: Facts, *, every_seconds: float) -> None:
        self._keys, self._facts, self._every_seconds = keys_database, facts, every_seconds

    async def catch_up(self) -> None:
        """Have all facts hold in the key store.

        Raises:
            LedgerRefused: the key store knows a fact that the ledger does not have, or one that it has no longer.
        """
        async with self._keys.transaction() as tx:
            mark = int(await tx.fetchval(MARK) or 0)
        newest = await self._facts.newest()
        if mark > newest:
            raise LedgerRefused(
                "The ledger of facts is older than the keys. Bring back the newest database lethe_facts; "
                "see docs/operate.md."
            )
        while facts := await self._facts.after(mark, FACTS_MOST):
            if mark and facts[0].number > mark + 1:
                raise LedgerRefused("The keys are older than the ledger of facts reaches back. Bring back newer ones.")
            await self._bring_about(facts)
            mark = facts[-1].number

    async def follow(self) -> None:
        """Remember facts whose effect is committed, now and then; a worker of the frame."""
        while True:
            await asyncio.sleep(self._every_seconds)
            settled = await self._facts.settled()
            async with self._keys.transaction() as tx:
                if settled > int(await tx.fetchval(MARK) or 0):
                    await tx.execute(SET_MARK, settled)

    async def _bring_about(self, facts: Sequence[Fact]) -> None:
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
            await tx.execute(SET_MARK, facts[-1].number)


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
