from collections.abc import AsyncIterator

import asyncpg
import pytest

from lethe_common.clock import RealClock
from lethe_common.events.billing import PlanChanged
from lethe_common.events.jobs import (
    AssetsRemoved,
    GenerationCancelled,
    GenerationCancelRequested,
    GenerationCompleted,
    GenerationDeleteRequested,
    GenerationRequested,
)
from lethe_common.events.privacy import (
    ErasureCompleted,
    ErasureFenced,
    ErasureStepReported,
    ErasureStepRequested,
)
from lethe_common.events.retention import ItemsDue, LegalHoldLifted, LegalHoldPlaced
from lethe_common.identifiers import CertificateId, ErasureId, GenerationId, LegalHoldId, SubjectRef
from lethe_common.rpc.orphans import OrphansRemoveQuestion
from lethe_common.services import Service
from lethe_common.storage import item_prefix
from lethe_jobs.models import OUTPUT_PREFIX
from lethe_jobs.orphans import Orphans
from tests.integration.jobs_stand import ScriptedProvider, Stand, jobs, stand
from tests.integration.members import until
from tests.servers import RunningServers

TABLES = ("runs", "attempts", "assets", "removals", "early_cancels", "erasures", "subjects")


@pytest.fixture
async def at(servers: RunningServers) -> AsyncIterator[Stand]:
    async with stand(servers) as made:
        yield made


@pytest.fixture
def quick() -> ScriptedProvider:
    provider = ScriptedProvider()
    provider.may_finish.set()
    return provider


def deletion(request: GenerationRequested) -> GenerationDeleteRequested:
    return GenerationDeleteRequested(generation_id=request.generation_id, subject_ref=request.subject_ref)


async def count(at: Stand, table: str, generation_id: str) -> int:
    found: int = await at.eye.fetchval(f"SELECT count(*) FROM jobs.{table} WHERE generation_id = $1", generation_id)
    return found


async def removals(at: Stand, count: int = 1) -> list[AssetsRemoved.Item]:
    """What jobs tells of as removed, once it has told so often."""
    return [item for event in await at.tells(AssetsRemoved, count) for item in event.items]


async def test_a_deleted_generation_leaves_no_row_no_object_and_no_key(at: Stand, quick: ScriptedProvider) -> None:
    async with jobs(at, [quick]):
        request = await at.request(SubjectRef.new())
        kept = await at.request(request.subject_ref)
        await at.tells(GenerationCompleted, 2)
        await at.gateway.tell(deletion(request))
        removed = (await removals(at))[0]

    assert (removed.generation_id, removed.rule) == (request.generation_id, "deleted_by_user")
    assert removed.rows == 1 + 2 + 4
    assert removed.object_versions == 2
    assert len(removed.prefixes) == 1
    assert await at.no_objects(removed.prefixes[0])
    assert request.generation_id in at.destroyed
    assert kept.generation_id not in at.destroyed
    assert [await count(at, table, request.generation_id) for table in ("runs", "attempts", "assets")] == [0, 0, 0]
    assert await at.state(kept.generation_id) == "completed"


async def test_deleting_a_running_generation_stops_it_and_gives_the_credits_back(at: Stand) -> None:
    provider = ScriptedProvider()
    async with jobs(at, [provider]):
        request = await at.request(SubjectRef.new())
        await at.reaches(request.generation_id, "rendering")
        await at.gateway.tell(deletion(request))
        await removals(at)

    assert len(await at.told(GenerationCancelled)) == 1
    assert await at.told(GenerationCompleted) == []


async def test_a_deletion_that_overtakes_its_request_is_told_and_keeps_the_run_away(
    at: Stand, quick: ScriptedProvider
) -> None:
    async with jobs(at, [quick]):
        order = at.order(SubjectRef.new())
        await at.gateway.tell(deletion(order))
        removed = (await removals(at))[0]
        await at.keep_input(order)
        await at.gateway.tell(order)
        await at.tells(GenerationCancelled)

    assert (removed.rows, removed.object_versions, removed.prefixes) == (0, 0, ())
    assert await at.state(order.generation_id) is None
    assert quick.orders == []


async def test_an_item_that_is_due_goes_as_expired_and_only_when_it_is_an_output(
    at: Stand, quick: ScriptedProvider
) -> None:
    def due(generation_id: GenerationId, subject: SubjectRef, category: str) -> ItemsDue.Item:
        now = RealClock().now()
        return ItemsDue.Item(generation_id=generation_id, subject_ref=subject, category=category, due_at=now)

    subject = SubjectRef.new()
    async with jobs(at, [quick]):
        mine, other = await at.request(subject), await at.request(subject)
        await at.tells(GenerationCompleted, 2)
        items = due(other.generation_id, subject, "upload.image"), due(mine.generation_id, subject, "output.video")
        await at.retention.tell(ItemsDue(items=items))
        removed = await removals(at)

    assert [(one.generation_id, one.rule) for one in removed] == [(mine.generation_id, "expired")]
    assert await at.state(other.generation_id) == "completed"


