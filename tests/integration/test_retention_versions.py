"""A version of the policy takes effect: on a real database, at the second before it and at its very instant."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lethe_common.events.jobs import RemovalRule
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_retention.deadlines import Timetable
from lethe_retention.versions import Versions
from tests.integration.keepers import Keepers, opened_keepers
from tests.integration.members import until
from tests.servers import RunningServers
from tests.unit.common.policy_files import PROFILES, in_two_versions, shipped

EFFECTIVE = datetime(2026, 12, 5, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LONGER = ("free: P7D", "free: P8D")
UNTIL_DELETED = ("keep: {from: completed, exactly:", "keep: {until: deleted_by_user, exactly:")
Opened = Callable[..., AbstractAsyncContextManager[Keepers]]


@pytest.fixture
def opened(servers: RunningServers, tmp_path: Path) -> Opened:
    """Retention on two versions of a policy, the second being changed so."""

    @asynccontextmanager
    async def keepers(*replacements: tuple[str, str], profile: Path | None = None) -> AsyncIterator[Keepers]:
        folder = profile or in_two_versions(tmp_path / "profile", EFFECTIVE.isoformat(), *replacements)
        async with opened_keepers(servers, folder) as retention:
            await retention.database.pool.execute("DELETE FROM deadlines")
            yield retention
            await retention.database.pool.execute("DELETE FROM deadlines")

    return keepers


async def _sweep_at(keepers: Keepers, at: datetime) -> None:
    keepers.clock.advance(seconds=(at - keepers.clock.now()).total_seconds())
    await keepers.sweep()


async def _row(keepers: Keepers, generation: GenerationId) -> Any:
    return await keepers.database.pool.fetchrow("SELECT * FROM deadlines WHERE item_id = $1", generation)


async def _told(keepers: Keepers, subject: SubjectRef) -> list[str]:
    return [body["due_at"] for kind, body in await keepers.told(subject) if kind == "item.scheduled"]


@pytest.mark.parametrize("choice", ["longest", "new", "at_creation"])
@pytest.mark.parametrize("days", [5, 8])
async def test_open_deadlines_move_at_the_instant_and_not_a_second_before(
    opened: Opened, choice: str, days: int
) -> None:
    changed = ("free: P7D", f"free: P{days}D"), ("on_policy_change: longest", f"on_policy_change: {choice}")
    async with opened(*changed) as keepers:
        subject = await keepers.subject()
        item = await keepers.completed(subject)
        started_at, wanted = keepers.clock.now(), {"longest": max(7, days), "new": days, "at_creation": 7}[choice]

        await _sweep_at(keepers, EFFECTIVE - SECOND)
        assert (await _row(keepers, item))["due_at"] == started_at + timedelta(days=7)
        await _sweep_at(keepers, EFFECTIVE)

        assert (await _row(keepers, item))["due_at"] == started_at + timedelta(days=wanted)
        assert len(await _told(keepers, subject)) == (1 if wanted == 7 else 2)


async def test_what_was_due_before_a_version_is_not_revived_by_it(opened: Opened) -> None:
    async with opened(LONGER) as keepers:
        subject = await keepers.subject()
        keepers.clock.advance(days=-5)
        passed = await keepers.completed(subject)

        # Nobody swept in between: what matters is when it was due, not when somebody looked.
        await _sweep_at(keepers, EFFECTIVE)

        assert (await _row(keepers, passed))["state"] == "due"
        assert await keepers.kinds(subject) == ["item.scheduled", "item.due"]


async def test_a_period_cut_below_an_items_age_makes_it_due_at_the_instant(opened: Opened) -> None:
    async with opened(("free: P7D", "free: P1D"), ("on_policy_change: longest", "on_policy_change: new")) as keepers:
        item = await keepers.completed(await keepers.subject())

        await _sweep_at(keepers, EFFECTIVE)

        assert dict(await _row(keepers, item)) | {"due_at": EFFECTIVE, "state": "due"} == dict(
            await _row(keepers, item)
        )


async def test_two_replicas_and_a_restart_move_and_tell_each_item_once(opened: Opened) -> None:
    async with opened(LONGER) as keepers:
        subjects = [await keepers.subject() for _ in range(3)]
        for subject in subjects * 40:
            await keepers.completed(subject)
        started_at = keepers.clock.now()
        timetable = Timetable(keepers.book, shipped("aisora2").catalogue)
        other = Versions(keepers.database, keepers.book, timetable, keepers.clock, batch=50)

        await asyncio.gather(keepers.versions.apply(EFFECTIVE), other.apply(EFFECTIVE))
        await other.apply(EFFECTIVE)

        wanted = started_at + timedelta(days=8)
        rows = await keepers.database.pool.fetch("SELECT DISTINCT due_at, policy_version FROM deadlines")
        assert [tuple(row) for row in rows] == [(wanted, 2)]
        for subject in subjects:
            assert len(await _told(keepers, subject)) == 2 * 40


async def test_a_deadline_that_an_older_process_wrote_too_late_is_taken_up_by_the_next_sweep(opened: Opened) -> None:
    async with opened(LONGER) as keepers:
        await _sweep_at(keepers, EFFECTIVE)
        item = await keepers.completed(await keepers.subject())
        await keepers.database.pool.execute(
            "UPDATE deadlines SET policy_version = 1, due_at = due_at - interval '1 day'"
        )

        await keepers.sweep()

        assert await keepers.due_days(item) == 8
        assert (await _row(keepers, item))["policy_version"] == 2


async def test_the_worker_is_there_at_the_instant_without_any_sweep(opened: Opened) -> None:
    async with opened(LONGER) as keepers:
        item = await keepers.completed(await keepers.subject())
        keepers.clock.advance(seconds=(EFFECTIVE - keepers.clock.now()).total_seconds() - 0.05)
        working = asyncio.create_task(keepers.versions.run())
        keepers.clock.advance(seconds=0.05)

        async def is_moved() -> bool:
            return bool((await _row(keepers, item))["policy_version"] == 2)

        await until(is_moved)
        working.cancel()


async def test_what_is_kept_until_it_is_deleted_has_no_deadline_and_is_never_due(opened: Opened) -> None:
    async with opened(profile=PROFILES / "videogen") as keepers:
        subject = await keepers.subject("prepaid")
        item, deleted = await keepers.completed(subject), await keepers.completed(subject)
        assert (await _row(keepers, item))["due_at"] is None
        assert await keepers.kinds(subject) == []

        await keepers.removed(subject, deleted, rule=RemovalRule.DELETED_BY_USER)
        await keepers.look()
        assert await keepers.kinds(subject) == ["item.removed"]
        await _sweep_at(keepers, EFFECTIVE + timedelta(days=3000))

        assert (await _row(keepers, item))["state"] == "open"
        assert "item.due" not in await keepers.kinds(subject)


async def test_a_version_can_take_the_clock_away_and_that_is_told(opened: Opened) -> None:
    async with opened(UNTIL_DELETED) as keepers:
        subject = await keepers.subject()
        item = await keepers.completed(subject)
        was_due_at = (await _row(keepers, item))["due_at"]

        await _sweep_at(keepers, EFFECTIVE)

        assert (await _row(keepers, item))["due_at"] is None
        first, second = await _told(keepers, subject)
        assert datetime.fromisoformat(first) == was_due_at
        assert second is None


async def test_a_version_changes_the_lead_of_what_was_not_told_yet_and_tells_nobody_twice(opened: Opened) -> None:
    async with opened(("    notice: P2D\n", "    notice: P3D\n")) as keepers:
        subject = await keepers.subject()
        told = await keepers.completed(subject)
        keepers.clock.advance(days=4)
        later = await keepers.completed(subject)
        started_at = keepers.clock.now()
        await _sweep_at(keepers, started_at + timedelta(days=1))
        assert await _notices(keepers, subject) == [[told]]

        await _sweep_at(keepers, EFFECTIVE)
        await _sweep_at(keepers, started_at + timedelta(days=4) - SECOND)
        assert await _notices(keepers, subject) == [[told]]
        await _sweep_at(keepers, started_at + timedelta(days=4))

        assert await _notices(keepers, subject) == [[told], [later]]


async def _notices(keepers: Keepers, subject: SubjectRef) -> list[list[str]]:
    told = [body["items"] for kind, body in await keepers.told(subject) if kind == "notice.due"]
    return [[item["generation_id"] for item in items] for items in told]
