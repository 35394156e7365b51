from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lethe_billing.ledger import SIDES, Account, Balance, Books, Kind

WALLET_ACCOUNTS = {Account.AVAILABLE, Account.HELD, Account.OWED}


def test_every_kind_of_transfer_joins_two_different_accounts() -> None:
    assert set(SIDES) == set(Kind)
    assert all(debit is not credit for debit, credit in SIDES.values())
    assert all(WALLET_ACCOUNTS & set(sides) for sides in SIDES.values())


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (Kind.ISSUE, (5, 0, 0)),
        (Kind.HOLD, (-5, 5, 0)),
        (Kind.POST, (0, -5, 0)),
        (Kind.RELEASE, (5, -5, 0)),
        (Kind.EXPIRE, (-5, 0, 0)),
        (Kind.LATE_POST, (-5, 0, 0)),
        (Kind.OWE, (0, 0, 5)),
        (Kind.REPAY, (-5, 0, -5)),
    ],
)
def test_what_a_transfer_does_to_a_wallet(kind: Kind, changes: tuple[int, int, int]) -> None:
    books, wallet_id = Books(), uuid4()
    books.move(kind, wallet_id, uuid4(), 5)

    assert books.balance_changes() == {wallet_id: Balance(*changes)}


def test_moving_nothing_leaves_no_line() -> None:
    books = Books()
    books.move(Kind.POST, uuid4(), uuid4(), 0)

    assert books.transfers == []


@given(st.lists(st.tuples(st.sampled_from(Kind), st.integers(0, 3), st.integers(1, 1000))))
def test_what_wallets_gain_the_house_loses(moves: list[tuple[Kind, int, int]]) -> None:
    books, wallets = Books(), [uuid4() for _ in range(4)]
    for kind, wallet, amount in moves:
        books.move(kind, wallets[wallet], uuid4(), amount)

    changes = books.balance_changes().values()
    in_wallets = sum(change.available + change.held - change.owed for change in changes)
    house = sum(
        (transfer.credit not in WALLET_ACCOUNTS) * transfer.amount
        - (transfer.debit not in WALLET_ACCOUNTS) * transfer.amount
        for transfer in books.transfers
    )
    assert in_wallets == -house
