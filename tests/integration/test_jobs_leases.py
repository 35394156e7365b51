from collections.abc import AsyncIterator

import pytest

from lethe_common.clock import RealClock
from lethe_common.database import Database
from lethe_common.events.billing import PlanChanged
from lethe_common.events.jobs import (
    GenerationCancelRequested,
    GenerationCompleted,
    GenerationFailed,
    GenerationProgressed,
)
from lethe_common.identifiers import SubjectRef
from lethe_common.rpc.jobs import PositionQuestion, RunList, RunListQuestion, RunPosition
from lethe_common.services import Service
from lethe_jobs.providers import Delivery, Order, Watch
from lethe_jobs.queries import answers
from tests.integration.jobs_stand import ScriptedProvider, Stand, jobs, stand, started
from tests.integration.members import until
from tests.servers import RunningServers


class Watched(ScriptedProvider):
    """Keeps the watch of each order."""

    def __init__(self) -> None:
        super().__init__()
        self.watches: list[Watch] = []

    async def generate(self, order: Order, watch: Watch) -> Delivery:
        self.watches.append(watch)
        return await super().generate(order, watch)


@pytest.fixture
async def at(servers: RunningServers) -> AsyncIterator[Stand]:
    async with stand(servers) as made:
        yield made


async def test_a_run_whose_worker_died_is_made_by_another_and_told_once(at: Stand) -> None:
    dead, alive = ScriptedProvider(), ScriptedProvider()
    process = started(at, [dead])
    await process.start()
    request = await at.request(SubjectRef.new())
    await at.reaches(request.generation_id, "rendering")
    for task in process._tasks:
        task.cancel()
    await at.eye.execute("UPDATE jobs.runs SET leased_until = now() + interval '0.3 seconds'")
    alive.may_finish.set()
    async with jobs(at, [alive]):
        await at.reaches(request.generation_id, "completed")
    await process.stop()

    assert len(alive.orders) == 1
    assert len(await at.told(GenerationCompleted)) == 1
    assert ("rendering", "queued", "lease_expired") in await at.arrows(request.generation_id)


async def test_a_process_that_claims_its_own_lost_run_again_stops_what_it_did_for_it_before(at: Stand) -> None:
    provider = Watched()
    # No heart beats: the lease is lost as while PostgreSQL is away.
    async with jobs(at, [provider], heartbeat_seconds=600.0, lease_seconds=1.0):
        request = await at.request(SubjectRef.new())

        async def is_claimed_again() -> bool:
            return len(provider.watches) > 1

        await until(is_claimed_again)
        stopped = [watch.is_stopped() for watch in provider.watches]
        provider.may_finish.set()
        await at.reaches(request.generation_id, "completed")

    assert stopped == [*[True] * (len(stopped) - 1), False]
    assert len(await at.told(GenerationCompleted)) == 1


async def test_a_worker_whose_lease_was_taken_over_writes_nothing_and_removes_its_late_result(at: Stand) -> None:
    zombie = ScriptedProvider(at_once=1)
    zombie.is_deaf = True
    fresh = ScriptedProvider(at_once=1)
    fresh.may_finish.set()
    # The zombie's heart beats too rarely to keep its lease; it will not notice that it lost it.
    async with jobs(at, [zombie], heartbeat_seconds=600.0, lease_seconds=1.0):
        request = await at.request(SubjectRef.new())
        await at.reaches(request.generation_id, "rendering")
        async with jobs(at, [fresh], lease_seconds=1.0):
            await at.reaches(request.generation_id, "completed")
            keys = await at.eye.fetch("SELECT object_key FROM jobs.assets ORDER BY 1")
            zombie.may_finish.set()
            prefix = await at.eye.fetchval("SELECT object_prefix FROM jobs.runs")

            async def only_the_winners_objects_are_left() -> bool:
                return (await at.storage.remains(prefix)).object_versions == len(keys)

            await until(only_the_winners_objects_are_left)

    assert len(await at.told(GenerationCompleted)) == 1
    assert await at.eye.fetch("SELECT object_key FROM jobs.assets ORDER BY 1") == keys


