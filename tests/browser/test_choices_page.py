"""What people decide, in front of the page: nothing is ticked beforehand, yes and no are alike, and each choice counts."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.flows.steps import trained_with
from tests.suite import RunningSuite, fresh_suite


@pytest.fixture(scope="module")
def stories() -> Iterator[RunningSuite]:
    with fresh_suite("--profile", "soragpt") as running:
        yield running


@pytest.fixture(scope="module")
def shop() -> Iterator[RunningSuite]:
    with fresh_suite("--profile", "imageshop") as running:
        yield running


def test_a_newcomer_is_asked_unticked_then_at_the_first_use_and_changes_it_in_the_settings(
    visit: Open, stories: RunningSuite
) -> None:
    visitor = visit(stories.url)
    page = visitor.page
    asked = page.locator("#up-asks [data-purpose=train_models]")
    expect(asked).not_to_be_checked()
    expect(page.locator("#up-asks")).to_contain_text("improving AI models with what you create")
    visitor.sign_up()

    first = page.locator("#first-use")
    expect(first).to_contain_text("adapting what you see to what you create")
    expect(first).to_contain_text("Without it you lose: suggestions made from your own work.")
    first.locator("#first-use-no").click()
    expect(first).to_be_hidden()

    marketing = page.locator("#choice-rows [data-purpose=marketing]")
    expect(marketing).to_be_checked()
    marketing.uncheck()
    expect(page.locator("#choices .said")).to_have_text("Not allowed any more, from now on.")
    page.locator("#choice-rows [data-purpose=train_models]").click()
    expect(page.locator("#choices .said")).to_contain_text("Say your age first.")
    page.locator("#choice-age [data-age=birth_year]").fill("1990")
    page.locator("#choice-rows [data-purpose=train_models]").check()
    expect(page.locator("#choices .said")).to_have_text("Allowed from now on.")
    page.reload()

    expect(page.locator("#choice-rows [data-purpose=marketing]")).not_to_be_checked()
    expect(page.locator("#choice-rows [data-purpose=train_models]")).to_be_checked()
    expect(page.locator("#choice-rows [data-purpose=personalise]")).not_to_be_checked()
    expect(first).to_be_hidden()
    expect(page.locator("#given")).to_be_hidden()

    (account,) = stories.look("SELECT account_id FROM gateway.accounts")
    trained_with(stories, account["account_id"])
    page.reload()
    expect(page.locator("#given")).to_contain_text("videos, 1 in all; to trainer.")
    page.locator("#choice-rows [data-purpose=train_models]").uncheck()
    expect(page.locator("#given")).to_be_hidden()


def test_operators_see_who_gave_how_much_where_anything_may_be_given(visit: Open, stories: RunningSuite) -> None:
    stories.look("INSERT INTO gateway.training_days VALUES ('trainer', 'A. Clerk', '2026-11-25', 7)")
    page = visit(stories.console_url).page
    page.locator("#token").fill(stories.operator_token)
    page.locator("#operator button").click()
    expect(page.locator("#console")).to_be_visible()
    page.goto(f"{stories.console_url}/registers")

    expect(page.locator("#given-rows tr")).to_have_text(["2026-11-25trainerA. Clerk7"])
    expect(page.locator("#no-trainers")).to_have_text("The policy names no trainer.")


def test_where_guests_are_let_in_the_page_asks_for_no_address(visit: Open, shop: RunningSuite) -> None:
    page = visit(shop.url).page
    expect(page.locator("#as-guest")).to_be_visible()
    expect(page.locator("#with-password")).to_be_hidden()
    page.locator("#guest-asks [data-age=birth_year]").fill("1990")
    page.locator("#guest button").click()
    expect(page.locator("#secret .secret")).to_contain_text("lethe_sk_")
    page.locator("#secret [data-do=close]").click()

    expect(page.locator("#composer")).to_be_visible()
    expect(page.locator("#email")).to_contain_text("acct_")
