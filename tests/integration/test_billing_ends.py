"""How holds and accounts end: expiry, late completions, erasure."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from lethe_billing.account_queries import VERIFY
from lethe_billing.errors import HoldNotFound, UnknownSubject
from lethe_common.events.identity import AccountOpened
from lethe_common.identifiers import SubjectRef
from lethe_common.rpc.billing import HoldOutcome, PlanChangeQuestion, PlansCountQuestion
from lethe_common.services import Service
from tests.integration.till import Till, opened_till, request
from tests.servers import RunningServers

COPY_OF_A_TRANSFER = """
    INSERT INTO transfers
    SELECT gen_random_uuid(), {kind}, {debit}, {credit}, wallet_id, gen_random_uuid(), {amount}, now()
      FROM transfers LIMIT 1
"""


@pytest.fixture
async def till(servers: RunningServers) -> AsyncIterator[Till]:
    async with opened_till(servers) as opened:
        yield opened
        assert await opened.differences() == ()


async def test_a_hold_nobody_accepted_goes_back_when_its_time_is_over(till: Till) -> None:
    subject = await till.open_account()
    await till.hold(subject)
    till.clock.advance(minutes=14, seconds=59)
    await till.sweep()
    assert await till.money(subject) == (540, 60, 0)

    till.clock.advance(seconds=1)
    await till.sweep()

    assert await till.money(subject) == (600, 0, 0)
    assert (await till.told(subject))[-1][1]["cause"] == "expired"


async def test_a_hold_whose_generation_was_accepted_stays_however_long_it_takes(till: Till) -> None:
    subject = await till.open_account()
    generation, orphan = await till.hold(subject), await till.hold(subject)
    till.accepted.add(generation)

    for _ in range(3):
        till.clock.advance(days=7)
        await till.sweep()

    assert orphan not in till.accepted
    assert await till.money(subject) == (540, 60, 0)
    await till.complete(subject, generation)
    assert await till.money(subject) == (540, 0, 0)


async def test_without_an_answer_from_the_gateway_no_hold_expires(till: Till) -> None:
    subject = await till.open_account()
    await till.hold(subject)
    till.clock.advance(hours=1)
    till.is_gateway_away = True
    await till.sweep()
    assert await till.money(subject) == (540, 60, 0)

    till.is_gateway_away = False
    await till.sweep()

    assert await till.money(subject) == (600, 0, 0)


async def test_a_request_repeated_after_its_hold_expired_is_held_for_anew_as_far_as_there_are_credits(
    till: Till,
) -> None:
    subject, released = await till.open_account(), await till.open_account()
    await till.place(*(request(subject, key=str(number)) for number in range(10)))
    till.clock.advance(minutes=15)
    await till.sweep()
    for number in range(12):
        (answer,) = await till.place(request(released, key=str(number)))
        assert answer.outcome is HoldOutcome.PLACED
        assert answer.generation_id is not None
        assert await till.release(released, answer.generation_id)
    (unkeyed,) = await till.place(request(released, is_retry=True))

    again = await till.place(*(request(subject, key=str(number), seconds=8) for number in range(10)))
    once_more = [await till.place(request(released, key=str(number))) for number in range(12)]

    assert Counter(answer.outcome for answer in again) == {HoldOutcome.PLACED: 5, HoldOutcome.INSUFFICIENT: 5}
    assert unkeyed.outcome is HoldOutcome.PLACED
    assert Counter(answer.outcome for (answer,) in once_more) == {HoldOutcome.PLACED: 9, HoldOutcome.INSUFFICIENT: 3}
    assert (await till.money(subject), await till.money(released)) == ((0, 600, 0), (0, 600, 0))


async def test_more_holds_than_a_batch_expire_in_one_sweep(till: Till) -> None:
    subjects = [await till.open_account() for _ in range(12)]
    await till.place(*(request(subject) for subject in subjects for _ in range(10)))
    till.clock.advance(minutes=15)

    await till.sweep()

    assert {await till.money(subject) for subject in subjects} == {(600, 0, 0)}


async def test_a_completion_after_an_expiry_charges(till: Till) -> None:
    subject = await till.open_account()
    generation = await till.hold(subject)
    till.clock.advance(minutes=15)
    await till.sweep()

    await till.complete(subject, generation)
    await till.complete(subject, generation)

    assert await till.money(subject) == (540, 0, 0)
    assert [kind for kind, _ in await till.told(subject)][-2:] == ["hold.voided", "holds.posted"]


async def test_a_failure_after_an_expiry_changes_nothing(till: Till) -> None:
    subject = await till.open_account()
    generation = await till.hold(subject)
    till.clock.advance(minutes=15)
    await till.sweep()

    await till.fail(subject, generation)

    assert await till.money(subject) == (600, 0, 0)


async def test_what_a_late_charge_cannot_take_is_a_visible_debt(till: Till) -> None:
    subject = await till.open_account()
    late = await till.hold(subject, seconds=12)
    till.clock.advance(minutes=15)
    await till.sweep()
    for _ in range(3):
        await till.complete(subject, await till.hold(subject, seconds=12), seconds=12)

    await till.complete(subject, late, seconds=12)

    assert await till.money(subject) == (0, 0, 120)
    assert (await till.told(subject))[-1][1]["credits"] == 180


async def test_a_fence_gives_open_holds_back_and_takes_no_new_ones(till: Till) -> None:
    subject = await till.open_account()
    running, done = await till.hold(subject), await till.hold(subject)
    await till.complete(subject, done)

    erasure_id = await till.fence(subject)
    await till.fence(subject)

    told = await till.told(subject)
    assert [(body["generation_id"], body["cause"]) for kind, body in told if kind == "hold.voided"] == [
        (running, "erased")
    ]
    (answer,) = await till.place(request(subject))
    assert answer.outcome is HoldOutcome.UNKNOWN_SUBJECT
    with pytest.raises(UnknownSubject):
        await till.balance(subject)
    with pytest.raises(UnknownSubject):
        await till.accounts.change_plan(PlanChangeQuestion(subject_ref=subject, plan="pro"), Service.GATEWAY)
    assert erasure_id


async def test_a_completion_after_an_erasures_void_does_not_charge(till: Till) -> None:
    subject = await till.open_account()
    running, expired = await till.hold(subject), await till.hold(subject)
    till.accepted.add(running)
    till.clock.advance(minutes=15)
    await till.sweep()
    erasure_id = await till.fence(subject)

    await till.complete(subject, running, expired)
    await till.erase(subject, erasure_id)
    await till.complete(subject, running, expired)
    await till.finish(subject, erasure_id)
    await till.complete(subject, running, expired)

    assert "holds.posted" not in [kind for kind, _ in await till.told(subject)]


async def test_an_erasure_keeps_only_transfers_that_belong_to_nobody(till: Till, servers: RunningServers) -> None:
    subject = await till.open_account()
    generation = await till.hold(subject)
    await till.complete(subject, generation)
    open_one = await till.hold(subject)
    hold_ids = {body["hold_id"] for kind, body in await till.told(subject) if kind == "holds.posted"}

    erasure_id = await till.fence(subject)
    await till.erase(subject, erasure_id)

    kind, body = (await till.told(subject))[-1]
    counts = {count["store"]: (count["before"], count["after"], count["retained_ground"]) for count in body["counts"]}
    ground = "tax records (GDPR Art. 17(3)(b))"
    assert kind == "privacy.erasure.step_reported"
    assert counts == {
        "pg:billing.subjects": (1, 0, None),
        "pg:billing.grants": (1, 0, None),
        "pg:billing.holds": (2, 0, None),
        "pg:billing.quotes": (0, 0, None),
        "pg:billing.transfers": (6, 6, ground),
    }
    clues = {subject, generation, open_one, *hold_ids, *(one.removeprefix("hold_") for one in hold_ids)}
    await till.finish(subject, erasure_id)
    till.clock.advance(days=14)
    await till.sweep()
    assert not await rows_with(servers, clues)


async def rows_with(servers: RunningServers, clues: set[str]) -> list[str]:
    """Every row of billing's own tables that mentions one of these, by a look from outside."""
    connection = await asyncpg.connect(servers.superuser_dsn())
    try:
        tables = ("wallets", "subjects", "transfers", "grants", "holds", "quotes", "fences")
        found = []
        for table in tables:
            rows = await connection.fetch(f"SELECT t::text FROM billing.{table} t")
            found += [row[0] for row in rows if any(clue in row[0].replace("-", "") for clue in clues)]
        return found
    finally:
        await connection.close()


