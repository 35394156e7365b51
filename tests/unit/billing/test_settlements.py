from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lethe_billing.errors import PostExceedsHold
from lethe_billing.grants import Grant, Line
from lethe_billing.holds import Hold, HoldState
from lethe_billing.ledger import Balance
from lethe_billing.settlements import Settlement, post, unspent, void
from lethe_common.identifiers import GenerationId, GrantId, HoldId
from lethe_common.policy import Price
from lethe_common.rpc.billing import Order

NOW = datetime(2027, 1, 1, tzinfo=UTC)
WALLET = uuid4()
ORDER = Order(model="m", width_px=1280, height_px=720, seconds=4)
SETTLED = (HoldState.POSTED, HoldState.VOIDED)


def grant(remaining: int = 0) -> Grant:
    return Grant(GrantId.new(), WALLET, uuid4(), "plan", 1000, remaining, 0, NOW, None)


def hold(*lines: Line, state: HoldState = HoldState.HELD) -> Hold:
    price = Price("v", sum(line.amount for line in lines))
    return Hold(HoldId.new(), GenerationId.new(), WALLET, uuid4(), ORDER, price, lines, state)


def test_what_is_not_spent_goes_back_to_the_grant_it_came_from() -> None:
    plan, top_up = grant(), grant()
    placed, settlement = hold(Line(plan.grant_id, 30), Line(top_up.grant_id, 20)), Settlement()

    post(settlement, placed, 35, [plan, top_up], NOW)

    assert (plan.remaining, top_up.remaining) == (0, 15)
    assert settlement.books.balance_changes() == {WALLET: Balance(available=15, held=-50)}
    assert [(one.state, one.charged) for one in settlement.settled] == [(HoldState.POSTED, 35)]


@given(st.lists(st.integers(1, 90), max_size=5), st.integers(0, 500))
def test_spent_and_unspent_make_the_whole_hold(amounts: list[int], spent: int) -> None:
    lines = [Line(str(number), amount) for number, amount in enumerate(amounts)]

    left = unspent(lines, spent)

    assert sum(line.amount for line in left) == max(0, sum(amounts) - spent)
    assert all(0 < line.amount <= amounts[int(line.grant_id)] for line in left)


def test_a_charge_above_the_quote_is_refused() -> None:
    one = grant()
    with pytest.raises(PostExceedsHold):
        post(Settlement(), hold(Line(one.grant_id, 30)), 31, [one], NOW)


@pytest.mark.parametrize("state", SETTLED)
def test_a_settled_hold_stays_as_it_is(state: HoldState) -> None:
    one, settlement = grant(), Settlement()
    settled = hold(Line(one.grant_id, 30), state=state)

    post(settlement, settled, 30, [one], NOW)
    void(settlement, settled, "failed", [one], NOW)

    assert settlement.settled == []
    assert settlement.books.transfers == []


def test_an_expired_hold_is_not_voided_again() -> None:
    one, settlement = grant(), Settlement()
    void(settlement, hold(Line(one.grant_id, 30), state=HoldState.EXPIRED), "cancelled", [one], NOW)

    assert settlement.settled == []


@pytest.mark.parametrize(
    ("cause", "state"),
    [
        ("failed", HoldState.VOIDED),
        ("cancelled", HoldState.VOIDED),
        ("erased", HoldState.VOIDED),
        ("expired", HoldState.EXPIRED),
    ],
)
def test_a_void_gives_everything_back(cause: str, state: HoldState) -> None:
    one, settlement = grant(), Settlement()
    void(settlement, hold(Line(one.grant_id, 30)), cause, [one], NOW)  # type: ignore[arg-type]  # one of its literals

    assert one.remaining == 30
    assert settlement.books.balance_changes() == {WALLET: Balance(available=30, held=-30)}
    assert [(done.state, done.cause, done.charged) for done in settlement.settled] == [(state, cause, 0)]


@pytest.mark.parametrize(("left", "owed"), [(100, 0), (30, 0), (12, 18), (0, 30)])
def test_a_late_charge_takes_what_is_there_and_the_rest_is_owed(left: int, owed: int) -> None:
    one, settlement = grant(left), Settlement()
    post(settlement, hold(Line("gone", 30), state=HoldState.EXPIRED), 30, [one], NOW)

    assert settlement.books.balance_changes() == {WALLET: Balance(available=owed - 30, owed=owed)}
    assert one.remaining == left - (30 - owed)
    assert settlement.settled[0].charged == 30


def test_a_hold_over_nothing_is_posted_without_a_line() -> None:
    settlement = Settlement()
    post(settlement, hold(), 0, [], NOW)

    assert settlement.books.transfers == []
    assert settlement.settled[0].state is HoldState.POSTED
