from collections.abc import AsyncIterator

import pytest

from lethe_common.events.jobs import RemovalRule
from lethe_common.identifiers import GenerationId, LegalHoldId, SubjectRef
from lethe_common.rpc import legal_holds as rpc
from lethe_common.services import Service
from tests.integration.keepers import Keepers, opened_keepers
from tests.servers import RunningServers


@pytest.fixture
async def keepers(servers: RunningServers) -> AsyncIterator[Keepers]:
    async with opened_keepers(servers) as opened:
        yield opened
        await opened.database.pool.execute("DELETE FROM deadlines")
        await opened.outside.execute("TRUNCATE retention.legal_hold_steps, retention.legal_holds")


async def notices(keepers: Keepers, subject: SubjectRef) -> list[list[GenerationId]]:
    """Which items each notice named."""
    told = [body["items"] for kind, body in await keepers.told(subject) if kind == "notice.due"]
    return [[item["generation_id"] for item in items] for items in told]


async def test_an_owner_is_told_once_at_the_very_second_of_the_lead(keepers: Keepers) -> None:
    subject = await keepers.subject()
    generation = await keepers.completed(subject)
    keepers.clock.advance(days=4, hours=23, minutes=59, seconds=59)
    await keepers.sweep()
    assert await notices(keepers, subject) == []

    keepers.clock.advance(seconds=1)
    await keepers.sweep()
    keepers.clock.advance(days=1)
    await keepers.sweep()

    assert await notices(keepers, subject) == [[generation]]


async def test_a_deadline_that_moves_is_told_of_anew(keepers: Keepers) -> None:
    subject = await keepers.subject()
    generation = await keepers.completed(subject)
    keepers.clock.advance(days=5)
    await keepers.sweep()
    await keepers.plan(subject, "basic")
    await keepers.sweep()
    assert await notices(keepers, subject) == [[generation]]

    keepers.clock.advance(days=23)
    await keepers.sweep()

    assert await notices(keepers, subject) == [[generation], [generation]]


async def test_what_goes_within_a_day_is_told_together_and_each_item_once(keepers: Keepers) -> None:
    subject, other = await keepers.subject(), await keepers.subject()
    first = await keepers.completed(subject)
    keepers.clock.advance(hours=20)
    second, theirs = await keepers.completed(subject), await keepers.completed(other)
    keepers.clock.advance(hours=10)
    third = await keepers.completed(subject)
    keepers.clock.advance(days=5, hours=-30)
    await keepers.sweep()
    assert await notices(keepers, subject) == [[first, second]]
    assert await notices(keepers, other) == []

    keepers.clock.advance(hours=30)
    await keepers.sweep()

    assert await notices(keepers, subject) == [[first, second], [third]]
    assert await notices(keepers, other) == [[theirs]]


async def test_of_what_is_gone_or_kept_by_law_nobody_is_told(keepers: Keepers) -> None:
    subject = await keepers.subject()
    gone, held = await keepers.completed(subject), await keepers.completed(subject)
    await keepers.removed(subject, gone, rule=RemovalRule.DELETED_BY_USER)
    hold_id = LegalHoldId.new()
    proposal = rpc.LegalHoldProposeQuestion(
        hold_id=hold_id, subject_ref=subject, generation_id=held, operator="A. Clerk", reason="12/345"
    )
    await keepers.holds.propose(proposal, Service.GATEWAY)
    approval = rpc.LegalHoldDecisionQuestion(hold_id=hold_id, operator="B. Counsel")
    await keepers.holds.approve(approval, Service.GATEWAY)
    keepers.clock.advance(days=5)

    await keepers.sweep()

    assert await notices(keepers, subject) == []


async def test_a_notice_that_would_come_after_the_deadline_is_not_given(keepers: Keepers) -> None:
    subject = await keepers.subject()
    await keepers.completed(subject)
    keepers.clock.advance(days=7)

    await keepers.sweep()

    assert await keepers.kinds(subject) == ["item.scheduled", "item.due"]


async def test_many_items_are_told_in_parts(keepers: Keepers) -> None:
    subject = await keepers.subject()
    for _ in range(300):
        await keepers.completed(subject)
    keepers.clock.advance(days=5)

    await keepers.sweep()

    assert [len(items) for items in await notices(keepers, subject)] == [128, 128, 44]
