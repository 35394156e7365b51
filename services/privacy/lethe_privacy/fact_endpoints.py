"""What the privacy service answers about facts: recorded before they take effect, read by whoever starts with data."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from lethe_common.bus.requests import Answer
from lethe_common.identifiers import SubjectRef
from lethe_common.rpc import facts as rpc
from lethe_common.rpc.envelope import Call
from lethe_common.services import Service
from lethe_privacy.facts import Facts

EraseAgain = Callable[[Sequence[SubjectRef]], Awaitable[int]]


class FactAnswers:
    """The ledger of facts, and erasures that have to be done again."""

    def __init__(self, facts: Facts, erase_again: EraseAgain) -> None:
        self._facts, self._erase_again = facts, erase_again

    def answers(self) -> Mapping[type[Call[Any, Any]], Answer]:
        """Each call and who answers it."""
        return {
            rpc.FactsRecord: self.record,
            rpc.FactsPage: self.page,
            rpc.FactsReplayed: self.replayed,
            rpc.ErasureAgain: self.erase_again,
        }

    async def record(self, question: rpc.FactsRecordQuestion, _caller: Service) -> rpc.FactsRecordAnswer:
        """Record facts; the answer comes when they are on disk."""
        await self._facts.record(question.facts)
        return rpc.FactsRecordAnswer()

    async def page(self, question: rpc.FactsPageQuestion, _caller: Service) -> rpc.FactsPageAnswer:
        """The facts after one that the caller knows.

        Raises:
            LedgerBehind, LedgerOther: they are not to be had here.
        """
        return await self._facts.page(question.after, question.hash, question.limit)

    async def replayed(self, question: rpc.FactsReplayedQuestion, caller: Service) -> rpc.FactsReplayedAnswer:
        """Note how far a service has gone through them."""
        return rpc.FactsReplayedAnswer(waiting=await self._facts.replayed(caller, question.through))

    async def erase_again(self, question: rpc.ErasureAgainQuestion, _caller: Service) -> rpc.ErasureAgainAnswer:
        """Erase once more who was erased before."""
        return rpc.ErasureAgainAnswer(opened=await self._erase_again(question.subject_refs))
