"""Somebody too young is turned away, nothing of them is kept, and trying again at once does not help."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from lethe_cli.__main__ import build
from tests.flows.scanner import Canaries, machine_folders, scan
from tests.suite import RunningSuite, answered, fresh_suite

pytestmark = pytest.mark.timeout(300)
LOCKED_SECONDS = 3.0
PASSWORD = "a long enough password"
ROWS = {
    "lethe": ("gateway.accounts", "gateway.mails", "gateway.outbox"),
    "lethe_facts": ("privacy.outbox",),
    "lethe_keys": ("keys.subjects", "keys.login_index", "keys.item_keys", "keys.consents"),
}


@pytest.fixture(scope="module")
def stories() -> Iterator[RunningSuite]:
    """SoraGPT: from 13 years on, and from 16 one consents alone."""
    settings = {"AGE_RETRY_SECONDS": str(LOCKED_SECONDS)}
    with fresh_suite("--profile", "soragpt", settings=settings) as running:
        yield running


def sign_up(suite: RunningSuite, email: str, **more: object) -> tuple[int, dict[str, Any]]:
    with suite.anonymous() as client:
        answer = client.post("/v1/accounts", json={"email": email, "password": PASSWORD, **more})
    return answer.status_code, answer.json()


def years_ago(suite: RunningSuite, years: int) -> int:
    return time.gmtime(suite.policy_unix()).tm_year - years


def rows(suite: RunningSuite) -> dict[str, int]:
    return {
        table: suite.look(f"SELECT count(*) AS n FROM {table}", database=database)[0]["n"]
        for database, tables in ROWS.items()
        for table in tables
    }


def test_somebody_too_young_is_refused_leaves_nothing_and_cannot_just_try_again(stories: RunningSuite) -> None:
    canaries, folders, before = Canaries(), machine_folders(), rows(stories)
    email = f"{canaries.token('address')}@example.org"
    year = years_ago(stories, 12)

    with stories.anonymous() as client:
        asked = answered(client.get("/v1/sign-up"))["age"]
    untold = sign_up(stories, email)
    refused = sign_up(stories, email, birth_year=year)
    lied = sign_up(stories, email, birth_year=year - 20)
    after = rows(stories)
    found = asyncio.run(scan(stories, canaries, folders))

    assert (asked["ask"], asked["min"], asked["consent"]) == ("birth_year", 13, 16)
    assert (untold[0], untold[1]["error"]["code"], untold[1]["error"]["param"]) == (400, "age_needed", "birth_year")
    assert [(status, body["error"]["code"]) for status, body in (refused, lied)] == [(403, "too_young")] * 2
    assert "from 13 years on" in refused[1]["error"]["message"]
    assert "@example.org" in refused[1]["error"]["message"]
    assert canaries.tokens["address"] not in str((refused, lied))
    assert (after, found) == (before, {})
    time.sleep(LOCKED_SECONDS)
    assert sign_up(stories, email, birth_year=year - 20)[0] == 201


def test_between_the_two_ages_there_is_an_account_and_no_consent(stories: RunningSuite) -> None:
    year = years_ago(stories, 15)

    consenting = sign_up(stories, "fifteen@example.org", birth_year=year, consents={"train_models": True})
    status, opened = sign_up(stories, "fifteen@example.org", birth_year=year)
    with stories.anonymous() as client:
        client.headers["Authorization"] = f"Bearer {opened['api_key']['key']}"
        wish = {"consents": {"personalise": True}}
        untold, young = (
            client.put("/v1/privacy/consents", json={**wish, **told}).json()["error"]["code"]
            for told in ({}, {"birth_year": year})
        )
        objection = client.put("/v1/privacy/consents", json={"consents": {"marketing": False}})

    assert (consenting[0], consenting[1]["error"]["code"]) == (403, "parent_needed")
    assert (status, untold, young, objection.status_code) == (201, "age_needed", "parent_needed", 200)


def test_the_command_line_asks_for_what_the_policy_asks(stories: RunningSuite) -> None:
    words = ["accounts", "create", "--url", stories.url, "--password", PASSWORD]

    asked = CliRunner().invoke(build(), [*words, "--email", "typed@example.org"], input="1990\n")
    given = CliRunner().invoke(build(), [*words, "--email", "given@example.org", "--birth-year", "1990"])

    assert (asked.exit_code, given.exit_code) == (0, 0), asked.output + given.output
    assert "Year of birth (asked, not stored)" in asked.output
    assert "API key  lethe_sk_" in given.output
