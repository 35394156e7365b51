import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from lethe_common.database import Database
from lethe_common.events.jobs import RemovalRule
from lethe_common.identifiers import ErasureId, GenerationId, SubjectRef
from lethe_common.services import Service
from lethe_common.storage import new_object_prefix, new_subject_random
from lethe_retention.adapters.eyes import Cluster, Place
from lethe_retention.errors import PlaceNotSeen
from tests.integration.keepers import Keepers, opened_keepers
from tests.integration.members import until
from tests.servers import RunningServers


@pytest.fixture
async def keepers(servers: RunningServers) -> AsyncIterator[Keepers]:
    async with opened_keepers(servers) as opened:
        yield opened
        await opened.database.pool.execute("DELETE FROM deadlines")
        await opened.outside.execute("TRUNCATE retention.legal_hold_steps, retention.legal_holds")


@pytest.mark.parametrize(("plan", "days"), [("free", 7), ("basic", 30), ("standard", 60), ("pro", 90)])
async def test_a_video_is_kept_as_long_as_its_owners_plan_says(keepers: Keepers, plan: str, days: int) -> None:
    subject = await keepers.subject(plan)
    generation = await keepers.completed(subject)

    assert await keepers.due_days(generation) == days
    ((kind, body),) = await keepers.told(subject)
    assert (kind, body["generation_id"]) == ("item.scheduled", generation)


async def test_what_failed_or_was_cancelled_has_a_deadline_too(keepers: Keepers) -> None:
    subject = await keepers.subject()

    assert await keepers.due_days(await keepers.failed(subject)) == 7
    assert await keepers.due_days(await keepers.cancelled(subject)) == 7


async def test_a_second_telling_changes_nothing(keepers: Keepers) -> None:
    subject = await keepers.subject()
    generation = await keepers.completed(subject)
    keepers.clock.advance(days=1)
    await keepers.completed(subject, generation)

    assert await keepers.due_days(generation) == 6
    assert await keepers.kinds(subject) == ["item.scheduled"]


async def test_an_upgrade_moves_open_deadlines_and_a_downgrade_takes_nothing_back(keepers: Keepers) -> None:
    subject, other = await keepers.subject(), await keepers.subject()
    mine, theirs = await keepers.completed(subject), await keepers.completed(other)
    keepers.clock.advance(days=2)
    await keepers.plan(subject, "standard")
    assert await keepers.due_days(mine) == 58

    keepers.clock.advance(days=1)
    await keepers.plan(subject, "free")

    assert await keepers.due_days(mine) == 57
    assert await keepers.due_days(theirs) == 4
    assert [(kind, body["moves"]) for kind, body in await keepers.told(subject)] == [
        ("item.scheduled", 0), ("item.scheduled", 1),
    ]  # fmt: skip


async def test_a_plan_heard_of_after_the_completion_counts(keepers: Keepers) -> None:
    subject = SubjectRef.new()
    generation = await keepers.completed(subject)
    assert await keepers.due_days(generation) == 7

    await keepers.plan(subject, "pro", since=keepers.clock.now() - timedelta(days=1))

    assert await keepers.due_days(generation) == 90


async def test_a_completion_and_a_plan_change_at_one_moment_end_in_the_same_deadline(keepers: Keepers) -> None:
    subjects = [await keepers.subject() for _ in range(10)]

    generations = await asyncio.gather(
        *(keepers.completed(subject) for subject in subjects),
        *(keepers.plan(subject, "pro", keepers.clock.now() + timedelta(seconds=1)) for subject in subjects),
    )

    assert [await keepers.due_days(one) for one in generations[:10] if one is not None] == [90] * 10


async def test_a_passed_deadline_is_never_revived(keepers: Keepers) -> None:
    subject = await keepers.subject()
    generation = await keepers.completed(subject)
    keepers.clock.advance(days=7)
    await keepers.sweep()

    await keepers.plan(subject, "pro")

    assert await keepers.due_days(generation) == 0
    assert await keepers.kinds(subject) == ["item.scheduled", "item.due"]


async def test_an_item_is_due_at_its_very_second_and_told_once(keepers: Keepers) -> None:
    subject = await keepers.subject()
    await keepers.completed(subject)
    keepers.clock.advance(days=6, hours=23, minutes=59, seconds=59)
    await keepers.sweep()
    assert await keepers.kinds(subject) == ["item.scheduled", "notice.due"]

    keepers.clock.advance(seconds=1)
    await keepers.sweep()
    await keepers.sweep()

    assert await keepers.kinds(subject) == ["item.scheduled", "notice.due", "item.due"]


