import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import asyncpg
import pytest

from lethe_billing.errors import HoldNotFound
from lethe_common.events.identity import AccountOpened
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.policy.errors import UnknownPlan
from lethe_common.rpc.billing import HoldOutcome, QuoteQuestion
from lethe_common.services import Service
from tests.integration.till import ORDER, Till, completed, opened_till, order, request
from tests.servers import RunningServers


@pytest.fixture
async def till(servers: RunningServers) -> AsyncIterator[Till]:
    async with opened_till(servers) as opened:
        yield opened
        assert await opened.differences() == ()


async def test_an_opened_account_has_its_credits_once(till: Till) -> None:
    subject = SubjectRef.new()
    event = AccountOpened(subject_ref=subject, plan="free", opened_at=till.clock.now())
    await till.opened(event, event)
    await till.opened(event)

    assert await till.money(subject) == (600, 0, 0)
    assert [kind for kind, _ in await till.told(subject)] == ["plan.changed", "credits.granted"]


async def test_an_account_on_an_unknown_plan_is_not_opened(till: Till) -> None:
    subject = SubjectRef.new()
    with pytest.raises(UnknownPlan):
        await till.opened(AccountOpened(subject_ref=subject, plan="platinum", opened_at=till.clock.now()))

    (answer,) = await till.place(request(subject))
    assert answer.outcome is HoldOutcome.UNKNOWN_SUBJECT


async def test_of_parallel_holds_exactly_those_that_can_be_paid_succeed(till: Till) -> None:
    subject = await till.open_account()

    answers = await asyncio.gather(*(till.place(request(subject)) for _ in range(40)))

    outcomes = Counter(answer.outcome for (answer,) in answers)
    assert outcomes == {HoldOutcome.PLACED: 10, HoldOutcome.INSUFFICIENT: 30}
    assert await till.money(subject) == (0, 600, 0)


async def test_a_refused_hold_does_not_fail_its_neighbours(till: Till) -> None:
    rich, poor = await till.open_account(), await till.open_account("pro")

    answers = await till.place(
        request(rich),
        request(poor),
        request(SubjectRef.new()),
        request(rich, order=ORDER.model_copy(update={"width_px": 99})),
        request(rich, quote_id=f"quote_{'0' * 32}"),
        request(rich, seconds=12),
    )

    assert [answer.outcome.value for answer in answers] == [
        "placed", "insufficient_credits", "unknown_subject", "unknown_price", "quote_gone", "placed",
    ]  # fmt: skip
    assert (answers[1].credits, answers[1].available) == (60, 0)
    assert (answers[5].credits, answers[5].available) == (180, 360)


async def test_one_row_the_database_refuses_fails_alone(till: Till) -> None:
    subject, generation = await till.open_account(), GenerationId.new()
    await till.place(request(subject, generation_id=generation))
    asked = [request(subject), request(subject, generation_id=generation), request(subject)]

    results = await asyncio.gather(*(till.place(one) for one in asked), return_exceptions=True)

    assert [isinstance(result, asyncpg.UniqueViolationError) for result in results] == [False, True, False]
    assert await till.money(subject) == (420, 180, 0)


async def test_the_same_key_and_body_answer_the_first_hold(till: Till) -> None:
    subject = await till.open_account()
    (first,) = await till.place(request(subject, key="k"))

    again = await till.place(request(subject, key="k"), request(subject, key="k"))

    assert {answer.outcome for answer in again} == {HoldOutcome.EXISTING}
    assert {(answer.hold_id, answer.generation_id) for answer in again} == {(first.hold_id, first.generation_id)}
    assert await till.money(subject) == (540, 60, 0)


async def test_the_same_key_twice_in_one_message_holds_once(till: Till) -> None:
    subject = await till.open_account()

    first, second = await till.place(request(subject, key="k"), request(subject, key="k"))

    assert (first.outcome, second.outcome) == (HoldOutcome.PLACED, HoldOutcome.EXISTING)
    assert first.generation_id == second.generation_id


async def test_the_same_key_with_another_body_is_refused(till: Till) -> None:
    subject, other = await till.open_account(), await till.open_account()
    await till.place(request(subject, key="k"))

    mine, theirs = await till.place(request(subject, key="k", seconds=8), request(other, key="k", seconds=8))

    assert (mine.outcome, theirs.outcome) == (HoldOutcome.CONFLICT, HoldOutcome.PLACED)
    assert await till.money(subject) == (540, 60, 0)


async def test_an_sdk_retry_without_a_key_finds_the_latest_hold_of_its_body(till: Till) -> None:
    subject = await till.open_account()
    await till.place(request(subject))
    till.clock.advance(seconds=1)
    (latest,) = await till.place(request(subject))
    other_body = request(subject, seconds=8, is_retry=True)

    retry, fresh = await till.place(request(subject, is_retry=True), other_body)

    assert (retry.outcome, retry.generation_id) == (HoldOutcome.EXISTING, latest.generation_id)
    assert fresh.outcome is HoldOutcome.PLACED


