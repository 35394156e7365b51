"""Much that goes at once: a batch costs the same however much else has to go, though plans were made while nothing had."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from lethe_common.clock import RealClock
from lethe_common.database import Database, Transaction
from lethe_common.events.jobs import AssetsRemoved, RemovalRule
from lethe_common.events.retention import ItemsDue
from lethe_common.identifiers import GenerationId, RunId, SubjectRef
from lethe_common.services import Service
from lethe_jobs.queries import answers, removals
from tests.integration.jobs_stand import ScriptedProvider, Stand, jobs, stand
from tests.integration.members import until
from tests.servers import RunningServers

GENERIC_PLAN_AFTER = 6
"""Executions after which PostgreSQL keeps one plan for all arguments (plancache.c)."""
MANY, BATCH = 3000, 50
# Of this connection, also from before this transaction.
READ = """
    SELECT coalesce(sum(idx_tup_fetch + coalesce(seq_tup_read, 0)), 0)::int FROM pg_stat_xact_user_tables
     WHERE schemaname = 'jobs' AND relname IN ('removals', 'runs', 'assets', 'attempts')
"""
RUNS = """
    INSERT INTO jobs.runs (generation_id, run_id, subject_ref, hold_id, model, provider, width_px, height_px, seconds,
                           state, priority, object_prefix)
    SELECT g, r, $3, 'hold', 'noop', 'noop', 64, 36, 4, 'completed', 0, 'outputs/' || md5(g) || '-'
      FROM unnest($1::text[], $2::text[]) AS t(g, r)
