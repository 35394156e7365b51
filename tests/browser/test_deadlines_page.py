"""The console's page of deadlines: two operators put a hold into force there and lift it; it fits a phone in both languages."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.test_layout import LANGUAGES, PHONES, fits
from tests.browser.visitor import aside
from tests.suite import RunningSuite


def opened(visit: Open, suite: RunningSuite, language: str = "en-US", width_px: int = 1280) -> Page:
    page = visit(f"{suite.console_url}/retention", language=language, width_px=width_px).page
    page.locator("#token").fill(suite.operator_token)
    page.locator("#operator button").click()
    expect(page.locator("#summary dd")).to_have_count(5)
    return page


def test_two_operators_put_a_hold_into_force_and_one_of_them_lifts_it(visit: Open, suite: RunningSuite) -> None:
    account = aside(suite.open_account)
    page = opened(visit, suite)
    page.locator("#hold-scope").fill(account.account_id)
    page.locator("#hold-operator").fill("A. Clerk")
    page.locator("#hold-reason").fill("Court of Example, 12/345")
    page.locator("#hold-form button").click()
    card = page.locator("#hold-list > li").filter(has_text=account.account_id)
    expect(card.locator(".pill")).to_have_text("Proposed")

    card.get_by_role("button", name="Approve").click()
    expect(page.locator("#decide [data-do=cancel]")).to_be_focused()
    page.locator("#decide-operator").fill("a. clerk")
    page.locator("#decide-yes").click()
    expect(page.locator("#decide-form .said")).to_contain_text("cannot approve")
    page.locator("#decide-operator").fill("B. Counsel")
    page.locator("#decide-yes").click()
    expect(card.locator(".pill")).to_have_text("In force")
    expect(card).to_contain_text("Approved – B. Counsel")

    card.get_by_role("button", name="Lift").click()
    page.locator("#decide-operator").fill("A. Clerk")
    page.locator("#decide-yes").click()

    expect(card).to_have_count(0)
    page.locator("#all-holds").click()
    expect(card.locator(".pill")).to_have_text("Lifted")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("width_px", "_height_px"), PHONES)
def test_the_page_of_deadlines_fits_a_phone(
    visit: Open, suite: RunningSuite, language: str, width_px: int, _height_px: int
) -> None:
    page = opened(visit, suite, language, width_px)

    assert fits(page)