async def test_a_run_that_is_to_stop_ends_with_its_lease_though_its_provider_hears_nothing(at: Stand) -> None:
    provider = ScriptedProvider(at_once=1)
    provider.is_deaf = True
    async with jobs(at, [provider], lease_seconds=1.0):
        request = await at.request(SubjectRef.new())
        await at.reaches(request.generation_id, "rendering")
        wish = GenerationCancelRequested(generation_id=request.generation_id, subject_ref=request.subject_ref)
        await at.gateway.tell(wish)

        await at.reaches(request.generation_id, "cancelled")
        provider.may_finish.set()

    assert await at.told(GenerationCompleted) == []
    assert await at.eye.fetchval("SELECT count(*) FROM jobs.assets") == 0


async def test_a_result_whose_lease_went_while_it_was_being_stored_is_removed(at: Stand) -> None:
    provider = ScriptedProvider()
    provider.content = b"moving" * 4_000_000
    provider.may_finish.set()
    async with jobs(at, [provider], heartbeat_seconds=600.0, lease_seconds=600.0):
        request = await at.request(SubjectRef.new())
        await at.reaches(request.generation_id, "storing")
        await at.eye.execute("UPDATE jobs.runs SET lease_token = lease_token + 1")
        prefix = await at.eye.fetchval("SELECT object_prefix FROM jobs.runs")

        async def something_was_stored() -> bool:
            return not (await at.storage.remains(prefix)).is_empty

        await until(something_was_stored)
        await until(lambda: at.no_objects(prefix))

    assert await at.told(GenerationCompleted) == []
    assert await at.eye.fetchval("SELECT count(*) FROM jobs.assets") == 0


async def test_a_worker_that_stops_gives_its_runs_back_at_once(at: Stand) -> None:
    leaving, staying = ScriptedProvider(), ScriptedProvider()
    staying.may_finish.set()
    async with jobs(at, [leaving]):
        request = await at.request(SubjectRef.new())
        await at.reaches(request.generation_id, "rendering")
    assert ("rendering", "queued", "worker_stopped") in await at.arrows(request.generation_id)
    async with jobs(at, [staying]):
        await at.reaches(request.generation_id, "completed")

    assert await at.eye.fetchval("SELECT attempts_count FROM jobs.runs") == 1


async def test_a_run_that_kills_its_workers_fails_after_its_last_attempt(at: Stand) -> None:
    provider = ScriptedProvider()
    provider.is_deaf = True
    async with jobs(at, [provider], attempts_most=2, heartbeat_seconds=600.0, lease_seconds=0.4):
        request = await at.request(SubjectRef.new())
        failed = await at.tells(GenerationFailed)
        provider.may_finish.set()

    assert failed[0].generation_id == request.generation_id
    assert (await at.arrows(request.generation_id))[-1][2] == "attempts_exhausted"
    assert await at.told(GenerationCompleted) == []


async def test_a_subject_gets_as_many_runs_at_once_as_its_plan_has_and_a_crowd_never_blocks_others(at: Stand) -> None:
    crowd, single = SubjectRef.new(), SubjectRef.new()
    provider = ScriptedProvider(at_once=8)
    async with jobs(at, [provider]):
        for _ in range(12):
            await at.request(crowd)
        await until(lambda: orders_are(provider, 4))
        lone = await at.request(single)
        await at.reaches(lone.generation_id, "rendering")
        assert sum(order.run.subject_ref == crowd for order in provider.orders) == 4

        await at.billing.tell(PlanChanged(subject_ref=crowd, plan="standard", since=RealClock().now()))
        await until(lambda: orders_are(provider, 8))
        provider.may_finish.set()
        await at.tells(GenerationCompleted, 13)


