import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from lethe_common.events.jobs import RemovalRule
from lethe_common.identifiers import ErasureId, GenerationId, LegalHoldId, SubjectRef
from lethe_common.rpc import legal_holds as rpc
from lethe_common.rpc.retention import DeadlineSummaryQuestion, RemovalCheckQuestion, RemovalWish
from lethe_common.services import Service
from lethe_retention.errors import AlreadyInForce, BeingErased, HoldUnknown, ItemGone, SamePerson
from tests.integration.keepers import Keepers, opened_keepers
from tests.servers import RunningServers
from tests.unit.common.policy_files import PROFILES, written

PROPOSER, APPROVER = "A. Clerk", "B. Counsel"


@pytest.fixture
async def keepers(servers: RunningServers) -> AsyncIterator[Keepers]:
    async with opened_keepers(servers) as opened:
        yield opened
        await opened.database.pool.execute("DELETE FROM deadlines")
        await opened.outside.execute("TRUNCATE retention.legal_hold_steps, retention.legal_holds")


async def proposed(
    keepers: Keepers, subject: SubjectRef, item: GenerationId | None = None, ends_at: datetime | None = None
) -> rpc.LegalHold:
    question = rpc.LegalHoldProposeQuestion(
        hold_id=LegalHoldId.new(), subject_ref=subject, generation_id=item, operator=PROPOSER,
        reason="Court of Example, 12/345", ends_at=ends_at,
    )  # fmt: skip
    return (await keepers.holds.propose(question, Service.GATEWAY)).hold


async def approved(keepers: Keepers, hold: rpc.LegalHold, operator: str = APPROVER) -> rpc.LegalHold:
    question = rpc.LegalHoldDecisionQuestion(hold_id=hold.hold_id, operator=operator)
    return (await keepers.holds.approve(question, Service.GATEWAY)).hold


async def placed(
    keepers: Keepers, subject: SubjectRef, item: GenerationId | None = None, ends_at: datetime | None = None
) -> rpc.LegalHold:
    return await approved(keepers, await proposed(keepers, subject, item, ends_at))


async def lifted(keepers: Keepers, hold: rpc.LegalHold) -> rpc.LegalHold:
    question = rpc.LegalHoldDecisionQuestion(hold_id=hold.hold_id, operator=PROPOSER)
    return (await keepers.holds.lift(question, Service.GATEWAY)).hold


async def held(keepers: Keepers, subject: SubjectRef, *items: GenerationId) -> set[GenerationId]:
    wishes = tuple(RemovalWish(generation_id=item, subject_ref=subject) for item in items)
    return set((await keepers.holds.check(RemovalCheckQuestion(wishes=wishes), Service.JOBS)).held)


async def test_a_proposal_holds_nothing_and_an_approval_by_a_second_operator_does(keepers: Keepers) -> None:
    subject = await keepers.subject()
    mine, other = await keepers.completed(subject), await keepers.completed(subject)
    hold = await proposed(keepers, subject, mine)
    assert await held(keepers, subject, mine, other) == set()
    with pytest.raises(SamePerson):
        await approved(keepers, hold, PROPOSER)

    in_force = await approved(keepers, hold)

    assert in_force.state == "in_force"
    assert [(step.step, step.operator) for step in in_force.steps] == [("proposed", PROPOSER), ("approved", APPROVER)]
    assert await held(keepers, subject, mine, other) == {mine}
    kind, body = (await keepers.told(subject))[-1]
    assert (kind, body["hold_id"], body["generation_id"]) == ("hold.placed", hold.hold_id, mine)


async def test_a_held_item_is_not_told_due_and_goes_at_once_when_the_hold_is_lifted(keepers: Keepers) -> None:
    subject = await keepers.subject()
    mine, other = await keepers.completed(subject), await keepers.completed(subject)
    hold = await placed(keepers, subject, mine)
    keepers.clock.advance(days=30)
    await keepers.sweep()
    due = [body["generation_id"] for kind, body in await keepers.told(subject) if kind == "item.due"]
    assert due == [other]

    assert (await lifted(keepers, hold)).state == "lifted"
    await keepers.sweep()

    due = [body["generation_id"] for kind, body in await keepers.told(subject) if kind == "item.due"]
    assert due == [other, mine]
    assert "hold.lifted" in await keepers.kinds(subject)


async def test_a_hold_on_an_account_keeps_all_of_it_also_what_comes_later(keepers: Keepers) -> None:
    subject, stranger = await keepers.subject(), await keepers.subject()
    before = await keepers.completed(subject)
    await placed(keepers, subject)
    after, theirs = await keepers.completed(subject), await keepers.completed(stranger)
    keepers.clock.advance(days=30)

    await keepers.sweep()

    assert "item.due" not in await keepers.kinds(subject)
    assert "item.due" in await keepers.kinds(stranger)
    assert await held(keepers, subject, before, after) == {before, after}
    assert await held(keepers, stranger, theirs) == set()