async def test_a_removal_waits_for_the_key_service_and_the_store_and_is_told_once(
    at: Stand, quick: ScriptedProvider
) -> None:
    async with jobs(at, [quick]):
        request = await at.request(SubjectRef.new())
        await at.tells(GenerationCompleted)
        at.is_privacy_away = True
        await at.gateway.tell(deletion(request))

        async def was_deferred() -> bool:
            return bool(await at.eye.fetchval("SELECT max(failures_count) FROM jobs.removals"))

        await until(was_deferred)
        assert await at.told(AssetsRemoved) == []
        at.is_privacy_away = False
        removed = await removals(at)

    assert removed[0].object_versions == 2
    assert len(removed) == 1


async def test_what_a_legal_hold_keeps_goes_when_it_is_lifted_and_not_before(
    at: Stand, quick: ScriptedProvider
) -> None:
    async with jobs(at, [quick]):
        kept = await at.request(SubjectRef.new())
        free = await at.request(kept.subject_ref)
        await at.tells(GenerationCompleted, 2)
        at.held.add(kept.generation_id)
        await at.gateway.tell(deletion(kept), deletion(free))
        assert [one.generation_id for one in await removals(at)] == [free.generation_id]
        assert await count(at, "assets", kept.generation_id) == 2
        assert kept.generation_id not in at.destroyed

        at.held.clear()
        hold_id, now = LegalHoldId.new(), RealClock().now()
        await at.retention.tell(
            LegalHoldLifted(hold_id=hold_id, subject_ref=kept.subject_ref, generation_id=None, lifted_at=now)
        )

        assert (await removals(at, 2))[1].generation_id == kept.generation_id
        assert await count(at, "assets", kept.generation_id) == 0


async def test_while_nobody_can_say_whether_something_is_held_nothing_is_removed(
    at: Stand, quick: ScriptedProvider
) -> None:
    async with jobs(at, [quick]):
        request = await at.request(SubjectRef.new())
        await at.tells(GenerationCompleted)
        at.is_retention_away = True
        await at.gateway.tell(deletion(request))

        async def was_deferred() -> bool:
            return bool(await at.eye.fetchval("SELECT max(failures_count) FROM jobs.removals"))

        await until(was_deferred)
        assert await count(at, "assets", request.generation_id) == 2
        at.is_retention_away = False
        await removals(at)


async def test_a_hold_makes_what_waits_to_go_ask_no_more_until_it_ends(at: Stand, quick: ScriptedProvider) -> None:
    async with jobs(at, [quick]):
        request = await at.request(SubjectRef.new())
        await at.tells(GenerationCompleted)
        at.held.add(request.generation_id)
        await at.gateway.tell(deletion(request))

        async def waits_long() -> bool:
            sql = "SELECT min(next_attempt_at) > now() + interval '50 minutes' FROM jobs.removals"
            return bool(await at.eye.fetchval(sql))

        await until(waits_long)
        await at.eye.execute("UPDATE jobs.removals SET next_attempt_at = now() + interval '5 minutes'")
        hold_id, now = LegalHoldId.new(), RealClock().now()
        await at.retention.tell(
            LegalHoldPlaced(
                hold_id=hold_id,
                subject_ref=request.subject_ref,
                generation_id=request.generation_id,
                placed_at=now,
                ends_at=None,
            )
        )
        await until(waits_long)


async def test_an_object_that_nothing_leads_to_is_removed_and_what_belongs_to_somebody_is_not(
    at: Stand, quick: ScriptedProvider
) -> None:
    async with jobs(at, [quick]) as process:
        request = await at.request(SubjectRef.new())
        await at.tells(GenerationCompleted)
        (mine, *_) = [row[0] for row in await at.eye.fetch("SELECT object_key FROM jobs.assets ORDER BY variant")]
        run = item_prefix(mine)
        left, held, strange = f"{run}{'0' * 32}-video", f"{run}{'1' * 32}-video", "upload.image/a/b-image"
        nobodys = f"{OUTPUT_PREFIX}/{'2' * 32}/{'3' * 32}-{'4' * 32}-video"
        for key in (left, nobodys):
            await at.storage.put_bytes(key, b"sealed")
        orphans = Orphans(process.frame.database, process.frame.bus, at.storage)

        answer = await orphans.remove(OrphansRemoveQuestion(keys=(mine, left, nobodys, strange)), Service.RETENTION)

        assert set(answer.removed) == {left, nobodys}
        assert await at.storage.list_keys(run) == sorted(await _keys(at))
        at.held.add(request.generation_id)
        await at.storage.put_bytes(held, b"sealed")
        answer = await orphans.remove(OrphansRemoveQuestion(keys=(held,)), Service.RETENTION)
        assert answer.removed == ()


