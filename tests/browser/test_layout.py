"""Small screens, keyboards and both languages: nothing runs out of the page, and the focus can always be seen."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.suite import RunningSuite

PHONES = [(390, 844), (320, 568)]
LANGUAGES = ["en-US", "ru-RU"]
TAB_STOPS = 60

_WIDER = """() => [...document.querySelectorAll('body *')].filter(it => it.checkVisibility()
    && it.getBoundingClientRect().right > innerWidth + 1 && !it.closest('.table, pre, .sr, .skip'))
    .map(it => it.tagName + '.' + it.className + '#' + it.id)"""
_SMALL = """() => [...document.querySelectorAll('main button, main .button, main input, main select, nav a, nav button')]
    .filter(it => it.checkVisibility() && it.getBoundingClientRect().height < 43.5).map(it => it.outerHTML.slice(0, 120))"""
# The focus ring of the element itself, or of the field drawn around a file input.
_FOCUSED = """() => {
  const it = document.activeElement;
  if (it === document.body) return null;
  const drawn = it.type === 'file' ? it.parentElement : it;
  const style = getComputedStyle(drawn);
  const box = drawn.getBoundingClientRect();
  return {what: it.outerHTML.slice(0, 120), ring: style.outlineStyle !== 'none' ? parseFloat(style.outlineWidth) : 0,
          inView: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth};
}"""


def fits(page: Page) -> bool:
    wide = page.evaluate(_WIDER)
    assert wide == [], "wider than the screen"
    return bool(page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"))


def stops(page: Page) -> Iterator[dict[str, object]]:
    """Everything Tab stops at, until it leaves the page."""
    for _ in range(TAB_STOPS):
        page.keyboard.press("Tab")
        stop = page.evaluate(_FOCUSED)
        if stop is None:
            return
        yield stop


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("width_px", "height_px"), PHONES)
def test_the_studio_fits_a_phone(
    visit: Open, suite: RunningSuite, language: str, width_px: int, height_px: int
) -> None:
    visitor = visit(suite.url, language=language, width_px=width_px, height_px=height_px)
    page = visitor.page
    assert fits(page)

    visitor.sign_up()
    visitor.made("a paper boat with a description that is long enough to need more than a single line of a phone")

    assert fits(page)
    assert page.evaluate(_SMALL) == []
    page.locator("#erase").click()
    assert fits(page)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("width_px", "height_px"), PHONES)
def test_the_console_fits_a_phone(
    visit: Open, suite: RunningSuite, language: str, width_px: int, height_px: int
) -> None:
    page = visit(suite.console_url, language=language, width_px=width_px, height_px=height_px).page
    assert fits(page)

    page.locator("#token").fill(suite.operator_token)
    page.locator("#operator button").click()
    expect(page.locator("#health tr")).to_have_count(5)

    assert fits(page)


def test_the_keyboard_reaches_everything_and_the_focus_is_seen(visit: Open, suite: RunningSuite) -> None:
    visitor = visit(suite.url)
    page = visitor.page
    visitor.sign_up()
    visitor.made("a boat for the keyboard")
    page.reload()
    expect(page.locator("button.play")).to_be_visible()
    expect(page.locator("#key-rows button")).to_be_visible()

    reached = list(stops(page))

    assert "skip" in str(reached[0]["what"])
    assert [stop["what"] for stop in reached if not stop["inView"]] == []
    assert [stop["what"] for stop in reached if float(str(stop["ring"])) < 2] == []
    for part in (
        'id="prompt"',
        'id="reference"',
        'id="create"',
        "play",
        "download=",
        "danger",
        'id="make-key"',
        'id="erase"',
    ):
        assert any(part in str(stop["what"]) for stop in reached), part


def test_a_whole_sign_up_needs_no_mouse(visit: Open, suite: RunningSuite) -> None:
    visitor = visit(suite.url)
    page = visitor.page
    page.locator("#tab-up").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#in-email")).to_be_visible()
    page.keyboard.press("ArrowLeft")

    for typed in (visitor.email, visitor.password, "1990"):
        page.keyboard.press("Tab")
        page.keyboard.type(typed)
    page.keyboard.press("Enter")
    expect(page.locator("#secret .secret")).not_to_be_empty()
    page.keyboard.press("Escape")

    expect(page.locator("#composer")).to_be_visible()
