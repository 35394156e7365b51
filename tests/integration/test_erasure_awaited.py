"""Whoever waits for a certificate is woken by a word on the bus, and waits no longer than a look where it is lost."""

import asyncio
from datetime import date

import pytest

from lethe_common.clock import RealClock
from lethe_common.database import Database
from lethe_common.events.privacy import ErasureMoved
from lethe_common.identifiers import ErasureId, SubjectRef
from lethe_common.leased_keys import LeasedKeys
from lethe_common.rpc.privacy import (
    ErasureOpen,
    ErasureOpenAnswer,
    ErasureOpenQuestion,
    ErasureState,
    ErasureStateAnswer,
    ErasureStateQuestion,
)
from lethe_common.sealing import Sealer
from lethe_common.services import Service
from lethe_gateway.acts import Acts
from lethe_gateway.callers import Caller
from lethe_gateway.erasures import Erasures, Outcome
from lethe_gateway.item_keys import ItemKeys
from tests.integration.members import Member, members
from tests.servers import RunningServers
from tests.unit.common.policy_files import shipped

_BETWEEN_WORDS_SECONDS = 0.1
_CALLER = Caller("acct_" + "1" * 32, SubjectRef.new(), "free", "active", None, b"", date(2026, 11, 22))


class Saga:
    """What the privacy service answers about one erasure."""

    def __init__(self) -> None:
        self.erasure_id, self.is_certified, self.looks = ErasureId.new(), False, 0

    async def open(self, _question: ErasureOpenQuestion, _caller: Service) -> ErasureOpenAnswer:
        return ErasureOpenAnswer(erasure_id=self.erasure_id)

    async def state(self, _question: ErasureStateQuestion, _caller: Service) -> ErasureStateAnswer:
        self.looks += 1
        certificate: dict[str, object] | None = {"payload": {}} if self.is_certified else None
        state = "completed" if self.is_certified else "erasing"
        return ErasureStateAnswer(erasure_id=self.erasure_id, state=state, certificate=certificate)


async def _awaited(
    servers: RunningServers, monkeypatch: pytest.MonkeyPatch, saga: Saga, look_seconds: float, *, is_told: bool
) -> Outcome:
    """An account is deleted; the certificate comes a moment later."""
    monkeypatch.setattr("lethe_gateway.erasures._LOOK_SECONDS", look_seconds)
    async with members(servers, Service.GATEWAY, Service.PRIVACY) as seats:
        privacy = seats[Service.PRIVACY]
        await privacy.bus.answer({ErasureOpen: saga.open, ErasureState: saga.state}, "0.1.0")
        erasures = _erasures(seats[Service.GATEWAY])
        await seats[Service.GATEWAY].bus.hear(ErasureMoved, erasures.on_moved)
        waiting = asyncio.ensure_future(erasures.open(_CALLER))
        # Nobody can see from outside that it waits; the word of its own is repeated until it is heard.
        await asyncio.sleep(_BETWEEN_WORDS_SECONDS)
        await privacy.bus.say(ErasureMoved(erasure_id=ErasureId.new()))
        saga.is_certified = True
        async with asyncio.timeout(20):
            while is_told and not waiting.done():
                await privacy.bus.say(ErasureMoved(erasure_id=saga.erasure_id))
                await asyncio.sleep(_BETWEEN_WORDS_SECONDS)
            return await waiting


def _erasures(seat: Member) -> Erasures:
    database: Database = seat.database
    keys = ItemKeys(seat.bus, LeasedKeys(seat.bus, Service.GATEWAY, "gateway"))
    policy = shipped("aisora2").book.governing(RealClock().now())
    acts = Acts(seat.bus, keys, Sealer(is_on=True), database, lambda: policy)
    return Erasures(seat.bus, acts, wait_seconds=120)


async def test_a_word_about_this_erasure_wakes_who_waits_and_one_about_another_does_not(
    servers: RunningServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    saga = Saga()
    outcome = await _awaited(servers, monkeypatch, saga, 60, is_told=True)

    assert (outcome.state, outcome.certificate) == ("completed", {"payload": {}})
    assert saga.looks == 1


async def test_a_lost_word_costs_a_look(servers: RunningServers, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = await _awaited(servers, monkeypatch, Saga(), 0.3, is_told=False)

    assert outcome.state == "completed"
