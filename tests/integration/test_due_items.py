"""What is over is told, but never behind a better plan whose event is still on its way; and a passed deadline stays passed."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from lethe_common.identifiers import GenerationId
from tests.integration.keepers import Keepers, opened_keepers
from tests.servers import RunningServers


@pytest.fixture
async def keepers(servers: RunningServers) -> AsyncIterator[Keepers]:
    async with opened_keepers(servers) as opened:
        yield opened
        await opened.database.pool.execute("DELETE FROM deadlines")


async def state(keepers: Keepers, generation: GenerationId) -> str:
    return str(await keepers.database.pool.fetchval("SELECT state FROM deadlines WHERE item_id = $1", generation))


async def test_an_upgrade_that_was_not_heard_of_in_time_saves_the_video(keepers: Keepers) -> None:
    subject, other = await keepers.subject(), await keepers.subject()
    saved, over = await keepers.completed(subject), await keepers.completed(other)
    keepers.clock.advance(days=6)
    upgraded_at = keepers.clock.now()
    keepers.billing[subject].add(upgraded_at)
    keepers.clock.advance(days=2)

    await keepers.sweep()
    assert (await state(keepers, saved), await state(keepers, over)) == ("open", "due")

    await keepers.plan(subject, "pro", since=upgraded_at)
    await keepers.sweep()
    assert await state(keepers, saved) == "open"
    assert await keepers.due_days(saved) == 82


async def test_an_upgrade_that_is_heard_of_behind_a_later_change_saves_the_video(keepers: Keepers) -> None:
    """An event that failed once is told again later than those that came after it."""
    subject = await keepers.subject()
    generation = await keepers.completed(subject)
    keepers.clock.advance(days=5)
    upgraded_at = keepers.clock.now()
    keepers.billing[subject].add(upgraded_at)
    keepers.clock.advance(days=1)
    await keepers.plan(subject, "free")
    keepers.clock.advance(days=2)

    await keepers.sweep()
    assert await state(keepers, generation) == "open"

    await keepers.plan(subject, "pro", since=upgraded_at)
    await keepers.sweep()
    assert await state(keepers, generation) == "open"
    assert await keepers.due_days(generation) == 82


async def test_an_upgrade_after_the_deadline_revives_nothing(keepers: Keepers) -> None:
    subject = await keepers.subject()
    generation = await keepers.completed(subject)
    keepers.clock.advance(days=8)
    keepers.billing[subject].add(keepers.clock.now())

    await keepers.sweep()
    assert await state(keepers, generation) == "open"

    await keepers.plan(subject, "pro")
    await keepers.sweep()
    assert await state(keepers, generation) == "due"


async def test_an_owner_of_whose_plan_nothing_was_heard_yet_is_waited_for(keepers: Keepers) -> None:
    subject = await keepers.subject("pro")
    (since,) = keepers.billing[subject]
    await keepers.database.pool.execute("DELETE FROM plans_held WHERE subject_ref = $1", subject)
    generation = await keepers.completed(subject)
    keepers.clock.advance(days=8)

    await keepers.sweep()
    assert await state(keepers, generation) == "open"

    await keepers.plan(subject, "pro", since=since)
    assert await keepers.due_days(generation) == 82


async def test_while_billing_is_away_nothing_is_due_and_all_else_goes_on(keepers: Keepers) -> None:
    subject = await keepers.subject()
    generation = await keepers.completed(subject)
    keepers.clock.advance(days=7)
    keepers.is_billing_away = True

    await keepers.sweep()
    assert await state(keepers, generation) == "open"

    keepers.is_billing_away = False
    await keepers.sweep()
    assert await state(keepers, generation) == "due"


async def test_a_move_of_the_clock_waits_for_a_plan_that_is_on_its_way(keepers: Keepers) -> None:
    subject = await keepers.subject()
    generation = await keepers.completed(subject)
    keepers.clock.advance(days=7)
    keepers.is_billing_away = True
    now = keepers.clock.now()
    await keepers.sweep()

    keepers.is_billing_away = False
    await keepers.sweeps.settle(now)
    assert await state(keepers, generation) == "due"


async def test_more_items_than_a_batch_are_taken_whoever_is_waited_for(keepers: Keepers) -> None:
    behind, free = await keepers.subject(), await keepers.subject()
    waiting = [await keepers.completed(behind) for _ in range(60)]
    keepers.clock.advance(seconds=1)
    going = [await keepers.completed(free) for _ in range(60)]
    keepers.billing[behind].add(keepers.clock.now() + timedelta(days=1))
    keepers.clock.advance(days=8)

    await keepers.sweep()

    assert {await state(keepers, one) for one in waiting} == {"open"}
    assert {await state(keepers, one) for one in going} == {"due"}
