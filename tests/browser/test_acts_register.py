"""The register of acts of destruction in front of a browser: listed without names, and read one at a time."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.suite import RunningSuite, fresh_suite, until


@pytest.fixture(scope="module")
def russian() -> Iterator[RunningSuite]:
    """Under a policy whose law wants acts; whoever signs in elsewhere comes by password here."""
    with fresh_suite("--profile", "videogen", settings={"IDENTITY_STAND_IN": "password"}) as running:
        yield running


def test_an_act_names_nobody_in_the_list_and_its_person_once_it_is_read(russian: RunningSuite, visit: Open) -> None:
    account = russian.open_account()
    with account.http() as http:
        until(lambda: http.delete("/v1/account").status_code in {200, 401}, "the erasure")
    until(lambda: russian.look("SELECT 1 FROM privacy.acts WHERE destroyed_at IS NOT NULL"), "the act")
    page = visit(russian.console_url).page
    page.locator("#token").fill(russian.operator_token)
    page.locator("#operator button").click()
    expect(page.locator("#console")).to_be_visible()
    page.goto(f"{russian.console_url}/registers")

    row = page.locator("#act-rows tr")
    expect(row).to_have_count(1)
    expect(page.locator("#acts")).not_to_contain_text(account.email)
    row.locator("button").click()

    expect(page.locator("#act-text")).to_contain_text(account.email)
    expect(page.locator("#act-text")).to_contain_text(re.compile("уничтожении", re.IGNORECASE))
    # To be printed and signed: all of it is there, not a window on it.
    hidden = page.locator("#act-text").evaluate(
        "sheet => [sheet.scrollWidth - sheet.clientWidth, sheet.scrollHeight - sheet.clientHeight]"
    )
    assert max(hidden) <= 0
