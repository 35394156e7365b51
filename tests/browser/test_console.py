"""The operator's console: sign-in, runs, the books, and a parked message that is replayed by pressing the button."""

import asyncio
from collections.abc import Iterator

import nats
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.visitor import aside
from tests.flows.steps import completed, created
from tests.suite import RunningSuite, fresh_suite

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")

REQUESTED = "jobs.generation.requested.v1"
# A failing handler is parked after a second instead of half a minute.
QUICK = {
    "CONSUMER_MAX_DELIVER": "2",
    "CONSUMER_RETRY_FIRST_SECONDS": "0.1",
    "CONSUMER_RETRY_MOST_SECONDS": "0.2",
    "CONSUMER_ACK_WAIT_SECONDS": "2",
}


@pytest.fixture(scope="module")
def quick() -> Iterator[RunningSuite]:
    """A suite of its own: rights are taken from it and messages are spoilt."""
    with fresh_suite(settings=QUICK) as running:
        yield running


def signed_in(visit: Open, suite: RunningSuite, language: str = "en-US") -> Page:
    page = visit(suite.console_url, language=language).page
    page.locator("#token").fill(suite.operator_token)
    page.locator("#operator button").click()
    expect(page.locator("#health tr")).to_have_count(5)
    return page


async def spoil(suite: RunningSuite) -> None:
    """The gateway's user publishes what no event is."""
    options = {"user": "gateway", "password": suite.nats_password("gateway"), "inbox_prefix": b"_INBOX.gateway"}
    client = await nats.connect(suite.nats_url, **options)
    try:
        await client.publish(REQUESTED, b'{"torn": ', headers={"ce-id": "no-id"})
        await client.flush()
    finally:
        await client.close()


def test_only_the_operators_token_opens_the_console(visit: Open, quick: RunningSuite) -> None:
    page = visit(quick.console_url).page

    page.locator("#token").fill("not the token")
    page.locator("#operator button").click()
    expect(page.locator("#operator .said")).not_to_be_empty()
    expect(page.locator("#console")).to_have_count(0)
    page.locator("#token").fill(quick.operator_token)
    page.locator("#operator button").click()
    expect(page.locator("#console")).to_be_visible()
    page.locator("#operator-out").click()

    expect(page.locator("#operator")).to_be_visible()


def test_the_console_shows_services_and_runs_and_nothing_personal(visit: Open, quick: RunningSuite) -> None:
    account = aside(quick.open_account)
    with account.openai() as client:
        video = completed(client, created(client, "an unmistakable zeppelin").id)
    page = signed_in(visit, quick)

    row = page.locator("#run-rows tr").filter(has_text=video.id)

    expect(row).to_contain_text("Completed")
    expect(page.locator("#health tr").filter(has_text="answers")).to_have_count(5)
    page.locator("#state").select_option("failed")
    expect(row).to_have_count(0)
    assert page.url.endswith("?state=failed")
    assert "zeppelin" not in page.content()
    assert account.email not in page.content()


@pytest.mark.parametrize(
    ("language", "verdict"), [("en-US", "The books balance."), ("ru-RU", "Книга сходится.")]
)  # fmt: skip
def test_the_books_are_checked_by_a_button(visit: Open, quick: RunningSuite, language: str, verdict: str) -> None:
    page = signed_in(visit, quick, language)

    page.locator("#verify-ledger").click()

    expect(page.locator("#ledger-result .good")).to_have_text(verdict)


def test_an_operator_puts_an_account_on_a_plan(visit: Open, quick: RunningSuite) -> None:
    account = aside(quick.open_account)
    page = signed_in(visit, quick)

    page.locator("#account-id").fill(account.account_id)
    page.locator("#plan").select_option("pro")
    page.locator("#plan-form button").click()

    expect(page.locator("#plan-form .said.good")).to_have_text("The plan was changed.")


def test_a_message_that_is_no_event_is_shown_and_stays_when_replayed(visit: Open, quick: RunningSuite) -> None:
    aside(asyncio.run, spoil(quick))
    page = signed_in(visit, quick)
    row = page.locator("#parked-rows tr").filter(has_text=REQUESTED)
    expect(row).to_have_count(1)

    row.get_by_role("button").click()

    expect(page.locator("#parked .said")).to_contain_text("Still parked.")
    expect(row).to_have_count(1)


def test_a_parked_message_is_handled_by_the_replay_button_once_its_cause_is_mended(
    visit: Open, quick: RunningSuite
) -> None:
    account = aside(quick.open_account)
    page = signed_in(visit, quick)
    before = page.locator("#parked-rows tr").filter(has_text="InsufficientPrivilege")
    aside(quick.look, "REVOKE INSERT ON jobs.runs FROM jobs")
    try:
        with account.openai() as client:
            video = created(client)
        expect(before).to_have_count(1)
    finally:
        aside(quick.look, "GRANT INSERT ON jobs.runs TO jobs")

    before.get_by_role("button").click()

    expect(page.locator("#parked .said.good")).to_have_text(f"Handled: {REQUESTED}")
    expect(before).to_have_count(0)
    with account.openai() as client:
        completed(client, video.id)