async def test_an_item_that_was_told_due_before_its_hold_is_not_told_again_meanwhile(keepers: Keepers) -> None:
    subject = await keepers.subject()
    mine = await keepers.completed(subject)
    keepers.clock.advance(days=7)
    await keepers.sweep()
    hold = await placed(keepers, subject, mine)
    await keepers.database.pool.execute("UPDATE deadlines SET told_at = now() - interval '11 minutes'")
    await keepers.sweep()
    assert (await keepers.kinds(subject)).count("item.due") == 1

    await lifted(keepers, hold)
    await keepers.sweep()

    assert (await keepers.kinds(subject)).count("item.due") == 2


async def test_a_hold_ends_by_itself_at_its_very_second(keepers: Keepers) -> None:
    subject = await keepers.subject()
    mine = await keepers.completed(subject)
    hold = await placed(keepers, subject, mine, keepers.clock.now() + timedelta(days=20))
    keepers.clock.advance(days=19, hours=23, minutes=59, seconds=59)
    await keepers.sweep()
    assert await held(keepers, subject, mine) == {mine}

    keepers.clock.advance(seconds=1)
    await keepers.sweep()

    assert await held(keepers, subject, mine) == set()
    assert (await keepers.kinds(subject))[-2:] == ["hold.lifted", "item.due"]
    question = rpc.LegalHoldListQuestion(is_open=False)
    (listed,) = (await keepers.holds.list(question, Service.GATEWAY)).holds
    assert (listed.hold_id, listed.state) == (hold.hold_id, "ended")
    assert (listed.steps[-1].step, listed.steps[-1].operator) == ("ended", "clock")


async def test_what_two_holds_keep_goes_with_the_last_of_them(keepers: Keepers) -> None:
    subject = await keepers.subject()
    mine = await keepers.completed(subject)
    on_item, on_account = await placed(keepers, subject, mine), await placed(keepers, subject)

    await lifted(keepers, on_item)
    assert await held(keepers, subject, mine) == {mine}
    await lifted(keepers, on_account)

    assert await held(keepers, subject, mine) == set()


async def test_held_items_are_no_alarm_and_nobody_waits_for_them(keepers: Keepers) -> None:
    subject = await keepers.subject()
    await keepers.completed(subject)
    await placed(keepers, subject)
    now = keepers.clock.advance(days=30)
    await keepers.sweep()

    assert keepers.overdue() == {}
    await asyncio.wait_for(keepers.sweeps.settle(now), 1)
    summary = await keepers.calendar.summary(DeadlineSummaryQuestion(), Service.GATEWAY)
    assert (summary.open, summary.overdue, summary.held) == (1, 0, 1)


async def test_operators_see_how_much_waits_for_the_end_of_a_hold(keepers: Keepers) -> None:
    subject = await keepers.subject()
    for _ in range(3):
        await keepers.completed(subject)
    await placed(keepers, subject)
    keepers.clock.advance(days=7)

    (listed,) = (await keepers.holds.list(rpc.LegalHoldListQuestion(), Service.GATEWAY)).holds

    assert listed.waiting == 3


async def test_a_lost_answer_asked_for_again_changes_nothing(keepers: Keepers) -> None:
    subject = await keepers.subject()
    question = rpc.LegalHoldProposeQuestion(
        hold_id=LegalHoldId.new(), subject_ref=subject, operator=PROPOSER, reason="12/345"
    )
    first, again = [(await keepers.holds.propose(question, Service.GATEWAY)).hold for _ in range(2)]
    assert first == again
    assert await approved(keepers, first) == await approved(keepers, first)
    assert await lifted(keepers, first) == await lifted(keepers, first)

    kinds = await keepers.kinds(subject)

    assert (kinds.count("hold.placed"), kinds.count("hold.lifted")) == (1, 1)


async def test_a_second_hold_on_the_same_and_one_on_what_is_gone_are_refused(keepers: Keepers) -> None:
    subject = await keepers.subject()
    mine, gone = await keepers.completed(subject), await keepers.completed(subject)
    await placed(keepers, subject, mine)
    await keepers.removed(subject, gone, rule=RemovalRule.DELETED_BY_USER)

    with pytest.raises(AlreadyInForce):
        await proposed(keepers, subject, mine)
    with pytest.raises(ItemGone):
        await proposed(keepers, subject, gone)
    unknown = rpc.LegalHoldDecisionQuestion(hold_id=LegalHoldId.new(), operator=PROPOSER)
    with pytest.raises(HoldUnknown):
        await keepers.holds.approve(unknown, Service.GATEWAY)


async def test_an_erasure_waits_for_any_hold_of_its_subject(keepers: Keepers) -> None:
    subject = await keepers.subject()
    mine = await keepers.completed(subject)
    hold = await placed(keepers, subject, mine)
    assert await keepers.clear(subject) == (hold.hold_id,)

    await lifted(keepers, hold)

    assert await keepers.clear(subject) == ()


