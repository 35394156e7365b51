"""Rule 1: what is committed reaches the other side once, whatever happens to the NATS store in between."""

import asyncio
import shutil
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
from structlog.testing import capture_logs

from lethe_common.bus.relay import BatchRefused, publish_batch, publish_singly
from lethe_common.database import Transaction, outbox
from lethe_common.database.migration import turn_partitions
from lethe_common.events.envelope import Envelope
from lethe_common.events.identity import AccountOpened
from lethe_common.events.jobs import GenerationCancelRequested, GenerationStarted
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.services import Service
from tests.integration.members import Member, members, nats_store, until, wipe_nats
from tests.servers import RunningServers

NOW = datetime(2027, 1, 1, tzinfo=UTC)
Told = AccountOpened | GenerationCancelRequested | GenerationStarted
PENDING = "SELECT count(*) FROM outbox WHERE stream_seq IS NULL"


def opened() -> AccountOpened:
    return AccountOpened(subject_ref=SubjectRef.new(), plan="free", opened_at=NOW)


def cancel_requested() -> GenerationCancelRequested:
    return GenerationCancelRequested(generation_id=GenerationId.new(), subject_ref=SubjectRef.new())


def started() -> GenerationStarted:
    return GenerationStarted(generation_id=GenerationId.new(), subject_ref=SubjectRef.new(), started_at=NOW)


class Heard:
    """Counts how often each subject's event took effect."""

    def __init__(self) -> None:
        self.effects: Counter[str] = Counter()

    async def on_event(self, event: Told, _tx: Transaction) -> None:
        self.effects[event.subject_ref] += 1


async def all_published(member: Member) -> bool:
    async with member.database.pool.acquire() as connection:
        return bool(await connection.fetchval(PENDING) == 0)


@pytest.fixture
async def pair(servers: RunningServers) -> AsyncIterator[tuple[Member, Member]]:
    async with members(servers, Service.GATEWAY, Service.BILLING) as seats:
        gateway, billing = seats[Service.GATEWAY], seats[Service.BILLING]
        gateway.work(gateway.bus.relay.run)
        yield gateway, billing


async def test_what_is_told_in_a_transaction_arrives_once_and_in_full(pair: tuple[Member, Member]) -> None:
    gateway, billing = pair
    heard, sent = Heard(), [opened() for _ in range(700)]
    await billing.hear({AccountOpened: heard.on_event})

    await gateway.tell(*sent)

    await until(lambda: _heard_all((heard, sent)))
    assert set(heard.effects.values()) == {1}


async def test_what_is_rolled_back_is_never_told(pair: tuple[Member, Member]) -> None:
    gateway, billing = pair
    heard, marker = Heard(), opened()
    await billing.hear({AccountOpened: heard.on_event})

    async def tell_and_fail() -> None:
        async with gateway.database.transaction() as tx:
            tx.tell(opened())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await tell_and_fail()
    await gateway.tell(marker)

    await until(lambda: _heard_all((heard, [marker])))
    assert heard.effects == {marker.subject_ref: 1}


async def test_a_wiped_store_loses_and_doubles_nothing(pair: tuple[Member, Member], servers: RunningServers) -> None:
    gateway, billing = pair
    heard, before = Heard(), [opened() for _ in range(120)]
    await billing.hear({AccountOpened: heard.on_event})
    await gateway.tell_each(*before)
    await until(lambda: _heard_all((heard, before)))

    await asyncio.to_thread(servers.stop, "nats")
    during = [opened() for _ in range(40)]
    await gateway.tell_each(*during)
    wipe_nats(servers)
    await asyncio.to_thread(servers.start, "nats")
    after = [opened() for _ in range(40)]
    await gateway.tell_each(*after)

    await until(lambda: _heard_all((heard, before + during + after)))
    await until(lambda: all_published(gateway))
    assert set(heard.effects.values()) == {1}
    assert (await gateway.bus.client.jetstream().stream_info("IDENTITY")).state.messages == 200


