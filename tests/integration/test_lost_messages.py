"""What the server gave up is parked; what only waited long, or took long, is not."""

import asyncio
from collections import Counter
from typing import Any

import asyncpg
from nats.js.errors import NotFoundError

from lethe_common.database import Transaction
from lethe_common.events.envelope import Event
from lethe_common.events.identity import AccountOpened
from lethe_common.events.jobs import GenerationCancelRequested, GenerationStarted
from lethe_common.services import Service
from tests.integration.members import Member, members, until, wipe_nats
from tests.samples import sample
from tests.servers import RunningServers

# One delivery, and a second look after this wait plus some seconds of its own.
ACK_WAIT_SECONDS = 2.0
QUICK = {
    "consumer_max_deliver": 1,
    "consumer_ack_wait_seconds": ACK_WAIT_SECONDS,
    "consumer_retry_most_seconds": 0.1,
    "consumer_batch": 1,
}


async def test_a_message_that_waited_for_its_service_longer_than_any_retry_is_handled_and_not_parked(
    servers: RunningServers,
) -> None:
    handled: Counter[str] = Counter()
    async with members(servers, Service.GATEWAY, Service.BILLING, **QUICK) as seats:
        gateway, billing = seats[Service.GATEWAY], seats[Service.BILLING]
        gateway.work(gateway.bus.relay.run)
        first, second = sample(AccountOpened), sample(AccountOpened)
        await gateway.tell(first, second)
        await asyncio.sleep(ACK_WAIT_SECONDS + 6)  # older than any delivery may take: nothing to poll for

        may_end = asyncio.Event()

        async def on_opened(event: Event, _tx: Transaction) -> None:
            await may_end.wait()
            handled[subject_of(event)] += 1

        await billing.hear({AccountOpened: on_opened})
        await asyncio.sleep(ACK_WAIT_SECONDS / 2)
        assert await parked(billing) == 0
        may_end.set()
        await until(lambda: is_handled(handled, first, second))
        assert await parked(billing) == 0


async def test_a_message_handled_after_the_server_gave_it_up_does_not_stay_parked(servers: RunningServers) -> None:
    handled: Counter[str] = Counter()
    async with members(servers, Service.GATEWAY, Service.BILLING, **QUICK) as seats:
        gateway, billing = seats[Service.GATEWAY], seats[Service.BILLING]
        gateway.work(gateway.bus.relay.run)
        may_end = asyncio.Event()

        async def on_opened(event: Event, _tx: Transaction) -> None:
            await may_end.wait()
            handled[subject_of(event)] += 1

        await billing.hear({AccountOpened: on_opened})
        first, second = sample(AccountOpened), sample(AccountOpened)
        await gateway.tell(first, second)
        await until(lambda: some_parked(billing))
        may_end.set()
        await until(lambda: is_handled(handled, first, second))

        async def is_empty() -> bool:
            return await parked(billing) == 0

        await until(is_empty)
    assert set(handled.values()) == {1}


async def test_a_store_that_is_lost_during_a_second_look_has_nothing_parked_that_lies_elsewhere_now(
    servers: RunningServers,
) -> None:
    """The bus is of another day than the boxes: of what was being looked at nobody knows anything, and others are in its place."""
    async with members(servers, Service.GATEWAY, Service.JOBS, **QUICK) as seats:
        gateway, jobs = seats[Service.GATEWAY], seats[Service.JOBS]
        handled: Counter[str] = Counter()

        async def on_cancel_requested(event: Event, _tx: Transaction) -> None:
            handled[subject_of(event)] += 1

        await jobs.hear({GenerationCancelRequested: on_cancel_requested})
        for seat in (gateway, jobs):
            seat.work(seat.bus.relay.run)
        await gateway.tell(looked_at := sample(GenerationCancelRequested))
        await until(lambda: is_handled(handled, looked_at))
        await until(lambda: has_looked(jobs, given=1, through=0))

        await asyncio.to_thread(servers.stop, "nats")
        wipe_nats(servers)
        await empty_boxes(servers, gateway, jobs)
        await asyncio.to_thread(servers.start, "nats")
        await jobs.tell(sample(GenerationStarted))  # jobs itself does not hear it
        await until(lambda: has_stored(jobs, 1))
        await gateway.tell(last := sample(GenerationCancelRequested))

        await until(lambda: is_handled(handled, last))
        await until(lambda: has_looked(jobs, given=2, through=2), 40)
        assert await parked(jobs) == 0


async def has_stored(seat: Member, messages: int) -> bool:
    try:
        return (await seat.bus.client.jetstream().stream_info("JOBS")).state.messages >= messages
    except NotFoundError:
        return False


async def has_looked(seat: Member, *, given: int, through: int) -> bool:
    """How far the second look is: what it was given, and what it is through with."""
    try:
        look = await seat.bus.client.jetstream().consumer_info("JOBS", f"{seat.service}-sweep")
    except NotFoundError:
        return False
    delivered, done = ((one.stream_seq if one else 0) for one in (look.delivered, look.ack_floor))
    return delivered >= given and done >= through


async def empty_boxes(servers: RunningServers, *seats: Member) -> None:
    superuser = await asyncpg.connect(servers.superuser_dsn())
    for seat in seats:
        await superuser.execute(f"DELETE FROM {seat.service}.inbox; DELETE FROM {seat.service}.outbox")
    await superuser.close()


async def some_parked(seat: Member) -> bool:
    return await parked(seat) > 0


async def is_handled(handled: Counter[str], *events: Event) -> bool:
    return all(handled[subject_of(event)] for event in events)


async def parked(seat: Member) -> int:
    async with seat.database.transaction() as tx:
        count: int = await tx.fetchval("SELECT count(*) FROM parked")
    return count


def subject_of(event: Any) -> str:
    return str(event.subject_ref)
