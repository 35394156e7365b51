from collections.abc import AsyncIterator
from datetime import UTC, timedelta

import pytest

from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.rpc import retention as rpc
from lethe_common.services import Service
from tests.integration.keepers import Keepers, opened_keepers
from tests.servers import RunningServers


@pytest.fixture
async def keepers(servers: RunningServers) -> AsyncIterator[Keepers]:
    async with opened_keepers(servers) as opened:
        yield opened
        await opened.database.pool.execute("DELETE FROM deadlines")


async def page(keepers: Keepers, subject: SubjectRef, after: GenerationId | None = None) -> rpc.CalendarAnswer:
    question = rpc.CalendarQuestion(subject_ref=subject, after=after, limit=2)
    return await keepers.calendar.page(question, Service.GATEWAY)


async def overdue(keepers: Keepers) -> rpc.OverdueListAnswer:
    return await keepers.calendar.overdue(rpc.OverdueListQuestion(), Service.GATEWAY)


async def forecast(keepers: Keepers, days: int = 30) -> list[rpc.ForecastDay]:
    return list((await keepers.calendar.forecast(rpc.ForecastQuestion(days=days), Service.GATEWAY)).days)


@pytest.mark.parametrize(
    ("late", "age"),
    [({"seconds": 0}, "under_1h"), ({"hours": 1}, "under_1d"), ({"days": 1}, "under_7d"), ({"days": 7}, "over_7d")],
)
async def test_what_passed_deadline_and_grace_is_an_alarm_by_its_age(
    keepers: Keepers, late: dict[str, float], age: str
) -> None:
    generation = await keepers.completed(await keepers.subject())
    keepers.clock.advance(days=8)
    keepers.clock.advance(**late)
    await keepers.sweep()

    assert keepers.overdue() == {("output.video", age): 1}
    listed = await overdue(keepers)
    assert [(item.generation_id, item.state) for item in listed.items] == [(generation, "due")]
    assert listed.items[0].late_seconds == timedelta(**late).total_seconds()


async def test_until_its_grace_is_over_nothing_is_overdue(keepers: Keepers) -> None:
    await keepers.completed(await keepers.subject())
    keepers.clock.advance(days=7, hours=23, minutes=59, seconds=59)
    await keepers.sweep()

    assert keepers.overdue() == {}
    assert (await overdue(keepers)).items == ()


async def test_an_alarm_clears_when_what_was_overdue_is_seen_to_be_gone(keepers: Keepers) -> None:
    subject = await keepers.subject()
    generation = await keepers.completed(subject)
    keepers.clock.advance(days=8)
    await keepers.sweep()
    await keepers.removed(subject, generation)
    await keepers.sweep()
    assert [item.state for item in (await overdue(keepers)).items] == ["removed"]

    await keepers.look()
    await keepers.sweep()

    assert keepers.overdue() == {}
    assert (await overdue(keepers)).counts == ()


async def test_the_longest_overdue_come_first(keepers: Keepers) -> None:
    subject = await keepers.subject()
    older = await keepers.completed(subject)
    keepers.clock.advance(hours=3)
    younger = await keepers.completed(subject)
    keepers.clock.advance(days=8)

    assert [item.generation_id for item in (await overdue(keepers)).items] == [older, younger]


async def test_the_forecast_counts_items_and_bytes_by_day(keepers: Keepers) -> None:
    await keepers.completed(await keepers.subject("free"))
    await keepers.completed(await keepers.subject("free"))
    await keepers.completed(await keepers.subject("basic"))
    await keepers.completed(await keepers.subject("pro"))
    today = keepers.clock.now().astimezone(UTC).date()

    days = await forecast(keepers)

    assert [(day.day - today, day.category, day.count, day.stored_bytes) for day in days] == [
        (timedelta(days=7), "output.video", 2, 2000),
        (timedelta(days=30), "output.video", 1, 1000),
    ]
    assert [day.count for day in await forecast(keepers, 90)] == [2, 1, 1]


async def test_every_item_of_an_owner_is_listed_once_with_the_rule_behind_it(keepers: Keepers) -> None:
    subject, stranger = await keepers.subject(), await keepers.subject()
    items = [await keepers.completed(subject) for _ in range(3)]
    await keepers.completed(stranger)

    first = await page(keepers, subject)
    second = await page(keepers, subject, first.items[-1].generation_id)

    assert [item.generation_id for item in (*first.items, *second.items)] == items
    assert (first.has_more, second.has_more) == (True, False)
    rule = first.items[0].rule
    assert (rule.from_event, rule.plan, rule.on_plan_change) == ("completed", "free", "longest")
    assert timedelta(seconds=rule.period_seconds or 0) == timedelta(days=7)


async def test_the_rule_names_the_plan_that_gives_the_period(keepers: Keepers) -> None:
    subject = await keepers.subject()
    await keepers.completed(subject)
    keepers.clock.advance(days=1)
    await keepers.plan(subject, "standard")
    keepers.clock.advance(days=1)
    await keepers.plan(subject, "free")

    rule = (await page(keepers, subject)).items[0].rule

    assert (rule.plan, timedelta(seconds=rule.period_seconds or 0)) == ("standard", timedelta(days=60))


async def test_what_is_gone_is_on_no_calendar(keepers: Keepers) -> None:
    subject = await keepers.subject()
    generation = await keepers.completed(subject)
    await keepers.removed(subject, generation)
    await keepers.look()

    assert (await page(keepers, subject)).items == ()
    assert await forecast(keepers) == []