async def test_an_erasure_of_somebody_unknown_reports_nothing(till: Till) -> None:
    subject = SubjectRef.new()
    erasure_id = await till.fence(subject)
    await till.erase(subject, erasure_id)

    kind, body = (await till.told(subject))[-1]

    assert (kind, body["counts"]) == ("privacy.erasure.step_reported", [])


async def test_an_account_whose_fence_came_first_is_never_opened(till: Till) -> None:
    subject = SubjectRef.new()
    await till.fence(subject)

    await till.opened(AccountOpened(subject_ref=subject, plan="free", opened_at=till.clock.now()))

    assert [kind for kind, _ in await till.told(subject)] == []


async def test_a_step_told_again_reports_again_and_changes_nothing(till: Till) -> None:
    subject = await till.open_account()
    erasure_id = await till.fence(subject)

    await till.erase(subject, erasure_id)
    await till.erase(subject, erasure_id)

    reports = [body for kind, body in await till.told(subject) if kind == "privacy.erasure.step_reported"]
    assert [len(report["counts"]) for report in reports] == [5, 0]


async def test_long_after_an_erasure_a_stray_outcome_is_one_without_a_hold(till: Till) -> None:
    subject = await till.open_account()
    generation = await till.hold(subject)
    erasure_id = await till.fence(subject)
    await till.erase(subject, erasure_id)
    await till.finish(subject, erasure_id)
    till.clock.advance(days=14)
    await till.sweep()

    with pytest.raises(HoldNotFound):
        await till.complete(subject, generation)