async def test_once_an_erasure_was_cleared_no_hold_can_be_placed(keepers: Keepers) -> None:
    subject = await keepers.subject()
    await keepers.completed(subject)
    waiting = await proposed(keepers, subject)
    assert await keepers.clear(subject) == ()

    with pytest.raises(BeingErased):
        await proposed(keepers, subject, GenerationId.new())
    with pytest.raises(BeingErased):
        await approved(keepers, waiting)


async def test_a_clearance_and_an_approval_at_one_moment_never_both_succeed(keepers: Keepers) -> None:
    for _ in range(10):
        subject = await keepers.subject()
        hold = await proposed(keepers, subject)

        cleared, approval = await asyncio.gather(
            keepers.clear(subject), approved(keepers, hold), return_exceptions=True
        )

        assert (cleared == ()) == isinstance(approval, BeingErased)


async def test_an_erasure_takes_scope_and_reason_and_leaves_who_decided(keepers: Keepers) -> None:
    subject = await keepers.subject()
    hold = await placed(keepers, subject)
    await lifted(keepers, hold)
    pending = await proposed(keepers, subject)
    await keepers.clear(subject)

    await keepers.erase(subject, ErasureId.new())

    question = rpc.LegalHoldListQuestion(is_open=False)
    listed = {one.hold_id: one for one in (await keepers.holds.list(question, Service.GATEWAY)).holds}
    for one in listed.values():
        assert (one.subject_ref, one.generation_id, one.reason) == (None, None, None)
    assert [step.step for step in listed[hold.hold_id].steps] == ["proposed", "approved", "lifted"]
    assert [step.operator for step in listed[pending.hold_id].steps] == [PROPOSER, "erasure"]


@pytest.mark.parametrize("statement", ["UPDATE legal_hold_steps SET operator = 'X'", "DELETE FROM legal_hold_steps"])
async def test_the_history_cannot_be_changed_by_the_service_itself(keepers: Keepers, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await keepers.database.pool.execute(statement)


async def test_the_record_of_a_hold_goes_its_period_after_the_holds_end_and_not_before(keepers: Keepers) -> None:
    subject = await keepers.subject()
    over, open_ = await placed(keepers, subject, await keepers.completed(subject)), await proposed(keepers, subject)
    keepers.clock.advance(days=400)
    await lifted(keepers, over)
    ended_at = keepers.clock.now()

    keepers.clock.advance(days=3 * 366, seconds=-1)
    await keepers.sweep()
    before = await records(keepers)
    keepers.clock.advance(seconds=1)
    await keepers.sweep()

    assert before == {over.hold_id: 3, open_.hold_id: 1}
    assert await records(keepers) == {open_.hold_id: 1}
    assert keepers.clock.now() == ended_at + timedelta(days=3 * 366)


async def test_the_record_of_a_hold_that_is_kept_at_most_so_long_is_gone_by_then(
    servers: RunningServers, tmp_path: Path
) -> None:
    (tmp_path / "catalogue.yaml").write_bytes((PROFILES / "aisora2" / "catalogue.yaml").read_bytes())
    written(tmp_path, ("keep: {from: hold_ended, at_least: P3Y}", "keep: {until: hold_ended, at_most: P365D}"))
    async with opened_keepers(servers, tmp_path) as keepers:
        subject = await keepers.subject()
        over = await placed(keepers, subject, await keepers.completed(subject))
        await lifted(keepers, over)
        # What the margin leaves of it: a day of grace, and fourteen of backups.
        keepers.clock.advance(days=350, seconds=-1)
        await keepers.sweep()
        before = await records(keepers)
        keepers.clock.advance(seconds=1)
        await keepers.sweep()

        assert before == {over.hold_id: 3}
        assert await records(keepers) == {}
        await keepers.database.pool.execute("DELETE FROM deadlines")


async def test_an_erasure_counts_the_holds_there_were_as_kept_by_law_and_names_the_ground(keepers: Keepers) -> None:
    subject = await keepers.subject()
    await lifted(keepers, await placed(keepers, subject))
    await proposed(keepers, subject)

    await keepers.erase(subject, ErasureId.new())

    _, body = (await keepers.told(subject))[-1]
    (count,) = [one for one in body["counts"] if one["store"] == "pg:retention.legal_holds"]
    assert (count["category"], count["before"], count["after"]) == ("hold.record", 2, 2)
    assert count["retained_ground"] == keepers.book.governing(keepers.clock.now()).rule("hold.record").ground
    assert await keepers.outside.fetchval("SELECT count(*) FROM retention.legal_holds WHERE reason IS NOT NULL") == 0


async def records(keepers: Keepers) -> dict[str, int]:
    """How many lines of history each hold has."""
    return dict(await keepers.database.pool.fetch("SELECT hold_id, count(*) FROM legal_hold_steps GROUP BY hold_id"))
