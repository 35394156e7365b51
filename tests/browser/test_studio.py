"""The studio as a visitor meets it: from the first page to the certificate of their erasure."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from lethe_common.certificates import verify_document
from tests.browser.conftest import Open
from tests.browser.visitor import ERASED_MS, MADE_MS
from tests.flows.steps import picture
from tests.suite import RunningSuite

# What a video is kept for on the free plan of the profile.
IN_A_WEEK = re.compile(r"^Deleted on \w+ \d{1,2}, \d{4} \(in 7 days\)$")
IN_A_WEEK_RU = re.compile(r"^Удаляется \d{1,2} [а-я]+ \d{4} г\. \(через 7 дней\)$")
PERCENT = re.compile(r"\d+ %")


def test_a_visitor_signs_up_sees_the_key_once_and_gets_the_credits_to_start_with(
    visit: Open, suite: RunningSuite
) -> None:
    visitor = visit(suite.url)

    key = visitor.sign_up()

    assert key.startswith("lethe_sk_")
    expect(visitor.page.locator("#available")).to_have_text("600")
    expect(visitor.page.locator("#email")).to_have_text(visitor.email)
    visitor.page.reload()
    expect(visitor.page.locator("#composer")).to_be_visible()
    assert key not in visitor.page.content()


def test_a_video_from_a_reference_image_is_followed_live_until_it_is_ready(visit: Open, suite: RunningSuite) -> None:
    visitor = visit(suite.url)
    page = visitor.page
    visitor.sign_up()
    page.locator("#reference").set_input_files({"name": "boat.png", "mimeType": "image/png", "buffer": picture()})
    expect(page.locator("#preview img")).to_be_visible()
    expect(page.locator("#processor")).to_have_text("It is processed on this server only; no one else receives it.")

    with page.expect_request("**/v1/videos/*/events"):
        card = visitor.order("a boat like this one", size="1280x720", seconds="8")
    with page.expect_response(lambda answer: "/content?variant=thumbnail" in answer.url, timeout=MADE_MS) as thumbnail:
        page.wait_for_function("() => document.querySelector('.video progress')?.value > 0", timeout=MADE_MS)
        expect(card.locator(".wait span")).to_have_text(PERCENT)
        expect(card.locator("button.play")).to_be_visible(timeout=MADE_MS)

    assert thumbnail.value.ok
    expect(card.locator("[data-is=facts]")).to_contain_text("credits charged")
    expect(card.locator("[data-is=kept]")).to_have_text(IN_A_WEEK)
    expect(page.locator("#preview")).to_be_hidden()


@pytest.mark.parametrize("is_lost", [True, False], ids=["lost", "away"])
def test_whoever_presses_create_again_after_a_lost_answer_gets_and_pays_one_video(
    visit: Open, suite: RunningSuite, *, is_lost: bool
) -> None:
    visitor = visit(suite.url)
    page = visitor.page
    visitor.sign_up()
    # There are credits for one such video, and not for two.
    page.locator("#prompt").fill("a boat that is ordered twice")
    page.locator("#size").select_option("1024x1792")
    page.locator("#seconds").select_option("12")

    def accept_and_lose(route: Route) -> None:
        assert route.fetch().ok
        route.abort() if is_lost else route.fulfill(status=503, json={"error": {"code": "database_away"}})

    page.route("**/v1/videos", accept_and_lose, times=1)
    create = page.locator("#create")
    expect(page.locator("#price strong")).to_have_text("360 credits")
    expect(create).to_be_enabled()
    create.click()
    expect(page.locator("#composer .said")).not_to_be_empty()
    expect(page.locator("#gallery > li")).to_have_count(0)
    expect(create).to_be_enabled()
    create.click()

    expect(page.locator("#gallery > li")).to_have_count(1)
    page.reload()
    card = page.locator("#gallery > li")
    expect(card).to_have_count(1)
    expect(page.locator("#available")).to_have_text("240")
    card.get_by_role("button", name="Delete").click()
    page.locator("#ask").get_by_role("button", name="Delete video").click()


def test_a_ready_video_plays_and_downloads(visit: Open, suite: RunningSuite) -> None:
    visitor = visit(suite.url)
    visitor.sign_up()
    card = visitor.made("birds over a winter forest")

    with visitor.page.expect_download() as download:
        card.get_by_role("link", name="Download").click()
    card.get_by_role("button", name="Play").click()

    visitor.page.wait_for_function("() => document.querySelector('.video video')?.currentTime > 0.2")
    player = card.locator("video")
    assert player.evaluate("player => [player.videoWidth, player.videoHeight, Math.round(player.duration)]") == [
        640,
        360,
        4,
    ]
    assert download.value.path().read_bytes()[4:8] == b"ftyp"


def test_deleting_asks_first_with_the_focus_on_cancel_and_ends_when_nothing_is_left(
    visit: Open, suite: RunningSuite
) -> None:
    visitor = visit(suite.url)
    visitor.sign_up()
    card = visitor.made("a hot-air balloon")
    dialog = visitor.page.locator("#ask")

    card.get_by_role("button", name="Delete").click()
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    visitor.page.keyboard.press("Escape")
    expect(card).to_be_visible()
    card.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete video").click()

    expect(card.locator("[data-is=kept]")).to_have_text("Deleted; we looked and nothing is left.", timeout=ERASED_MS)
    expect(visitor.page.locator("#empty")).to_be_visible()
    assert suite.books()["is_balanced"]


def test_who_signs_out_finds_everything_again_after_signing_in(visit: Open, suite: RunningSuite) -> None:
    visitor = visit(suite.url)
    visitor.sign_up()
    visitor.made("city lights at night")

    visitor.page.locator("#sign-out").click()
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Make a video. Know when it is gone.")
    visitor.sign_in()

    expect(visitor.page.locator("#gallery > li")).to_contain_text("city lights at night")


def test_a_wrong_password_says_what_to_do_and_nothing_about_the_account(visit: Open, suite: RunningSuite) -> None:
    visitor = visit(suite.url)

    visitor.sign_in()

    said = visitor.page.locator("#in .said")
    expect(said).to_contain_text("Address or password do not fit. Try again, or reset the password.")
    assert visitor.email not in said.inner_text()


def erase(page: Page, email: str) -> None:
    page.locator("#erase").click()
    confirm = page.locator("#erase-form button.main")
    expect(page.locator("#erase-form [data-do=cancel]")).to_be_focused()
    expect(confirm).to_be_disabled()
    page.locator("#erase-typed").fill(email)
    confirm.click()


def test_who_erases_their_account_gets_a_certificate_that_verifies(visit: Open, suite: RunningSuite) -> None:
    visitor = visit(suite.url)
    page = visitor.page
    visitor.sign_up()
    visitor.made("the last boat")

    erase(page, visitor.email)
    shown = page.locator("#certificate pre")
    expect(shown).to_be_visible(timeout=ERASED_MS)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download certificate").click()
    with suite.anonymous() as http:
        public_key = http.get("/v1/certificates/public-key").text

    assert page.evaluate("text => JSON.parse(text).payload.format", shown.inner_text())
    document = page.evaluate("text => JSON.parse(text)", download.value.path().read_text())
    assert verify_document(document, public_key)["clock"] == "virtual"
    page.reload()
    expect(shown).to_be_visible()
    page.goto(suite.url)
    visitor.sign_in()
    expect(page.locator("#in .said")).to_contain_text("Address or password do not fit.")


def test_the_studio_speaks_russian_to_who_reads_russian(visit: Open, suite: RunningSuite) -> None:
    visitor = visit(suite.url, language="ru-RU")
    page = visitor.page
    expect(page.get_by_role("heading", level=1)).to_have_text("Создайте видео. И знайте, когда его не станет.")

    visitor.sign_up()
    card = visitor.made("бумажный кораблик под дождём")

    expect(page.locator("html")).to_have_attribute("lang", "ru")
    expect(card.locator("[data-is=kept]")).to_have_text(IN_A_WEEK_RU)
    expect(card.get_by_role("button", name="Удалить")).to_be_visible()
    page.get_by_role("link", name="English").click()
    expect(page.locator("#create")).to_have_text("Create video")
    expect(page.locator("#gallery > li [data-is=kept]")).to_have_text(IN_A_WEEK)


@pytest.mark.parametrize("language", ["en-US", "ru-RU"])
def test_no_page_shows_the_name_of_a_sentence_instead_of_the_sentence(
    visit: Open, suite: RunningSuite, language: str
) -> None:
    visitor = visit(suite.url, language=language)
    front = visitor.page.inner_text("body")
    visitor.sign_up()
    visitor.made("a paper boat")
    texts = [front, visitor.page.inner_text("body"), visitor.page.locator("#erase-dialog").text_content() or ""]

    named = re.compile(r"\b(js|card|state|error|create|credits|keys|erase|account|welcome)\.[a-z_]+\b")

    assert [found.group() for text in texts for found in named.finditer(text)] == []
