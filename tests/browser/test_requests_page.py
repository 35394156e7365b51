"""Requests in front of their pages: filed and followed by a person, answered at the rights desk, each step seen by both."""

import secrets

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.test_layout import fits
from tests.suite import RunningSuite


def test_a_person_asks_and_an_operator_answers(visit: Open, suite: RunningSuite) -> None:
    visitor = visit(suite.url)
    visitor.sign_up()
    page, question = visitor.page, f"Where are my prompts {secrets.token_hex(4)}?"
    page.goto(f"{suite.url}/requests")
    expect(page.locator("#no-requests")).to_be_visible()
    page.locator("#request-kind").select_option("enquiry")
    page.locator("#request-text").fill(question)
    page.locator("#request-form button.main").click()
    expect(page.locator("#request-form .said")).to_contain_text("Sent. You get an answer by")
    expect(page.locator("#request-list .pill")).to_have_text("Waiting for an answer")

    desk = visit(suite.console_url).page
    desk.locator("#token").fill(suite.operator_token)
    desk.locator("#operator button").click()
    expect(desk.locator("#console")).to_be_visible()
    desk.goto(f"{suite.console_url}/requests")
    desk.locator("#desk-operator").fill("A. Clerk")
    desk.locator("#desk-rows button").last.click()
    expect(desk.locator("#dossier-steps")).to_contain_text("written, and sealed")
    expect(desk.locator("#dossier-steps")).not_to_contain_text(question)
    desk.locator("#read-reason").fill("to answer it")
    desk.locator("#read-form button").click()
    expect(desk.locator("#dossier-steps")).to_contain_text(question)
    desk.locator("#dossier-actions button", has_text="Answer").click()
    desk.locator("#deed-text").fill("Sealed, in our own database.")
    desk.locator("#deed-yes").click()
    expect(desk.locator("#dossier-steps")).to_contain_text("Answered – A. Clerk")

    page.reload()
    expect(page.locator("#request-list .pill")).to_have_text("Answered")
    page.locator("#request-list summary").click()
    expect(page.locator("#request-list details")).to_contain_text("to answer it")
    expect(page.locator("#request-list details")).to_contain_text("Sealed, in our own database.")
    expect(page.locator("#request-list details")).not_to_contain_text("A. Clerk")


@pytest.mark.parametrize(
    ("language", "sent"), [("en-US", "A mail with a link is on its way"), ("ru-RU", "Письмо со ссылкой отправлено")]
)
def test_who_has_no_session_asks_for_a_link_on_a_phone(
    visit: Open, suite: RunningSuite, language: str, sent: str
) -> None:
    visitor = visit(f"{suite.url}/requests", language=language, width_px=390, height_px=844)
    page = visitor.page
    assert fits(page)
    page.locator("#letters-email").fill(visitor.email)
    page.locator("#letters button").click()
    expect(page.locator("#letters .said")).to_contain_text(sent)

    page.goto(f"{suite.url}/requests/link#{secrets.token_urlsafe(32)}")
    assert fits(page)
    assert "#" not in page.url
    page.locator("#letter-link button").click()
    expect(page.locator("#letter-link .said")).not_to_be_empty()
    assert page.url.endswith("/requests/link")


def test_a_restriction_is_lifted_where_it_was_asked_for_in_russian(visit: Open, suite: RunningSuite) -> None:
    visitor = visit(suite.url)
    visitor.sign_up()
    page = visitor.page
    page.goto(f"{suite.url}/requests?lang=ru")
    page.locator("#request-kind").select_option("restrict")
    page.locator("#request-form button.main").click()
    expect(page.locator("#request-form .said")).to_contain_text("Готово")
    expect(page.locator("#request-list")).to_contain_text("Ваши данные хранятся и не используются")

    page.locator("#request-list button", has_text="Снять ограничение").click()
    page.locator("#ask [data-do=yes]").click()
    expect(page.locator("#request-list")).not_to_contain_text("Ваши данные хранятся и не используются")
