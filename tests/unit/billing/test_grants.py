from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from lethe_billing.grants import Grant, Line, expire, give_back, issue, spendable, spending_order, take
from lethe_billing.ledger import Books, Kind
from lethe_common.identifiers import GrantId

NOW = datetime(2027, 1, 1, tzinfo=UTC)
WALLET = uuid4()


def grant(remaining: int, days_left: int | None = None, *, priority: int = 0, age_days: int = 0) -> Grant:
    expires_at = None if days_left is None else NOW + timedelta(days=days_left)
    granted_at = NOW - timedelta(days=age_days)
    return Grant(GrantId.new(), WALLET, uuid4(), "plan", 1000, remaining, priority, granted_at, expires_at)


def moved(books: Books) -> list[tuple[Kind, int, UUID]]:
    return [(transfer.kind, transfer.amount, transfer.cause_ref) for transfer in books.transfers]


def test_credits_that_expire_soonest_are_spent_first_then_by_priority_then_by_age() -> None:
    young, old, preferred = grant(1), grant(1, age_days=9), grant(1, priority=-1)
    soon, later = grant(1, 2), grant(1, 5)

    assert spending_order([young, later, old, preferred, soon]) == [soon, later, preferred, old, young]


def test_taking_follows_the_order_and_says_from_which() -> None:
    plan, top_up = grant(30, 5), grant(100)

    assert take([plan, top_up], 50, NOW) == (Line(plan.grant_id, 30), Line(top_up.grant_id, 20))
    assert (plan.remaining, top_up.remaining) == (0, 80)


def test_a_grant_is_dead_at_the_very_second_it_expires() -> None:
    over, alive = grant(30, 0), grant(5)

    assert spendable([over, alive], NOW) == 5
    assert take([over, alive], 10, NOW) == (Line(alive.grant_id, 5),)
    assert over.remaining == 30


@given(
    st.lists(st.tuples(st.integers(0, 50), st.none() | st.integers(-2, 9)), max_size=6),
    st.integers(0, 200),
)
def test_taking_never_takes_more_than_asked_or_there(grants: list[tuple[int, int | None]], amount: int) -> None:
    given_grants = spending_order([grant(remaining, days) for remaining, days in grants])
    before = sum(one.remaining for one in given_grants)
    could = spendable(given_grants, NOW)

    lines = take(given_grants, amount, NOW)

    taken = sum(line.amount for line in lines)
    assert taken == min(amount, could)
    assert before - taken == sum(one.remaining for one in given_grants)
    assert all(line.amount > 0 for line in lines)
    assert all(one.remaining >= 0 for one in given_grants)


def test_what_comes_back_to_a_living_grant_can_be_spent_again() -> None:
    books, living = Books(), grant(0, 1)
    give_back(books, living, 7, NOW)

    assert living.remaining == 7
    assert dict(books.grant_changes) == {living.grant_id: 7}
    assert moved(books) == []


def test_what_comes_back_to_a_grant_that_ran_out_expires_at_once() -> None:
    books, over = Books(), grant(0, 0)
    give_back(books, over, 7, NOW)

    assert over.remaining == 0
    assert dict(books.grant_changes) == {}
    assert moved(books) == [(Kind.EXPIRE, 7, over.cause_ref)]


def test_a_grant_that_runs_out_leaves_nothing() -> None:
    books, over = Books(), grant(12, 0)
    expire(books, over)
    expire(books, over)

    assert over.remaining == 0
    assert dict(books.grant_changes) == {over.grant_id: -12}
    assert moved(books) == [(Kind.EXPIRE, 12, over.cause_ref)]


def test_new_credits_pay_what_is_owed_first() -> None:
    books = Books()
    new = issue(books, WALLET, "top_up", 100, NOW, owed=30)

    assert (new.amount, new.remaining, new.expires_at) == (100, 70, None)
    assert moved(books) == [(Kind.ISSUE, 100, new.cause_ref), (Kind.REPAY, 30, new.cause_ref)]


def test_a_debt_larger_than_the_grant_takes_it_whole() -> None:
    books = Books()

    assert issue(books, WALLET, "top_up", 100, NOW, owed=130).remaining == 0
    assert [(kind, amount) for kind, amount, _ in moved(books)] == [(Kind.ISSUE, 100), (Kind.REPAY, 100)]
