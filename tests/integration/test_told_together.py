"""What one transaction tells travels together, and is handled together; who cannot be handled keeps nobody else from it."""

import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from functools import partial

import pytest
from prometheus_client import CollectorRegistry

from lethe_common.clock import RealClock
from lethe_common.database import Transaction
from lethe_common.egress import Refusals
from lethe_common.errors import LetheError
from lethe_common.events.envelope import MESSAGE_ID_HEADER, Envelope
from lethe_common.events.identity import AccountOpened
from lethe_common.events.privacy import ErasureStepReported
from lethe_common.identifiers import SubjectRef
from lethe_common.operations import operator_answers
from lethe_common.policy import load_book
from lethe_common.rpc import operators
from lethe_common.services import Service
from tests.integration.members import PROFILE, Member, members, until
from tests.outboxes import TOLD, bodies, told
from tests.samples import sample
from tests.servers import RunningServers

DELIVERIES = 3
HELD = "SELECT data, event_id FROM parked"


class Broken(LetheError):
    code = "broken"


class Desk:
    """Counts what took effect, tells of each, and breaks where a test says so."""

    def __init__(self) -> None:
        self.effects: Counter[str] = Counter()
        self.attempts: Counter[str] = Counter()
        self.sizes: list[int] = []
        self.broken: set[str] = set()

    async def on_opened(self, events: Sequence[AccountOpened], tx: Transaction) -> None:
        self.sizes.append(len(events))
        for event in events:
            self.attempts[event.subject_ref] += 1
            tx.tell(sample(ErasureStepReported, subject_ref=event.subject_ref))
            tx.after_commit(partial(self.effects.update, [event.subject_ref]))
            if event.subject_ref in self.broken:
                raise Broken("This handler is broken on purpose.")


@pytest.fixture
async def pair(servers: RunningServers) -> AsyncIterator[tuple[Member, Member, Desk]]:
    quick = {
        "consumer_max_deliver": DELIVERIES, "consumer_retry_first_seconds": 0.05, "consumer_retry_most_seconds": 0.2,
    }  # fmt: skip
    async with members(servers, Service.GATEWAY, Service.BILLING, **quick) as seats:
        gateway, billing, desk = seats[Service.GATEWAY], seats[Service.BILLING], Desk()
        gateway.work(gateway.bus.relay.run)
        await billing.hear({}, {AccountOpened: desk.on_opened})
        yield gateway, billing, desk


def opened(count: int) -> list[AccountOpened]:
    now = datetime(2027, 1, 1, tzinfo=UTC)
    return [AccountOpened(subject_ref=SubjectRef.new(), plan="free", opened_at=now) for _ in range(count)]


async def test_a_hundred_events_are_four_messages_and_take_effect_once_each(pair: tuple[Member, Member, Desk]) -> None:
    gateway, _, desk = pair
    events = opened(100)

    await gateway.tell(*events)

    await until(lambda: _took_effect(desk, events))
    assert (await gateway.bus.client.jetstream().stream_info("IDENTITY")).state.messages == 4
    assert set(desk.attempts.values()) == {1}
    assert max(desk.sizes) >= 32


async def test_a_second_delivery_of_several_changes_nothing(pair: tuple[Member, Member, Desk]) -> None:
    gateway, _, desk = pair
    (envelope,) = Envelope.around_all(events := opened(5), Service.GATEWAY)
    (later,) = Envelope.around_all(marker := opened(1), Service.GATEWAY)

    for sent in (envelope, envelope, later):
        # A fresh message id, so that the server cannot filter the repetition.
        headers = sent.headers() | {MESSAGE_ID_HEADER: str(uuid.uuid4())}
        await gateway.bus.client.jetstream().publish(sent.type, sent.data, headers=headers)

    await until(lambda: _took_effect(desk, [*events, *marker]))
    assert set(desk.effects.values()) == {1}


async def test_of_several_only_those_are_parked_that_cannot_be_handled_and_a_replay_heals_them_one_by_one(
    pair: tuple[Member, Member, Desk],
) -> None:
    gateway, billing, desk = pair
    events = opened(6)
    first, second = events[1], events[4]
    fine = [event for event in events if event not in (first, second)]
    desk.broken |= {first.subject_ref, second.subject_ref}

    await gateway.tell(*events)
    await until(lambda: _is_parked(billing, [first, second]))

    assert desk.effects == {event.subject_ref: 1 for event in fine}
    assert await _told_of(billing) == sorted(event.subject_ref for event in fine)
    assert await _message_id(gateway) not in {row["event_id"] for row in await billing.database.pool.fetch(HELD)}

    assert await _replay(billing) == operators.ParkedReplayAnswer(
        handled=False, error="Broken: This handler is broken on purpose."
    )
    await until(lambda: _is_parked(billing, [first, second]))
    desk.broken.discard(first.subject_ref)
    assert not (await _replay(billing)).handled
    await until(lambda: _is_parked(billing, [second]))
    desk.broken.clear()
    assert await _replay(billing) == operators.ParkedReplayAnswer(handled=True)
    await until(lambda: _is_parked(billing, []))

    assert desk.effects == {event.subject_ref: 1 for event in events}
    assert await _told_of(billing) == sorted(event.subject_ref for event in events)


async def test_who_cannot_be_handled_keeps_others_waiting_no_longer_than_its_tries(
    pair: tuple[Member, Member, Desk],
) -> None:
    gateway, billing, desk = pair
    events = opened(3)
    desk.broken.add(events[0].subject_ref)

    await gateway.tell(*events)
    await until(lambda: _is_parked(billing, events[:1]))

    # At each delivery together with the others, which would go otherwise, and by itself after the last.
    assert desk.attempts[events[0].subject_ref] == DELIVERIES + 1
    assert desk.effects == {event.subject_ref: 1 for event in events[1:]}


async def _took_effect(desk: Desk, events: Sequence[AccountOpened]) -> bool:
    return {event.subject_ref for event in events} <= set(desk.effects)


async def _is_parked(member: Member, events: Sequence[AccountOpened]) -> bool:
    rows = await member.database.pool.fetch(HELD)
    held = [body["subject_ref"] for row in rows for body in bodies(row["data"])]
    return held == [event.subject_ref for event in events]


async def _told_of(member: Member) -> list[str]:
    return sorted(body["subject_ref"] for _, body in told(await member.database.pool.fetch(TOLD)))


async def _message_id(member: Member) -> uuid.UUID:
    (row,) = await member.database.pool.fetch("SELECT event_id FROM outbox")
    found: uuid.UUID = row["event_id"]
    return found


async def _replay(member: Member) -> operators.ParkedReplayAnswer:
    answers = operator_answers(
        member.service, member.database, member.bus, load_book(PROFILE), RealClock(),
        Refusals(CollectorRegistry(), RealClock().now),
    )  # fmt: skip
    parked_id = await member.database.pool.fetchval("SELECT parked_id FROM parked")
    question = operators.ParkedReplayQuestion(parked_id=parked_id)
    answer = await answers[operators.parked_replay(member.service)](question, Service.GATEWAY)
    assert isinstance(answer, operators.ParkedReplayAnswer)
    return answer
