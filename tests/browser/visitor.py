"""A person in front of a page: what they type and press, and what their browser notices."""

import re
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request, Response, Route, expect

P = ParamSpec("P")
T = TypeVar("T")

MADE_MS, ERASED_MS = 90_000, 90_000
_OUTSIDE = re.compile(r"^(?!(http://127\.0\.0\.1[:/]|blob:http://127\.0\.0\.1[:/]|data:))")
# Chromium says this of every answer above 399, whether the page expected it or not.
_REFUSED = "Failed to load resource"


@dataclass(frozen=True, slots=True)
class Visitor:
    """A page, who is in front of it, and what should not have happened."""

    page: Page
    email: str = field(default_factory=lambda: f"visitor-{secrets.token_hex(6)}@example.org")
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    strangers: list[str] = field(default_factory=list)
    """Addresses outside of this machine that the page asked for."""
    errors: list[str] = field(default_factory=list)

    def sign_up(self) -> str:
        """A new account, its key put away; answers the key. Ends in the studio."""
        self.page.locator("#up-email").fill(self.email)
        self.page.locator("#up-password").fill(self.password)
        self.page.locator("#up-asks [data-age=birth_year]").fill("1990")
        self.page.locator("#up button").click()
        shown = self.page.locator("#secret .secret")
        expect(shown).not_to_be_empty()
        key: str = shown.inner_text()
        self.page.locator("#secret [data-do=close]").click()
        expect(self.page.locator("#composer")).to_be_visible()
        # The price is there once the model list, the sizes and the credits are.
        expect(self.page.locator("#price strong")).to_be_visible()
        return key

    def sign_in(self) -> None:
        self.page.locator("#tab-in").click()
        self.page.locator("#in-email").fill(self.email)
        self.page.locator("#in-password").fill(self.password)
        self.page.locator("#in button").click()

    def order(self, prompt: str, size: str = "640x360", seconds: str = "4") -> Locator:
        """Press Create; answers the new card."""
        self.page.locator("#prompt").fill(prompt)
        self.page.locator("#size").select_option(size)

        def is_price(answer: Response) -> bool:
            asked = answer.request.post_data_json if answer.url.endswith("/v1/quotes") else None
            return asked is not None and (asked["size"], asked["seconds"]) == (size, int(seconds))

        with self.page.expect_response(is_price):
            self.page.locator("#seconds").select_option(seconds)
        create = self.page.locator("#create")
        expect(create).to_be_enabled()
        create.click()
        card = self.page.locator("#gallery > li").filter(has_text=prompt)
        expect(card).to_be_visible()
        return card

    def made(self, prompt: str) -> Locator:
        """The card of a finished video, with its deadline."""
        card = self.order(prompt)
        expect(card.locator("button.play")).to_be_visible(timeout=MADE_MS)
        expect(card.locator("[data-is=kept]")).not_to_be_empty()
        return card


def guarded(context: BrowserContext) -> Visitor:
    """A page of the context that reaches this machine only, and tells what it tried and what went wrong."""
    visitor = Visitor(context.new_page())

    def refuse(route: Route) -> None:
        visitor.strangers.append(route.request.url)
        route.abort()

    def seen(request: Request) -> None:
        if _OUTSIDE.match(request.url):
            visitor.strangers.append(request.url)

    def said(message: ConsoleMessage) -> None:
        if message.type == "error" and _REFUSED not in message.text:
            visitor.errors.append(message.text)

    context.route(_OUTSIDE, refuse)
    context.on("request", seen)
    context.on("console", said)
    visitor.page.on("pageerror", lambda error: visitor.errors.append(str(error)))
    return visitor


def aside(work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Do something that runs an event loop of its own: playwright's is running in the test's thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work, *arguments, **named).result()
