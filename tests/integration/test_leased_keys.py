"""Keys in the memory of a process, called in over the bus: it says that none is left when none is."""

import asyncio
import gc
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from lethe_common.clock import monotonic_seconds
from lethe_common.coalescer import Coalescer
from lethe_common.events.privacy import KeysCalledIn
from lethe_common.identifiers import SealKeyId, SubjectRef
from lethe_common.leased_keys import LeasedKeys
from lethe_common.rpc.privacy import ItemKey, KeysLetGo, KeysLetGoAnswer, KeysLetGoQuestion
from lethe_common.sealing import SealContext, Sealer
from lethe_common.services import Service
from lethe_privacy.adapters.processes import Processes
from tests.integration.members import members
from tests.servers import RunningServers


@dataclass
class Stand:
    """A gateway's memory, and what the privacy service was told by it."""

    leased: LeasedKeys
    privacy: Processes
    told: list[tuple[Service, str, SubjectRef]] = field(default_factory=list)

    async def says_so(self, subject_ref: SubjectRef) -> bool:
        """Whether the process lets go when it is called; another subject's call after it is answered in any case."""
        await self.privacy.call_in(subject_ref)
        await self.hears()
        return self.has_told(subject_ref)

    async def hears(self) -> None:
        """Return when the process has heard a call, and with it all before. One may come before the server knows who listens."""
        other, give_up_at = SubjectRef.new(), monotonic_seconds() + 30
        while not self.has_told(other):
            assert monotonic_seconds() < give_up_at
            await self.privacy.call_in(other)
            await asyncio.sleep(0.02)

    def has_told(self, subject_ref: SubjectRef) -> bool:
        return (Service.GATEWAY, self.leased.process, subject_ref) in self.told

    async def let_go(self, question: KeysLetGoQuestion, caller: Service) -> KeysLetGoAnswer:
        self.told.append((caller, question.process, question.subject_ref))
        return KeysLetGoAnswer()


@pytest.fixture
async def stand(servers: RunningServers) -> AsyncIterator[Stand]:
    async with members(servers, Service.GATEWAY, Service.PRIVACY) as seats:
        gateway, privacy = seats[Service.GATEWAY].bus, seats[Service.PRIVACY].bus
        opened = Stand(LeasedKeys(gateway, Service.GATEWAY, "gateway"), Processes(privacy))
        await privacy.answer({KeysLetGo: opened.let_go}, "0.1.0")
        await gateway.hear(KeysCalledIn, opened.leased.on_called_in)
        await opened.hears()
        yield opened


def a_key() -> ItemKey:
    return ItemKey.model_construct(item_id="item", key_id=SealKeyId.new(), key=secrets.token_bytes(32), refusal=None)


async def test_a_process_lets_go_when_the_last_of_a_subjects_keys_has_left_its_memory(stand: Stand) -> None:
    subject_ref, other = SubjectRef.new(), SubjectRef.new()
    held, of_other = stand.leased.hold(subject_ref, a_key()), stand.leased.hold(other, a_key())
    copies = [held.key, held.key]

    assert not await stand.says_so(subject_ref)
    del held
    assert not await stand.says_so(subject_ref)
    copies.clear()

    assert await stand.says_so(subject_ref)
    assert not await stand.says_so(other)
    assert of_other.key is not None


async def test_while_a_question_is_under_way_nothing_is_let_go(stand: Stand) -> None:
    subject_ref = SubjectRef.new()
    with stand.leased.asking([subject_ref, subject_ref]):
        assert not await stand.says_so(subject_ref)

    assert await stand.says_so(subject_ref)


async def test_what_was_answered_to_somebody_stays_in_no_coalescer(stand: Stand) -> None:
    subject_ref = SubjectRef.new()

    async def answered(questions: object) -> list[ItemKey]:
        assert questions
        return [stand.leased.hold(subject_ref, a_key())]

    coalescer = Coalescer[str, ItemKey](answered)
    running = asyncio.ensure_future(coalescer.run())
    assert (await coalescer.put("a question")).key is not None

    assert await stand.says_so(subject_ref)
    running.cancel()


async def test_a_key_that_only_a_circle_of_references_keeps_is_let_go_too(stand: Stand) -> None:
    subject_ref = SubjectRef.new()
    circle: list[object] = [stand.leased.hold(subject_ref, a_key())]
    circle.append(circle)
    gc.disable()
    try:
        del circle

        assert await stand.says_so(subject_ref)
    finally:
        gc.enable()


async def test_what_is_sealed_with_a_counted_key_opens_with_its_bytes(stand: Stand) -> None:
    subject_ref = SubjectRef.new()
    held = stand.leased.hold(subject_ref, a_key())
    assert held.key is not None
    assert held.key_id is not None
    context = SealContext("content.prompt", subject_ref, "item", held.key_id)
    sealer = Sealer(is_on=True)

    sealed = sealer.seal(held.key, context, b"words")

    assert sealer.open(bytes(bytearray(held.key)), context, sealed) == b"words"