async def test_what_a_wiped_store_lost_is_found_in_portions_which_a_relay_that_dies_need_not_find_again(
    pair: tuple[Member, Member], servers: RunningServers
) -> None:
    gateway, _ = pair
    count, pool = outbox.FORGET_PORTION + 1000, gateway.database.pool
    async with pool.acquire() as connection:
        await outbox.insert(connection, [Envelope.around(opened(), Service.GATEWAY) for _ in range(count)])
    gateway.bus.relay.wake()
    await until(lambda: all_published(gateway))
    await asyncio.to_thread(servers.stop, "nats")
    wipe_nats(servers)

    async def is_partly_found() -> bool:
        return bool(await pool.fetchval(PENDING) == outbox.FORGET_PORTION)

    # Somebody holds the oldest row, so that the relay comes to a halt over it.
    holder = await asyncpg.connect(servers.dsn("gateway"))
    held = holder.transaction()
    await held.start()
    await holder.execute("SELECT FROM gateway.outbox ORDER BY event_id LIMIT 1 FOR UPDATE")
    await asyncio.to_thread(servers.start, "nats")
    await until(is_partly_found)
    await holder.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    await held.rollback()
    await holder.close()

    await until(lambda: all_published(gateway))
    assert await pool.fetchval("SELECT count(DISTINCT stream_seq) FROM outbox") == count
    assert (await gateway.bus.client.jetstream().stream_info("IDENTITY")).state.messages == count


async def test_a_stream_that_the_server_cannot_make_at_first_is_made_as_soon_as_it_can(
    pair: tuple[Member, Member], servers: RunningServers
) -> None:
    gateway, billing = pair
    heard, told = Heard(), [opened() for _ in range(10)]
    await billing.hear({AccountOpened: heard.on_event})

    await asyncio.to_thread(servers.stop, "nats")
    (in_the_way,) = nats_store(servers).glob("jetstream/*/streams/IDENTITY")
    wipe_nats(servers)
    in_the_way.parent.mkdir(parents=True)
    in_the_way.touch()  # the server fails over it, and takes it away
    with capture_logs() as logs:
        await asyncio.to_thread(servers.start, "nats")
        await gateway.tell(*told)
        await until(lambda: _has(logs, "bus_declare_failed"))

    await until(lambda: _heard_all((heard, told)))
    assert set(heard.effects.values()) == {1}


async def test_an_older_copy_of_the_store_loses_and_doubles_nothing_with_two_services_publishing(
    servers: RunningServers, tmp_path: Path
) -> None:
    async with members(servers, Service.GATEWAY, Service.JOBS) as seats:
        gateway, jobs = seats[Service.GATEWAY], seats[Service.JOBS]
        by_gateway, by_jobs = Heard(), Heard()
        await jobs.hear({GenerationCancelRequested: by_gateway.on_event})
        await gateway.hear({GenerationStarted: by_jobs.on_event})
        gateway.work(gateway.bus.relay.run)
        jobs.work(jobs.bus.relay.run)
        told = _Told()
        await told.some(gateway, jobs, 50)
        await until(lambda: _heard_all((by_gateway, told.cancels), (by_jobs, told.starts)))

        await asyncio.to_thread(servers.stop, "nats")
        shutil.copytree(nats_store(servers), tmp_path / "older")
        await asyncio.to_thread(servers.start, "nats")
        await told.some(gateway, jobs, 50)
        await until(lambda: _heard_all((by_gateway, told.cancels), (by_jobs, told.starts)))

        await asyncio.to_thread(servers.stop, "nats")
        # Only the gateway has something new: the jobs service must find its lost tail although others filled its place.
        await gateway.tell_each(*(new := [cancel_requested() for _ in range(60)]))
        told.cancels += new
        wipe_nats(servers)
        shutil.copytree(tmp_path / "older", nats_store(servers))
        await asyncio.to_thread(servers.start, "nats")
        await told.some(gateway, jobs, 10)

        await until(lambda: _heard_all((by_gateway, told.cancels), (by_jobs, told.starts)))
        await until(lambda: all_published(gateway))
        await until(lambda: all_published(jobs))
        assert set(by_gateway.effects.values()) == {1}
        assert set(by_jobs.effects.values()) == {1}
        stored = (await gateway.bus.client.jetstream().stream_info("JOBS")).state.messages
        assert stored == len(told.cancels) + len(told.starts), "every event is in the stream again"