async def _keys(at: Stand) -> list[str]:
    return [row[0] for row in await at.eye.fetch("SELECT object_key FROM jobs.assets")]


async def test_an_erased_subject_loses_everything_and_late_requests_meet_the_fence(at: Stand) -> None:
    provider, subject, erasure = ScriptedProvider(), SubjectRef.new(), ErasureId.new()
    async with jobs(at, [provider]):
        done = await at.request(subject)
        await at.reaches(done.generation_id, "rendering")
        provider.may_finish.set()
        await at.tells(GenerationCompleted)
        provider.may_finish.clear()
        running = await at.request(subject)
        await at.reaches(running.generation_id, "rendering")

        await at.privacy.tell(
            ErasureFenced(erasure_id=erasure, subject_ref=subject, fenced_at=RealClock().now()),
            ErasureStepRequested(erasure_id=erasure, subject_ref=subject),
        )
        report = (await at.tells(ErasureStepReported))[0]
        late = await at.request(subject)
        cancelled = await at.tells(GenerationCancelled, 2)
        await at.privacy.tell(
            ErasureCompleted(
                erasure_id=erasure,
                subject_ref=subject,
                certificate_id=CertificateId.new(),
                completed_at=RealClock().now(),
            )
        )

        async def nothing_is_left() -> bool:
            left = [await at.eye.fetchval(f"SELECT count(*) FROM jobs.{table}") for table in TABLES]
            return not any(left)

        await until(nothing_is_left)

    assert {one.generation_id for one in cancelled} == {running.generation_id, late.generation_id}
    by_store = {(one.store, one.category): (one.before, one.after) for one in report.counts}
    assert by_store["s3:output.video", "output.video"] == (2, 0)
    assert by_store["pg:jobs", "output.video"] == (2, 0)
    assert by_store["pg:jobs", "content.generation"][0] >= 2
    assert by_store["pg:jobs", "content.generation"][1] == 0
    assert await at.no_objects(report.prefixes[0])


async def test_messages_that_arrive_after_an_erasure_was_completed_leave_nothing(
    at: Stand, quick: ScriptedProvider
) -> None:
    subject, erasure, now = SubjectRef.new(), ErasureId.new(), RealClock().now()
    async with jobs(at, [quick]):
        await at.privacy.tell(
            ErasureStepRequested(erasure_id=erasure, subject_ref=subject),
            ErasureCompleted(
                erasure_id=erasure, subject_ref=subject, certificate_id=CertificateId.new(), completed_at=now
            ),
        )
        await until(lambda: holds(at, "fences", 1))
        await at.billing.tell(PlanChanged(subject_ref=subject, plan="pro", since=now))
        await at.privacy.tell(
            ErasureFenced(erasure_id=erasure, subject_ref=subject, fenced_at=now),
            ErasureStepRequested(erasure_id=erasure, subject_ref=subject),
        )
        await at.gateway.tell(GenerationCancelRequested(generation_id=GenerationId.new(), subject_ref=subject))
        late = await at.request(subject)
        cancelled = await at.tells(GenerationCancelled)
        await until(lambda: holds(at, "inbox", 7))

        assert [one.generation_id for one in cancelled] == [late.generation_id]
        assert [await holds(at, table, 0) for table in TABLES] == [True] * len(TABLES)


async def holds(at: Stand, table: str, count: int) -> bool:
    return bool(await at.eye.fetchval(f"SELECT count(*) FROM jobs.{table}") == count)


async def test_an_erasure_of_a_subject_never_seen_is_reported_too(at: Stand, quick: ScriptedProvider) -> None:
    async with jobs(at, [quick]):
        await at.privacy.tell(ErasureStepRequested(erasure_id=ErasureId.new(), subject_ref=SubjectRef.new()))
        report = (await at.tells(ErasureStepReported))[0]

    assert all(one.before == one.after == 0 for one in report.counts)


async def test_the_database_refuses_arrows_that_do_not_exist_and_changes_of_attempts(
    at: Stand, quick: ScriptedProvider
) -> None:
    async with jobs(at, [quick]):
        request = await at.request(SubjectRef.new())
        await at.tells(GenerationCompleted)
        pool = await asyncpg.create_pool(at.servers.dsn("jobs"), min_size=1, max_size=1)
        try:
            with pytest.raises(asyncpg.CheckViolationError):
                await pool.execute(
                    "INSERT INTO jobs.attempts (generation_id, from_state, to_state, cause) VALUES ($1, $2, $3, $4)",
                    request.generation_id, "completed", "queued", "claimed",
                )  # fmt: skip
            with pytest.raises(asyncpg.RaiseError):
                await pool.execute("UPDATE jobs.attempts SET cause = 'other'")
        finally:
            await pool.close()
