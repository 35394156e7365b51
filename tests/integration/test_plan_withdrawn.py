"""A plan left the catalogue: whoever has ever had it keeps deadlines that begin, move and come."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from lethe_common.identifiers import SubjectRef
from tests.integration.keepers import Keepers, opened_keepers
from tests.servers import RunningServers
from tests.unit.common.policy_files import PROFILES, written


@pytest.fixture
async def keepers(servers: RunningServers, tmp_path: Path) -> AsyncIterator[Keepers]:
    """Retention on a profile that has no plan `basic` any more."""
    catalogue = (PROFILES / "aisora2" / "catalogue.yaml").read_text().splitlines(keepends=True)
    (tmp_path / "catalogue.yaml").write_text("".join(line for line in catalogue if "id: basic" not in line))
    written(tmp_path)
    async with opened_keepers(servers, tmp_path) as opened:
        yield opened
        await opened.database.pool.execute("DELETE FROM deadlines")


async def once_on_basic(keepers: Keepers) -> SubjectRef:
    """Somebody who left the plan long ago. Its events were heard of before the plan left the catalogue."""
    subject = SubjectRef.new()
    for plan, days in (("basic", 300), ("free", 200)):
        since = keepers.clock.now() - timedelta(days=days)
        keepers.billing.setdefault(subject, set()).add(since)
        await keepers.database.pool.execute(
            "INSERT INTO plans_held (subject_ref, plan, since) VALUES ($1, $2, $3)", subject, plan, since
        )
    return subject


async def test_a_new_video_of_somebody_who_had_it_gets_its_deadline(keepers: Keepers) -> None:
    subject = await once_on_basic(keepers)
    generation = await keepers.completed(subject)

    assert await keepers.due_days(generation) == 7
    assert await keepers.kinds(subject) == ["item.scheduled"]


async def test_a_change_of_plan_is_heard_of_and_moves_their_deadlines(keepers: Keepers) -> None:
    subject = await once_on_basic(keepers)
    generation = await keepers.completed(subject)

    await keepers.plan(subject, "standard")

    assert await keepers.due_days(generation) == 60
    held = await keepers.database.pool.fetchval("SELECT count(*) FROM plans_held WHERE subject_ref = $1", subject)
    assert held == len(keepers.billing[subject]) == 3


async def test_their_items_become_due(keepers: Keepers) -> None:
    subject = await once_on_basic(keepers)
    await keepers.completed(subject)
    await keepers.plan(subject, "free")
    keepers.clock.advance(days=7)

    await keepers.sweep()

    assert await keepers.kinds(subject) == ["item.scheduled", "item.due"]


async def test_the_event_of_the_plan_itself_is_heard_of_however_late_it_comes(keepers: Keepers) -> None:
    """Its video is kept as long as the policy still says of that plan."""
    subject = SubjectRef.new()
    generation = await keepers.completed(subject)

    await keepers.plan(subject, "basic", since=keepers.clock.now() - timedelta(days=1))

    assert await keepers.due_days(generation) == 30


async def test_a_change_of_plan_is_heard_of_even_where_a_deadline_cannot_be_computed(keepers: Keepers) -> None:
    subject = await keepers.subject()
    generation = await keepers.completed(subject)
    await keepers.database.pool.execute(
        "UPDATE deadlines SET category = 'output.no_more' WHERE item_id = $1", generation
    )

    await keepers.plan(subject, "standard", since=keepers.clock.now() + timedelta(seconds=1))

    assert await keepers.database.pool.fetchval("SELECT count(*) FROM plans_held WHERE subject_ref = $1", subject) == 2
    assert await keepers.due_days(generation) == 7
