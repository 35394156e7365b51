"""The seat of a privacy service of which nothing was ever recorded: enough for a service to start with fresh data."""

from collections.abc import Mapping
from typing import Any

from lethe_common.bus.requests import Answer
from lethe_common.rpc.announcements import (
    PolicyAnnounced,
    PolicyAnnouncedAnswer,
    PolicyAnnouncedQuestion,
)
from lethe_common.rpc.envelope import Call
from lethe_common.rpc.facts import (
    FactsPage,
    FactsPageAnswer,
    FactsPageQuestion,
    FactsReplayed,
    FactsReplayedAnswer,
    FactsReplayedQuestion,
)
from lethe_common.rpc.processors import ContractsAnswer, ContractsQuestion, ProcessorContracts
from lethe_common.services import Service


async def _page(question: FactsPageQuestion, _caller: Service) -> FactsPageAnswer:
    return FactsPageAnswer(facts=(), hash=question.hash, settled=0, settled_hash="")


async def _replayed(_question: FactsReplayedQuestion, _caller: Service) -> FactsReplayedAnswer:
    return FactsReplayedAnswer(waiting=())


async def _announced(_question: PolicyAnnouncedQuestion, _caller: Service) -> PolicyAnnouncedAnswer:
    return PolicyAnnouncedAnswer(announcements=(), has_audience=False)


async def _contracts(_question: ContractsQuestion, _caller: Service) -> ContractsAnswer:
    return ContractsAnswer(contracts=())


NOTHING_RECORDED: Mapping[type[Call[Any, Any]], Answer] = {
    FactsPage: _page,
    FactsReplayed: _replayed,
    PolicyAnnounced: _announced,
    ProcessorContracts: _contracts,
}
