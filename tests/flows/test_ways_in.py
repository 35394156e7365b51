"""A policy without accounts lets guests in and nobody else; a guest makes a picture, comes back, and is forgotten."""

from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from lethe_cli.__main__ import build
from tests.suite import RunningSuite, answered, fresh_suite, until

pytestmark = pytest.mark.timeout(300)
LOGIN = {"email": "somebody@example.org", "password": "a long enough password"}
PERSON = """
    SELECT email_sealed, password_sealed, state FROM gateway.accounts WHERE account_id = $1
"""


@pytest.fixture(scope="module")
def shop() -> Iterator[RunningSuite]:
    with fresh_suite("--profile", "imageshop") as running:
        yield running


def test_ways_that_are_not_declared_are_not_offered(shop: RunningSuite) -> None:
    own = {"Origin": shop.url}
    with shop.anonymous() as client:
        asked = answered(client.get("/v1/sign-up"))
        refused = [
            client.post("/v1/accounts", json={**LOGIN, "birth_year": 1990}),
            client.post("/v1/sessions", json=LOGIN, headers=own),
            client.post("/v1/password-resets", json={"email": LOGIN["email"]}),
        ]

    assert asked["ways"] == ["guest"]
    assert [(one.status_code, one.json()["error"]["code"]) for one in refused] == [(404, "way_not_offered")] * 3
    assert "Ways in: guest" in refused[0].json()["error"]["message"]
    assert shop.look("SELECT 1 FROM gateway.accounts") == []


def test_a_guest_comes_in_without_an_address_comes_back_by_cookie_and_is_forgotten(shop: RunningSuite) -> None:
    own = {"Origin": shop.url}
    with shop.anonymous() as browser:
        untold = browser.post("/v1/guests", json={})
        foreign = browser.post("/v1/guests", json={"birth_year": 1990}, headers={"Origin": "https://elsewhere.example"})
        opened = browser.post("/v1/guests", json={"birth_year": 1990}, headers=own)
        account = answered(opened)["account"]
        again = answered(browser.get("/v1/account"))
        (person,) = shop.look(PERSON, account["id"])
        credits_there = until(lambda: answered(browser.get("/v1/credits"))["available"], "the credits")
        gone = until(lambda: browser.delete("/v1/account", headers=own).json().get("certificate"), "the certificate")

    assert (untold.status_code, untold.json()["error"]["code"]) == (400, "age_needed")
    assert (foreign.status_code, foreign.json()["error"]["code"]) == (403, "foreign_origin")
    cookie = opened.headers["set-cookie"]
    assert cookie.startswith("lethe_guest=")
    assert f"Max-Age={30 * 24 * 3600}" in cookie
    assert (again["id"], again["email"], dict(person)) == (
        account["id"], None, {"email_sealed": None, "password_sealed": None, "state": "active"},
    )  # fmt: skip
    assert credits_there > 0
    assert gone["payload"]["subject"]
    assert shop.look(PERSON, account["id"]) == []


def test_the_command_line_lets_a_guest_in_with_a_key_and_no_cookie(shop: RunningSuite) -> None:
    said = CliRunner().invoke(build(), ["accounts", "guest", "--url", shop.url, "--birth-year", "1990"])

    assert said.exit_code == 0, said.output
    assert "API key  lethe_sk_" in said.output