async def test_first_comes_the_higher_plan_then_everybodys_first_run(at: Stand) -> None:
    busy, modest, paying = SubjectRef.new(), SubjectRef.new(), SubjectRef.new()
    provider = ScriptedProvider(at_once=1)
    async with jobs(at, [provider]):
        blocker = await at.request(SubjectRef.new())
        await at.reaches(blocker.generation_id, "rendering")
        await at.billing.tell(PlanChanged(subject_ref=paying, plan="pro", since=RealClock().now()))
        first, second = await at.request(busy), await at.request(busy)
        third = await at.request(modest)
        await at.reaches(third.generation_id, "queued")
        fourth = await at.request(paying)
        await at.reaches(fourth.generation_id, "queued")
        question = PositionQuestion(generation_id=second.generation_id, subject_ref=busy)
        assert (await at.gateway.bus.ask(RunPosition, question)).position == 4
        provider.may_finish.set()
        await at.tells(GenerationCompleted, 5)

    made = [order.run.generation_id for order in provider.orders]
    assert made[1:] == [one.generation_id for one in (fourth, first, third, second)]


async def test_progress_is_said_and_the_console_sees_the_run(at: Stand) -> None:
    heard: list[GenerationProgressed] = []
    provider = ScriptedProvider()

    async def hear(event: GenerationProgressed) -> None:
        heard.append(event)

    await at.gateway.bus.hear(GenerationProgressed, hear)
    async with jobs(at, [provider], progress_seconds=0.1):
        request = await at.request(SubjectRef.new())

        async def was_heard() -> bool:
            return bool(heard)

        await until(was_heard)
        listed = await at.gateway.bus.ask(RunList, RunListQuestion(state="rendering"))

    assert (heard[0].generation_id, heard[0].percent) == (request.generation_id, 50)
    assert [run.generation_id for run in listed.runs] == [request.generation_id]
    assert listed.by_state == {"rendering": 1}


async def test_operators_look_at_runs_without_reading_all_there_ever_were(at: Stand) -> None:
    async with jobs(at, [ScriptedProvider()]):
        pass  # its tables are there
    fields = "(generation_id, run_id, subject_ref, hold_id, model, provider, width_px, height_px, seconds, priority, state, slot)"
    runs = f"""
        INSERT INTO jobs.runs {fields}
        SELECT 'video_' || lpad(n::text, 32, '0'), 'run_' || n, 'subj_' || n, 'hold_' || n, 'm', 'p', 1, 1, 1, 0, $1, $2
          FROM generate_series($3::int, $4) n
    """
    for state, slot, first, last in (
        ("queued", 0, 1, 3), ("queued", None, 4, 5), ("completed", None, 6, 3000), ("failed", None, 3001, 3010),
    ):  # fmt: skip
        await at.eye.execute(runs, state, slot, first, last)
    await at.eye.execute("ANALYZE jobs.runs")
    read = "SELECT sum(coalesce(idx_tup_fetch, 0) + seq_tup_read) FROM pg_stat_xact_user_tables WHERE relname = 'runs'"

    database = await Database.open(at.servers.dsn("jobs"), Service.JOBS, size=1)
    async with database.transaction() as tx:
        counted = await answers.by_state(tx, newest=50)
        waiting = await answers.listing(tx, "queued", 10, newest=50)
        newest = await answers.listing(tx, None, 10, newest=50)
        failed = await answers.listing(tx, "failed", 20, newest=50)
        rows_read = await tx.fetchval(read)
    await database.close()

    assert counted == {"queued": 5, "completed": 40, "failed": 10}
    assert [one.generation_id[-4:] for one in waiting] == ["0005", "0004", "0003", "0002", "0001"]
    assert [one.state for one in newest] == ["failed"] * 10
    assert len(failed) == 10
    assert rows_read <= 4 * (50 + 5)


async def orders_are(provider: ScriptedProvider, count: int) -> bool:
    return len(provider.orders) >= count