async def test_more_due_items_than_a_batch_are_all_told(keepers: Keepers) -> None:
    subject = await keepers.subject()
    for _ in range(120):
        await keepers.completed(subject)
    keepers.clock.advance(days=7)

    await keepers.sweep()

    assert (await keepers.kinds(subject)).count("item.due") == 120


async def test_an_owner_who_does_not_answer_is_told_again(keepers: Keepers) -> None:
    subject = await keepers.subject()
    await keepers.completed(subject)
    keepers.clock.advance(days=7)
    await keepers.sweep()
    await keepers.database.pool.execute("UPDATE deadlines SET told_at = now() - interval '11 minutes'")

    await keepers.sweep()
    await keepers.sweep()

    assert (await keepers.kinds(subject)).count("item.due") == 2


async def test_what_is_seen_to_be_gone_is_closed_and_told(keepers: Keepers) -> None:
    subject = await keepers.subject()
    generation = await keepers.completed(subject)
    removed_at = keepers.clock.advance(days=7)
    await keepers.sweep()
    await keepers.removed(subject, generation, new_object_prefix("output.video", new_subject_random()))
    keepers.clock.advance(seconds=3)

    await keepers.look()

    kind, body = (await keepers.told(subject))[-1]
    assert (kind, body["generation_id"], body["rule"]) == ("item.removed", generation, "expired")
    assert body["removed_at"] < body["verified_at"]
    assert body["removed_at"].startswith(removed_at.strftime("%Y-%m-%dT%H:%M:%S"))


async def test_as_long_as_a_row_is_there_the_item_stays_open(keepers: Keepers) -> None:
    subject = await keepers.subject()
    generation = await keepers.completed(subject)
    await keepers.jobs_keep_a_run(subject, generation)
    await keepers.removed(subject, generation)
    await keepers.look()
    assert "item.removed" not in await keepers.kinds(subject)

    await keepers.jobs_drop_the_run(generation)

    async def is_told() -> bool:
        await keepers.look()
        return "item.removed" in await keepers.kinds(subject)

    await until(is_told)


async def test_as_long_as_the_key_is_there_the_item_stays_open(keepers: Keepers) -> None:
    subject = await keepers.subject()
    generation = await keepers.completed(subject)
    await keepers.privacy_keeps_a_key(subject, generation)

    assert await keepers.eyes.still_there({generation: ()}) == {generation}
    await keepers.privacy_destroys_the_key(generation)
    assert await keepers.eyes.still_there({generation: ()}) == set()


async def test_as_long_as_an_object_version_is_there_the_item_stays_open(keepers: Keepers) -> None:
    prefix, generation = new_object_prefix("output.video", new_subject_random()), GenerationId.new()
    await keepers.store.put_bytes(f"{prefix}video", b"sealed")
    assert await keepers.eyes.still_there({generation: (prefix,)}) == {generation}

    await keepers.store.remove_all_versions(prefix)

    assert await keepers.eyes.still_there({generation: (prefix,)}) == set()


async def test_one_item_that_is_still_there_does_not_keep_the_others_open(keepers: Keepers) -> None:
    subject = await keepers.subject()
    stays, goes = await keepers.completed(subject), await keepers.completed(subject)
    await keepers.jobs_keep_a_run(subject, stays)
    await keepers.removed(subject, stays)
    await keepers.removed(subject, goes)

    await keepers.look()

    assert [body["generation_id"] for kind, body in await keepers.told(subject) if kind == "item.removed"] == [goes]
    await keepers.jobs_drop_the_run(stays)


async def test_what_its_owner_deleted_is_looked_at_although_no_deadline_was_known(keepers: Keepers) -> None:
    subject, generation = await keepers.subject(), GenerationId.new()
    await keepers.removed(subject, generation, rule=RemovalRule.DELETED_BY_USER)
    await keepers.look()
    await keepers.completed(subject, generation)
    keepers.clock.advance(days=7)
    await keepers.sweep()

    ((kind, body),) = await keepers.told(subject)
    assert (kind, body["rule"]) == ("item.removed", "deleted_by_user")