async def test_a_batch_with_something_already_stored_is_refused_whole_and_goes_singly(
    pair: tuple[Member, Member],
) -> None:
    gateway, _ = pair
    client = gateway.bus.client
    envelopes = [Envelope.around(opened(), Service.GATEWAY) for _ in range(5)]
    first = await publish_batch(client, envelopes[:2])

    with pytest.raises(BatchRefused):
        await publish_batch(client, envelopes)
    sequences = await publish_singly(client.jetstream(), "IDENTITY", envelopes)

    assert sequences[:2] == first
    assert len(set(sequences)) == 5
    assert (await client.jetstream().stream_info("IDENTITY")).state.messages == 5


async def test_a_relay_that_died_before_marking_stores_nothing_twice(pair: tuple[Member, Member]) -> None:
    gateway, _ = pair
    await gateway.tell_each(*(opened() for _ in range(20)))
    await until(lambda: all_published(gateway))

    async with gateway.database.pool.acquire() as connection:
        await connection.execute("UPDATE outbox SET stream_seq = NULL, stream_created = NULL")
    gateway.bus.relay.wake()

    await until(lambda: all_published(gateway))
    assert (await gateway.bus.client.jetstream().stream_info("IDENTITY")).state.messages == 20


async def test_what_a_look_has_published_is_not_sent_again_when_it_is_handed_over(pair: tuple[Member, Member]) -> None:
    gateway, _ = pair
    read, new = (next(Envelope.around_all([opened()], Service.GATEWAY, None)) for _ in range(2))
    with capture_logs() as logs:
        for envelope, handed in ((read, []), (new, [read, new])):
            async with gateway.database.pool.acquire() as connection:
                await outbox.insert(connection, [envelope])
            gateway.bus.relay.wake(handed)
            await until(lambda: all_published(gateway))

    assert not await _has(logs, "relay_batch_refused")
    assert (await gateway.bus.client.jetstream().stream_info("IDENTITY")).state.messages == 2


async def test_days_over_are_dropped_and_rows_among_the_rest_neither_hinder_nor_stay(servers: RunningServers) -> None:
    children = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'outbox'::regclass"
    insert = (
        "INSERT INTO outbox VALUES ($1, 'IDENTITY', 'identity.account.opened.v1', 'gateway', now(), NULL, '', $2, $3)"
    )
    published, waiting = uuid.UUID(int=1_600_000_000_000 << 80), uuid.UUID(int=(1_600_000_000_000 << 80) + 1)
    async with members(servers, Service.GATEWAY) as seats:
        pool = seats[Service.GATEWAY].database.pool
        assert len(await pool.fetch(children)) == 5, "yesterday to the day after tomorrow, and the rest"
        await pool.execute(insert, published, 1, NOW)
        await pool.execute(insert, waiting, None, None)

        await turn_partitions(pool, 3, 7)

        left = [row[0] for row in await pool.fetch("SELECT event_id FROM outbox")]
        assert left == [waiting], "what is not published yet is never dropped"


async def test_replicas_that_start_at_once_make_each_day_once(servers: RunningServers) -> None:
    children = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'gateway.outbox'::regclass"
    async with members(servers, Service.GATEWAY) as seats:
        pool = seats[Service.GATEWAY].database.pool
        owner = await asyncpg.connect(servers.superuser_dsn())
        made = sorted(row[0] for row in await owner.fetch(children))
        for _ in range(5):
            await owner.execute(f"DROP TABLE {', '.join(day for day in made if not day.endswith('_rest'))}")

            await asyncio.gather(*(turn_partitions(pool, 3, 7) for _ in range(4)))

            assert sorted(row[0] for row in await owner.fetch(children)) == made
        await owner.close()


class _Told:
    def __init__(self) -> None:
        self.cancels: list[GenerationCancelRequested] = []
        self.starts: list[GenerationStarted] = []

    async def some(self, gateway: Member, jobs: Member, count: int) -> None:
        cancels, starts = [cancel_requested() for _ in range(count)], [started() for _ in range(count)]
        await asyncio.gather(gateway.tell_each(*cancels), jobs.tell_each(*starts))
        self.cancels += cancels
        self.starts += starts


async def _heard_all(*expected: tuple[Heard, Sequence[Told]]) -> bool:
    return all({event.subject_ref for event in events} <= set(heard.effects) for heard, events in expected)


async def _has(logs: Sequence[Mapping[str, object]], event: str) -> bool:
    return any(line["event"] == event for line in logs)
