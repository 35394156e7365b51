"""A PostgreSQL that is full, or only reads for a while, is away and not broken: what needs it waits, and nothing is set aside."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import pytest
from structlog.testing import capture_logs

from lethe_common.database import Transaction
from lethe_common.database.pool import DatabaseAway
from lethe_common.database.roles import ROLE_CONNECTIONS
from lethe_common.events.identity import AccountOpened
from lethe_common.identifiers import SubjectRef
from lethe_common.services import Service
from tests.integration.members import Member, members, until
from tests.servers import RunningServers

DELIVERIES = 2
SECOND_LOOKS = 4
HAS_NO_CONNECTIONS = ("CONNECTION LIMIT 0", f"CONNECTION LIMIT {ROLE_CONNECTIONS}")
ONLY_READS = ("SET default_transaction_read_only = on", "RESET default_transaction_read_only")


class Desk:
    """Counts what took effect, and stands before a full disk where a test says so."""

    def __init__(self) -> None:
        self.effects: Counter[str] = Counter()
        self.is_disk_full = False

    async def on_opened(self, event: AccountOpened, _tx: Transaction) -> None:
        if self.is_disk_full:
            # As the server answers where a table cannot grow. No disk is filled here.
            raise asyncpg.DiskFullError("could not extend file: No space left on device")
        self.effects[event.subject_ref] += 1


@pytest.fixture
async def pair(servers: RunningServers) -> AsyncIterator[tuple[Member, Member, Desk]]:
    quick = {
        "consumer_max_deliver": DELIVERIES, "consumer_retry_first_seconds": 0.05, "consumer_retry_most_seconds": 0.1,
    }  # fmt: skip
    async with members(servers, Service.GATEWAY, Service.BILLING, **quick) as seats:
        gateway, billing, desk = seats[Service.GATEWAY], seats[Service.BILLING], Desk()
        gateway.work(gateway.bus.relay.run)
        await billing.hear({AccountOpened: desk.on_opened})
        yield gateway, billing, desk


@pytest.fixture
def logs() -> Iterator[Sequence[dict[str, object]]]:
    with capture_logs() as captured:
        yield captured  # type: ignore[misc]  # read only


@asynccontextmanager
async def altered(servers: RunningServers, member: Member, change: str, undo: str) -> AsyncIterator[None]:
    """Something is different for the role of a service, in all its new connections; and it has only new ones."""
    operator = await asyncpg.connect(servers.superuser_dsn())
    await operator.execute(f"ALTER ROLE {member.service} {change}")
    try:
        await member.database.pool.expire_connections()
        yield
    finally:
        await operator.execute(f"ALTER ROLE {member.service} {undo}")
        await operator.close()


def opened() -> AccountOpened:
    return AccountOpened(subject_ref=SubjectRef.new(), plan="free", opened_at=datetime(2027, 1, 1, tzinfo=UTC))


async def waited(logs: Sequence[dict[str, object]]) -> bool:
    return sum(line["event"] == "consumer_waits" for line in logs) >= SECOND_LOOKS


@pytest.mark.parametrize("change", [HAS_NO_CONNECTIONS, ONLY_READS], ids=["no_connections", "only_reads"])
async def test_an_event_waits_longer_than_its_deliveries_until_the_database_takes_it(
    servers: RunningServers,
    pair: tuple[Member, Member, Desk],
    logs: Sequence[dict[str, object]],
    change: tuple[str, str],
) -> None:
    gateway, billing, desk = pair
    event = opened()
    async with altered(servers, billing, *change):
        await gateway.tell(event)
        await until(lambda: waited(logs))

    await until(lambda: _has(desk, event))
    assert desk.effects[event.subject_ref] >= 1
    assert await billing.database.pool.fetchval("SELECT count(*) FROM parked") == 0
    assert not [line for line in logs if line["event"] == "event_failed"]


async def test_an_event_waits_while_the_disk_is_full(
    pair: tuple[Member, Member, Desk], logs: Sequence[dict[str, object]]
) -> None:
    gateway, billing, desk = pair
    desk.is_disk_full, event = True, opened()

    await gateway.tell(event)
    await until(lambda: waited(logs))
    desk.is_disk_full = False

    await until(lambda: _has(desk, event))
    assert await billing.database.pool.fetchval("SELECT count(*) FROM parked") == 0
    assert not [line for line in logs if line["event"] == "event_failed"]


async def test_what_is_handled_apart_from_a_broken_neighbour_is_not_set_aside_for_a_full_disk(
    pair: tuple[Member, Member, Desk],
) -> None:
    _, billing, desk = pair
    desk.is_disk_full = True
    dispatcher = billing.bus.dispatcher
    assert dispatcher is not None

    with pytest.raises(DatabaseAway):
        async with billing.database.transaction() as tx:
            await dispatcher.handle_apart([opened()], tx)


async def _has(desk: Desk, event: AccountOpened) -> bool:
    return desk.effects[event.subject_ref] > 0
