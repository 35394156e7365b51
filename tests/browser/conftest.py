"""Debian's chromium in front of the suite; everything a page asks for outside this machine is refused and counted."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ViewportSize, expect, sync_playwright

from tests.browser.visitor import Visitor, guarded

_FLAGS = (
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic", "--no-first-run",
    "--disable-gpu", "--autoplay-policy=no-user-gesture-required", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
_MISSING = "The browser tests drive Debian's chromium, which is not installed: apt-get install chromium"

_TOLD_MS = 30_000
_TEST_SECONDS = 240

Open = Callable[..., Visitor]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(_TEST_SECONDS))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    assert program, _MISSING
    # Its sandbox refuses to work for root.
    flags = [*_FLAGS, "--no-sandbox"] if os.getuid() == 0 else list(_FLAGS)
    expect.set_options(timeout=_TOLD_MS)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=flags)
        yield running
        running.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """Open the address as a person with a profile of their own; afterwards nothing strange must have happened."""
    visitors: list[Visitor] = []

    def visit(url: str, *, language: str = "en-US", width_px: int = 1280, height_px: int = 860) -> Visitor:
        # Without smooth scrolling, what has the focus is in view at once.
        screen: ViewportSize = {"width": width_px, "height": height_px}
        context = browser.new_context(locale=language, viewport=screen, reduced_motion="reduce")
        visitor = guarded(context)
        visitors.append(visitor)
        visitor.page.goto(url)
        return visitor

    yield visit
    for visitor in visitors:
        visitor.page.context.close()
    assert [address for visitor in visitors for address in visitor.strangers] == [], "asked outside of this machine"
    assert [error for visitor in visitors for error in visitor.errors] == [], "errors of the pages' scripts"
