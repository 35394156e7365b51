"""What jobs does with facts that its data do not remember: brings each about once more. Repeating is safe."""

from collections.abc import Collection, Sequence

from lethe_common.database import Transaction
from lethe_common.events.jobs import RemovalRule
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.rpc.facts import Fact, FactKind
from lethe_jobs.handlers import GenerationHandlers, RemovalHandlers
from lethe_jobs.queries import erasures, runs, subjects
from lethe_jobs.runs import Cause


class Replays:
    """Facts, one page at a time, before any run is leased."""

    def __init__(self, generations: GenerationHandlers, removing: RemovalHandlers) -> None:
        self._generations, self._removing = generations, removing

    async def bring_about(self, facts: Sequence[Fact], tx: Transaction) -> Collection[SubjectRef]:
        """Have these facts hold; who was erased and of whom there is something again."""
        found = set()
        deleted: dict[GenerationId, SubjectRef] = {}
        for fact in facts:
            if fact.subject_ref is None:
                continue
            if fact.kind is FactKind.ERASURE_REQUESTED:
                await self._fence(tx, fact, fact.subject_ref)
            if fact.kind is FactKind.ERASED and await self._is_back(tx, fact, fact.subject_ref):
                found.add(fact.subject_ref)
            if fact.kind is FactKind.ITEM_DELETED and await runs.is_known(tx, fact.ref, fact.subject_ref):
                deleted[GenerationId(fact.ref)] = fact.subject_ref
        await self._removing.remove(tx, deleted, RemovalRule.DELETED_BY_USER, Cause.DELETED)
        return found

    async def _fence(self, tx: Transaction, fact: Fact, ref: SubjectRef) -> None:
        known = await subjects.lock(tx, [ref])
        await subjects.fence(tx, ref, fact.at)
        await self._generations.stop(tx, known, ref, None, Cause.ERASED)

    async def _is_back(self, tx: Transaction, fact: Fact, ref: SubjectRef) -> bool:
        await self._fence(tx, fact, ref)
        records, assets = await erasures.count(tx, ref)
        if records or assets:
            return True
        # Nothing but perhaps its row; from now on a late message meets the mark that an erasure leaves.
        await erasures.forget(tx, ref)
        await subjects.forget(tx, ref)
        return False
