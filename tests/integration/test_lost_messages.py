"""What the server gave up is parked; what only waited long, or took long, is not."""

import asyncio
from collections import Counter
from typing import Any

from lethe_common.database import Transaction
from lethe_common.events.envelope import Event
from lethe_common.events.identity import AccountOpened
from lethe_common.services import Service
from tests.integration.members import Member, members, until
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