async def test_who_asks_again_is_told_again(keepers: Keepers) -> None:
    subject = await keepers.subject()
    generation = await keepers.completed(subject)
    await keepers.removed(subject, generation, rule=RemovalRule.DELETED_BY_USER)
    await keepers.look()
    await keepers.removed(subject, generation)
    await keepers.look()

    rules = [body["rule"] for kind, body in await keepers.told(subject) if kind == "item.removed"]
    assert rules == ["deleted_by_user", "deleted_by_user"]


async def test_a_place_that_cannot_be_looked_into_closes_nothing(keepers: Keepers, servers: RunningServers) -> None:
    blind = await Database.open(servers.dsn("verifier"), Service.RETENTION, schema="pg_catalog", size=1)
    keepers.eyes._databases = {Cluster.DATA: blind, Cluster.KEYS: blind}
    subject = await keepers.subject()
    generation = await keepers.completed(subject)
    await keepers.removed(subject, generation)

    await keepers.look()

    with pytest.raises(PlaceNotSeen):
        await keepers.eyes.still_there({generation: ()})
    assert "item.removed" not in await keepers.kinds(subject)
    await blind.close()


@pytest.mark.parametrize("statement", ["DELETE FROM jobs.runs", "SELECT provider FROM jobs.runs"])
async def test_the_verifier_can_only_look_and_only_at_keys(keepers: Keepers, statement: str) -> None:
    place = Place(Cluster.DATA, "jobs.runs", "generation_id")
    assert place.seen.startswith("SELECT DISTINCT generation_id FROM jobs.runs")
    databases = keepers.eyes._databases
    with pytest.raises(Exception, match=r"permission denied|read-only"):
        await databases[Cluster.DATA].pool.execute(statement)


async def test_the_wait_for_due_items_ends_when_all_are_verified(keepers: Keepers) -> None:
    subject = await keepers.subject()
    generation = await keepers.completed(subject)
    now = keepers.clock.advance(days=7)
    looking = asyncio.create_task(keepers.verification.run())
    await keepers.sweep()
    settling = asyncio.create_task(keepers.sweeps.settle(now))
    await asyncio.sleep(0.1)
    assert not settling.done()

    await keepers.removed(subject, generation)

    await asyncio.wait_for(settling, 5)
    assert (await keepers.kinds(subject))[-1] == "item.removed"
    looking.cancel()


async def test_closed_items_are_dropped_when_no_message_about_them_can_come_any_more(keepers: Keepers) -> None:
    subject = await keepers.subject()
    generation = await keepers.completed(subject)
    await keepers.removed(subject, generation)
    await keepers.look()
    count = "SELECT count(*) FROM deadlines"
    keepers.clock.advance(days=7)
    await keepers.sweep()
    assert await keepers.database.pool.fetchval(count) == 1

    keepers.clock.advance(days=1)
    await keepers.sweep()

    assert await keepers.database.pool.fetchval(count) == 0


async def test_an_erasure_forgets_deadlines_and_plans_and_notes_nothing_new(keepers: Keepers) -> None:
    subject, other = await keepers.subject(), await keepers.subject()
    generation, theirs = await keepers.completed(subject), await keepers.completed(other)
    erasure_id = ErasureId.new()
    assert await keepers.clear(subject) == ()
    await keepers.erase(subject, erasure_id)

    kind, body = (await keepers.told(subject))[-1]
    assert kind == "privacy.erasure.step_reported"
    assert {count["store"]: (count["before"], count["after"]) for count in body["counts"]} == {
        "pg:retention.deadlines": (1, 0),
        "pg:retention.plans_held": (1, 0),
        "pg:retention.pauses": (0, 0),
    }
    await keepers.completed(subject)
    await keepers.plan(subject, "pro")
    await keepers.removed(subject, generation, rule=RemovalRule.ERASED)
    await keepers.finish(subject, erasure_id)
    tables = {table: await keepers.outside.fetch(f"SELECT t::text FROM retention.{table} t") for table in
              ("deadlines", "plans_held", "fences")}  # fmt: skip
    assert not [row for rows in tables.values() for row in rows if subject in row[0] or generation in row[0]]
    assert await keepers.due_days(theirs) == 7
    keepers.clock.advance(days=14)
    await keepers.sweep()
    assert await keepers.database.pool.fetchval("SELECT count(*) FROM fences WHERE done_at IS NOT NULL") == 0
