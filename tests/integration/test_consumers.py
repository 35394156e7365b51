"""Done once, retried with growing delay, parked, replayed: for every event type and everyone who hears it."""

import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from lethe_common.bus.consumers import retry_delay_seconds
from lethe_common.bus.requests import Answer
from lethe_common.clock import RealClock
from lethe_common.database import Transaction
from lethe_common.egress import Refusals
from lethe_common.errors import LetheError
from lethe_common.events.catalogue import EVENTS
from lethe_common.events.envelope import MESSAGE_ID_HEADER, Envelope, Event
from lethe_common.operations import operator_answers
from lethe_common.policy import PolicyBook, load_book
from lethe_common.rpc import operators
from lethe_common.services import Service
from tests.integration.members import PROFILE, Member, members, until
from tests.samples import sample
from tests.servers import RunningServers

HEARD = [
    pytest.param(listener, kind, id=f"{listener}-{name}")
    for name, kind in sorted(EVENTS.items())
    if kind.is_stored
    for listener in kind.listeners
]
DELIVERIES = 3


class Broken(LetheError):
    code = "broken"


@dataclass
class Stage:
    """All five seats with handlers that count, and break where a test says so."""

    seats: dict[Service, Member]
    book: PolicyBook
    effects: Counter[tuple[Service, str]] = field(default_factory=Counter)
    attempts: Counter[tuple[Service, str]] = field(default_factory=Counter)
    broken: set[tuple[Service, str]] = field(default_factory=set)

    async def open(self) -> None:
        for service, seat in self.seats.items():
            kinds = [kind for kind in EVENTS.values() if kind.is_stored and service in kind.listeners]
            await seat.hear({kind: self._handler(service) for kind in kinds})

    def _handler(self, service: Service) -> Any:
        async def on_event(event: Event, tx: Transaction) -> None:
            place = (service, subject_of(event))
            self.attempts[place] += 1
            if place in self.broken:
                raise Broken("This handler is broken on purpose.")
            await tx.execute("SELECT 1")
            self.effects[place] += 1

        return on_event

    async def publish(self, kind: type[Event], headers: dict[str, str], data: bytes) -> None:
        """As one of its speakers may; a fresh message id, so that the server cannot filter a repetition."""
        speaker = self.seats[kind.speakers[0]]
        fresh = headers | {MESSAGE_ID_HEADER: str(uuid.uuid4())}
        await speaker.bus.client.jetstream().publish(kind.type, data, headers=fresh)

    async def took_effect(self, service: Service, event: Event) -> bool:
        return self.effects[service, subject_of(event)] > 0

    async def parked(self, service: Service, subject: str) -> list[operators.ParkedMessage]:
        listing = await self.operator(service, operators.parked_list(service))(
            operators.ParkedListQuestion(limit=200), Service.GATEWAY
        )
        assert isinstance(listing, operators.ParkedListAnswer)
        return [message for message in listing.parked if message.subject == subject]

    def operator(self, service: Service, call: Any) -> Answer:
        seat = self.seats[service]
        refusals = Refusals(CollectorRegistry(), RealClock().now)
        return operator_answers(service, seat.database, seat.bus, self.book, RealClock(), refusals)[call]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(servers: RunningServers) -> AsyncIterator[Stage]:
    quick = {
        "consumer_max_deliver": DELIVERIES,
        "consumer_retry_first_seconds": 0.1,
        "consumer_retry_most_seconds": 1.0,
    }
    async with members(servers, *Service, **quick) as seats:
        opened = Stage(seats, load_book(PROFILE))
        await opened.open()
        yield opened


def subject_of(event: Event) -> str:
    """What tells one sample from another inside a handler, which does not see the envelope."""
    return str(getattr(event, "subject_ref", event.model_dump_json()))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("listener", "kind"), HEARD)
async def test_a_second_delivery_changes_nothing(stage: Stage, listener: Service, kind: type[Event]) -> None:
    event, later = sample(kind), sample(kind)
    envelope, marker = (Envelope.around(one, kind.speakers[0]) for one in (event, later))

    for sent in (envelope, envelope, marker):
        await stage.publish(kind, sent.headers(), sent.data)

    await until(lambda: stage.took_effect(listener, later))
    assert stage.effects[listener, subject_of(event)] == 1


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("listener", "kind"), HEARD)
async def test_an_undecodable_message_is_parked_and_visible(stage: Stage, listener: Service, kind: type[Event]) -> None:
    headers = Envelope.around(sample(kind), kind.speakers[0]).headers()

    await stage.publish(kind, headers, b'{"torn": ')

    async def is_parked() -> bool:
        return any(message.event_id == headers["ce-id"] for message in await stage.parked(listener, kind.type))

    await until(is_parked)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("listener", "kind"), HEARD)
async def test_a_failing_handler_is_retried_then_parked_then_replayed(
    stage: Stage, listener: Service, kind: type[Event]
) -> None:
    event = sample(kind)
    envelope, place = Envelope.around(event, kind.speakers[0]), (listener, subject_of(event))
    stage.broken.add(place)

    await stage.publish(kind, envelope.headers(), envelope.data)
    parked: list[operators.ParkedMessage] = []

    async def is_parked() -> bool:
        rows = await stage.parked(listener, kind.type)
        parked[:] = [row for row in rows if row.event_id == str(envelope.event_id)]
        return bool(parked)

    await until(is_parked)
    assert stage.attempts[place] == parked[0].deliveries == DELIVERIES
    replay = stage.operator(listener, operators.parked_replay(listener))
    question = operators.ParkedReplayQuestion(parked_id=parked[0].parked_id)
    still_broken = await replay(question, Service.GATEWAY)
    stage.broken.discard(place)
    healed = await replay(question, Service.GATEWAY)

    assert still_broken == operators.ParkedReplayAnswer(
        handled=False, error="Broken: This handler is broken on purpose."
    )
    assert healed == operators.ParkedReplayAnswer(handled=True)
    assert stage.effects[place] == 1
    assert not await is_parked()


@given(first=st.floats(0.01, 5), most=st.floats(5, 600), jitter=st.floats(0, 0.99))
def test_each_retry_waits_longer_than_the_one_before_until_the_longest(
    first: float, most: float, jitter: float
) -> None:
    longest = [retry_delay_seconds(deliveries, first, most, 0) for deliveries in range(1, 8)]

    assert longest == sorted(longest)
    assert max(longest) <= most
    for deliveries in range(1, 7):
        # Even the least jittered wait is not longer than the most jittered one after it, below the longest.
        shortest_next = retry_delay_seconds(deliveries + 1, first, most, jitter)
        assert shortest_next > longest[deliveries - 1] or longest[deliveries] >= most
