"""The console's registers in front of a browser: a contract, a breach and a demand are entered, and each is seen."""

from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.suite import RunningSuite


def test_each_register_takes_an_entry_and_shows_it(suite: RunningSuite, visit: Open) -> None:
    account = suite.open_account()
    page = visit(suite.console_url).page
    page.locator("#token").fill(suite.operator_token)
    page.locator("#operator button").click()
    expect(page.locator("#console")).to_be_visible()
    page.goto(f"{suite.console_url}/registers")
    page.locator("#register-operator").fill("A. Clerk")

    page.locator("#processor-id").select_option("mail")
    page.locator("#processor-reference").fill("DPA 12")
    page.locator("#processor-starts").fill("2026-01-01")
    page.locator("#processor-form button").click()
    expect(page.locator("#processor-rows")).to_contain_text("DPA 12")
    expect(page.locator("#processor-rows")).to_contain_text("A. Clerk")

    page.locator("#breach-known").fill("2026-11-01T09:00:00")
    page.locator("#breach-categories").select_option("identity.email")
    page.locator("#breach-text").fill("A laptop was lost.")
    page.locator("#breach-form button").click()
    expect(page.locator("#breach-rows")).to_contain_text("EU.breach.authority")
    expect(page.locator("#breach-steps")).to_contain_text("A laptop was lost.")
    page.locator("#breach-do").select_option("notified")
    page.locator("#breach-reference").fill("No. 7")
    page.locator("#breach-deed button").click()
    expect(page.locator("#breach-steps")).to_contain_text("No. 7")

    page.locator("#disclosure-account").fill(account.account_id)
    page.locator("#disclosure-authority").fill("Court of Example")
    page.locator("#disclosure-law").fill("12/345")
    page.locator("#disclosure-asked").fill("Since when is there an account?")
    page.locator("#disclosure-form button").click()
    row = page.locator("#disclosure-rows tr", has_text=account.account_id)
    expect(row).to_contain_text("0 / 2")
    row.locator("button", has_text="Approve").click()
    expect(row).to_contain_text("1 / 2")
    page.locator("#register-operator").fill("B. Counsel")
    row.locator("button", has_text="Approve").click()
    row.locator("button", has_text="disclose").click()
    expect(page.locator("#disclosure-package")).to_contain_text(account.account_id)
    # The policy prohibits training: there is no such register.
    expect(page.locator("#training")).to_be_hidden()
