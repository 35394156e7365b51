"""Who is not heard of for as long as the policy says is forgotten; a visit begins that time anew, and a restriction keeps it all."""

from collections.abc import Iterator

import pytest

from tests.suite import Account, RunningSuite, answered, fresh_suite, until

pytestmark = pytest.mark.timeout(600)
TICKETS = "SELECT 1 FROM privacy.requests WHERE subject_ref = $1"
CERTIFICATES = "SELECT 1 FROM privacy.certificates"


@pytest.fixture(scope="module")
def shop() -> Iterator[RunningSuite]:
    """Imageshop: addresses and requests end after P2Y without any contact."""
    with fresh_suite("--profile", "imageshop") as running:
        yield running


def test_an_account_and_its_requests_end_two_years_after_the_last_contact(shop: RunningSuite) -> None:
    gone, back, restricted = (shop.open_guest() for _ in range(3))
    _ask(gone, kind="enquiry", text="Do you keep my address?")
    _ask(restricted, kind="restrict")
    shop.advance("P1Y")
    with back.http() as http:
        answered(http.get("/v1/account"))
    until(lambda: _seen_on(shop, back) != _seen_on(shop, gone), "the visit to be written down")

    shop.advance("P364D")
    assert _left(shop, gone, back, restricted) == [gone, back, restricted]
    shop.advance("P2D")
    until(lambda: not _seen_on(shop, gone), "whoever is gone to be forgotten", 60)
    until(lambda: len(shop.look(CERTIFICATES)) == 1, "the certificate", 60)

    assert shop.look(TICKETS, gone.subject_ref) == []
    assert _left(shop, gone, back, restricted) == [back, restricted]
    shop.advance("P1Y")
    until(lambda: not _seen_on(shop, back), "whoever came once more to be forgotten two years later", 60)
    assert _left(shop, gone, back, restricted) == [restricted]
    assert shop.books()["is_balanced"]


def _ask(account: Account, **wish: str) -> None:
    with account.http() as http:
        answered(http.post("/v1/privacy/requests", json=wish))


def _seen_on(suite: RunningSuite, account: Account) -> str | None:
    rows = suite.look("SELECT seen_on FROM gateway.accounts WHERE account_id = $1", account.account_id)
    return str(rows[0]["seen_on"]) if rows else None


def _left(suite: RunningSuite, *accounts: Account) -> list[Account]:
    sql = "SELECT 1 FROM gateway.accounts WHERE account_id = $1 AND state = 'active'"
    return [account for account in accounts if suite.look(sql, account.account_id)]