async def test_a_plan_change_is_told_once(till: Till) -> None:
    subject = await till.open_account()
    since = till.clock.advance(days=1)
    question = PlanChangeQuestion(subject_ref=subject, plan="pro")

    first = await till.accounts.change_plan(question, Service.GATEWAY)
    till.clock.advance(days=1)
    second = await till.accounts.change_plan(question, Service.GATEWAY)

    assert first == second
    assert first.since == since
    plans = [body["plan"] for kind, body in await till.told(subject) if kind == "plan.changed"]
    assert plans == ["free", "pro"]
    assert (await till.balance(subject)).plan == "pro"


async def test_plans_that_change_within_one_instant_begin_one_after_the_other_and_are_counted(till: Till) -> None:
    subject = await till.open_account()

    changed = [
        await till.accounts.change_plan(PlanChangeQuestion(subject_ref=subject, plan=plan), Service.GATEWAY)
        for plan in ("pro", "free", "pro")
    ]
    counted = await till.accounts.plans_count(PlansCountQuestion(subject_refs=(subject,)), Service.RETENTION)

    assert [one.count for one in counted.plans] == [4]
    told = [body["since"] for kind, body in await till.told(subject) if kind == "plan.changed"]
    assert len(set(told)) == 4
    assert [one.since for one in changed] == sorted({one.since for one in changed})


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE transfers SET amount = amount + 1",
        "DELETE FROM transfers",
        "TRUNCATE transfers",
        "DROP TABLE transfers",
    ],
)
async def test_the_ledger_cannot_be_rewritten_by_the_service(till: Till, statement: str) -> None:
    await till.open_account()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await till.database.pool.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE wallets SET available = -1",
        "UPDATE wallets SET held = -1",
        "UPDATE grants SET remaining = amount + 1",
        "UPDATE grants SET remaining = -1",
        COPY_OF_A_TRANSFER.format(kind="'post'", debit="'available'", credit="'revenue'", amount=1),
        COPY_OF_A_TRANSFER.format(kind="kind", debit="debit_account", credit="credit_account", amount=0),
    ],
)
async def test_the_database_itself_refuses_impossible_money(till: Till, statement: str) -> None:
    await till.open_account()
    with pytest.raises(asyncpg.CheckViolationError):
        await till.database.pool.execute(statement)


async def test_no_step_of_a_hold_can_be_written_twice(till: Till) -> None:
    subject = await till.open_account()
    await till.complete(subject, await till.hold(subject))
    with pytest.raises(asyncpg.UniqueViolationError):
        await till.database.pool.execute(
            "INSERT INTO transfers SELECT gen_random_uuid(), kind, debit_account, credit_account, wallet_id, cause_ref,"
            " amount, created_at FROM transfers WHERE kind = 'post'"
        )


async def test_the_check_of_the_books_finds_what_is_wrong(till: Till, servers: RunningServers) -> None:
    subject = await till.open_account()
    await till.hold(subject)
    wrong = {
        "UPDATE billing.wallets SET available = available + 1": "balance of wallet",
        "UPDATE billing.grants SET remaining = remaining - 1 WHERE remaining > 0": "grants of wallet",
        "UPDATE billing.holds SET amount = amount + 1 WHERE state = 'held'": "open holds of wallet",
        "DELETE FROM billing.transfers WHERE kind = 'hold'": "steps of hold",
    }
    connection = await asyncpg.connect(servers.superuser_dsn())
    try:
        found = {}
        for statement in wrong:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute("SET LOCAL search_path = billing")
            await connection.execute(statement)
            row = await connection.fetchrow(VERIFY)
            await transaction.rollback()
            found[statement] = row["differences"] or []
    finally:
        await connection.close()

    for statement, told in wrong.items():
        assert any(difference.startswith(told) for difference in found[statement]), statement


async def test_a_grant_runs_out_at_its_second_and_what_a_hold_gives_back_goes_with_it(till: Till) -> None:
    subject = await till.open_account()
    ends_at = till.clock.now() + timedelta(days=1)
    await till.database.pool.execute("UPDATE grants SET expires_at = $1", ends_at)
    generation = await till.hold(subject)
    till.accepted.add(generation)
    till.clock.advance(days=1)

    assert await till.money(subject) == (0, 60, 0)
    (answer,) = await till.place(request(subject))
    assert answer.outcome is HoldOutcome.INSUFFICIENT
    await till.sweep()
    await till.fail(subject, generation)

    assert await till.money(subject) == (0, 0, 0)