async def test_an_sdk_retry_after_a_quarter_of_an_hour_is_a_new_request(till: Till) -> None:
    subject = await till.open_account()
    (first,) = await till.place(request(subject))
    till.clock.advance(minutes=15)

    (answer,) = await till.place(request(subject, is_retry=True))

    assert answer.outcome is HoldOutcome.PLACED
    assert answer.generation_id != first.generation_id


async def test_a_completion_charges_and_says_so(till: Till) -> None:
    subject = await till.open_account()
    generation = await till.hold(subject, seconds=8)

    await till.complete(subject, generation, seconds=8.04)

    assert await till.money(subject) == (480, 0, 0)
    kind, body = (await till.told(subject))[-1]
    assert (kind, body["generation_id"], body["credits"]) == ("holds.posted", generation, 120)


async def test_a_shorter_delivery_is_charged_as_delivered(till: Till) -> None:
    subject = await till.open_account()
    generation = await till.hold(subject, seconds=12)

    await till.complete(subject, generation, seconds=6.5)

    assert await till.money(subject) == (495, 0, 0)


async def test_a_completion_told_twice_charges_once(till: Till) -> None:
    subject = await till.open_account()
    generation = await till.hold(subject)

    await till.complete(subject, generation, generation)
    await till.complete(subject, generation)
    await till.fail(subject, generation)

    assert await till.money(subject) == (540, 0, 0)
    assert [kind for kind, _ in await till.told(subject)].count("holds.posted") == 1


@pytest.mark.parametrize("outcome", ["fail", "cancel"])
async def test_no_output_costs_nothing(till: Till, outcome: str) -> None:
    subject = await till.open_account()
    generation = await till.hold(subject)

    await getattr(till, outcome)(subject, generation)
    await getattr(till, outcome)(subject, generation)

    assert await till.money(subject) == (600, 0, 0)
    assert (await till.told(subject))[-1][1]["cause"] == {"fail": "failed", "cancel": "cancelled"}[outcome]


async def test_an_outcome_before_its_hold_waits_and_its_neighbours_do_not_when_alone(till: Till) -> None:
    subject, early = await till.open_account(), GenerationId.new()
    generation = await till.hold(subject)
    with pytest.raises(HoldNotFound):
        await till.complete(subject, generation, early)
    assert await till.money(subject) == (540, 60, 0)

    await till.complete(subject, generation)
    await till.place(request(subject, generation_id=early))
    await till.complete(subject, early)

    assert await till.money(subject) == (480, 0, 0)


async def test_a_batch_of_completions_of_many_accounts_is_one_piece_of_work(till: Till) -> None:
    subjects = [await till.open_account() for _ in range(20)]
    generations = [(subject, await till.hold(subject)) for subject in subjects for _ in range(3)]

    async with till.database.transaction() as tx:
        await till.outcomes.on_generations_completed([completed(*one) for one in generations], tx)

    assert {await till.money(subject) for subject in subjects} == {(420, 0, 0)}


async def test_a_quote_binds_its_price_for_a_quarter_of_an_hour(till: Till) -> None:
    subject, other = await till.open_account(), await till.open_account()
    quote = await till.accounts.quote(QuoteQuestion(subject_ref=subject, order=order(8)), Service.GATEWAY)
    assert (quote.credits, quote.available, quote.price_version) == (120, 600, "2026-11.1")

    theirs, another_order, taken = await till.place(
        request(other, seconds=8, quote_id=quote.quote_id),
        request(subject, seconds=4, quote_id=quote.quote_id),
        request(subject, seconds=8, quote_id=quote.quote_id),
    )
    till.clock.advance(minutes=15)
    (late,) = await till.place(request(subject, seconds=8, quote_id=quote.quote_id))

    assert (theirs.outcome, another_order.outcome) == (HoldOutcome.QUOTE_GONE, HoldOutcome.QUOTE_GONE)
    assert (taken.outcome, taken.credits) == (HoldOutcome.PLACED, 120)
    assert late.outcome is HoldOutcome.QUOTE_GONE


async def test_history_pages_from_newest_to_oldest(till: Till) -> None:
    subject = await till.open_account()
    first, second = await till.hold(subject), await till.hold(subject, seconds=8)
    await till.complete(subject, first)
    await till.cancel(subject, second)

    page = await till.balance(subject, history=3)
    rest = await till.balance(subject, history=3, after=page.history[-1].transfer_id)

    lines = [
        (line.kind, line.debit, line.credit, line.amount, line.generation_id) for line in page.history + rest.history
    ]
    assert lines == [
        ("release", "held", "available", 120, second),
        ("post", "held", "revenue", 60, first),
        ("hold", "available", "held", 120, second),
        ("hold", "available", "held", 60, first),
        ("issue", "issued", "available", 600, None),
    ]
    assert (page.has_more, rest.has_more) == (True, False)
    assert [(grant.source, grant.amount, grant.remaining) for grant in page.grants] == [("plan", 600, 540)]