"""
LEASE = timedelta(minutes=1)


@pytest.fixture
async def at(servers: RunningServers) -> AsyncIterator[Stand]:
    async with stand(servers) as made:
        yield made


async def reads(tx: Transaction) -> int:
    count: int = await tx.fetchval(READ)
    return count


async def test_a_batch_reads_little_more_than_itself(at: Stand, servers: RunningServers) -> None:
    async with jobs(at, [ScriptedProvider()]):
        pass  # so that the tables are there; nobody works on them now
    database = await Database.open(servers.dsn("jobs"), Service.JOBS, size=1)
    nothing: list[str] = []
    for _ in range(GENERIC_PLAN_AFTER):
        async with database.transaction(removals.IN_ORDER) as tx:
            assert await removals.take(tx, BATCH, LEASE) == []
            await removals.finish(tx, nothing)
    subject, ids = SubjectRef.new(), [GenerationId.new() for _ in range(MANY)]
    await at.eye.execute(RUNS, ids, [RunId.new() for _ in ids], subject)
    async with database.transaction() as tx:
        await removals.request(tx, dict.fromkeys(ids, subject), RemovalRule.EXPIRED)

    async with database.transaction(removals.IN_ORDER) as tx:
        before = await reads(tx)
        due = await removals.take(tx, BATCH, LEASE)
        taken = await reads(tx)
        gone = await removals.finish(tx, [one.generation_id for one in due])
        finished = await reads(tx)

    assert len(due) == len(gone) == BATCH
    assert all(one.object_prefix is not None for one in due)
    assert {one.rows for one in gone.values()} == {1}
    assert taken - before < 10 * BATCH
    assert finished - taken < 10 * BATCH
    await database.close()


async def test_the_queue_is_counted_without_reading_what_was_made_long_ago(at: Stand, servers: RunningServers) -> None:
    async with jobs(at, [ScriptedProvider()]):
        pass
    database = await Database.open(servers.dsn("jobs"), Service.JOBS, size=1)
    ids = [GenerationId.new() for _ in range(MANY)]
    await at.eye.execute(RUNS, ids, [RunId.new() for _ in ids], SubjectRef.new())

    read = MANY
    for _ in range(GENERIC_PLAN_AFTER):
        async with database.transaction() as tx:
            before = await reads(tx)
            assert await answers.queue_length(tx) == (0, 0)
            read = await reads(tx) - before

    assert read < BATCH
    await database.close()


async def test_a_batch_begins_at_its_place(at: Stand, servers: RunningServers) -> None:
    async with jobs(at, [ScriptedProvider()]):
        pass
    database = await Database.open(servers.dsn("jobs"), Service.JOBS, size=1)
    subject, ids = SubjectRef.new(), [GenerationId.new() for _ in range(BATCH)]
    await at.eye.execute(RUNS, ids, [RunId.new() for _ in ids], subject)
    async with database.transaction() as tx:
        await removals.request(tx, dict.fromkeys(ids, subject), RemovalRule.EXPIRED)

    async with database.transaction(removals.IN_ORDER) as tx:
        lower = [one.object_prefix or "" for one in await removals.take(tx, BATCH // 2, LEASE)]
        upper = [one.object_prefix or "" for one in await removals.take(tx, BATCH, LEASE, max(lower))]

    assert len(lower) == len(upper) == BATCH // 2
    assert max(lower) < min(upper)
    await database.close()


async def test_what_comes_by_the_hundred_goes_and_each_is_told_once(at: Stand) -> None:
    subject, ids = SubjectRef.new(), [GenerationId.new() for _ in range(4 * BATCH)]
    async with jobs(at, [ScriptedProvider()]):
        await at.eye.execute(RUNS, ids, [RunId.new() for _ in ids], subject)
        for start in range(0, len(ids), BATCH):
            now = RealClock().now()
            items = [
                ItemsDue.Item(generation_id=one, subject_ref=subject, category="output.video", due_at=now)
                for one in ids[start : start + BATCH]
            ]
            await at.retention.tell(ItemsDue(items=tuple(items)))

        async def all_are_gone() -> bool:
            return bool(
                await at.eye.fetchval("SELECT count(*) = $1 FROM jobs.removals WHERE removed_at IS NOT NULL", len(ids))
            )

        await until(all_are_gone)

    told = [item.generation_id for event in await at.told(AssetsRemoved) for item in event.items]
    assert sorted(told) == sorted(ids)


async def test_what_one_person_deletes_by_the_hundred_goes_at_once(at: Stand, servers: RunningServers) -> None:
    async with jobs(at, [ScriptedProvider()]):
        pass
    database = await Database.open(servers.dsn("jobs"), Service.JOBS, size=1)
    subject, ids = SubjectRef.new(), [GenerationId.new() for _ in range(400)]
    await at.eye.execute(RUNS, ids, [RunId.new() for _ in ids], subject)
    await at.eye.execute(
        "UPDATE jobs.runs SET object_prefix = 'outputs/' || md5(run_id) || '/' || md5(generation_id) || '-'"
    )
    async with database.transaction() as tx:
        await removals.request(tx, dict.fromkeys(ids, subject), RemovalRule.DELETED_BY_USER)

    async with jobs(at, [ScriptedProvider()]):

        async def all_are_gone() -> bool:
            return bool(
                await at.eye.fetchval("SELECT count(*) = $1 FROM jobs.removals WHERE removed_at IS NOT NULL", len(ids))
            )

        await until(all_are_gone)

    told = [item for event in await at.told(AssetsRemoved) for item in event.items]
    assert sorted(item.generation_id for item in told) == sorted(ids)
    assert {item.rule for item in told} == {RemovalRule.DELETED_BY_USER}
    await database.close()


async def test_two_who_take_at_once_take_different_ones(at: Stand, servers: RunningServers) -> None:
    async with jobs(at, [ScriptedProvider()]):
        pass
    database = await Database.open(servers.dsn("jobs"), Service.JOBS, size=2)
    subject, ids = SubjectRef.new(), [GenerationId.new() for _ in range(8)]
    await at.eye.execute(RUNS, ids, [RunId.new() for _ in ids], subject)
    async with database.transaction() as tx:
        await removals.request(tx, dict.fromkeys(ids, subject), RemovalRule.EXPIRED)

    async with database.transaction() as first, database.transaction() as second:
        mine, theirs = await removals.take(first, 5, LEASE), await removals.take(second, 5, LEASE)

    assert len(mine) == 5
    assert {one.generation_id for one in mine} | {one.generation_id for one in theirs} == set(ids)
    await database.close()
