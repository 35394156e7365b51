"""The published pages: made from the policy that counts at policy time, once for each version, language and page."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lethe_common.clock import Clock
from lethe_common.policy import Policy, PolicyBook, pages
from lethe_common.policy.languages import Language
from lethe_common.policy.pages import Frame, Link, Page
from lethe_common.policy.words import words_in

Name = Literal["policy", "notice", "cookies", "processors", "versions", "record"]
ADDRESSES: Mapping[Name, str] = {
    "policy": "/privacy",
    "notice": "/privacy/notice",
    "cookies": "/privacy/cookies",
    "processors": "/privacy/processors",
    "versions": "/privacy/versions",
}
"""The public pages. The record is for operators, on the console's application."""
LOG_ADDRESS = "/certificates"
"""Where the newest head of the log of certificates is published, beside the policy."""

_MADE: Mapping[Name, Callable[[Policy, Language], Page]] = {
    "policy": pages.policy_page,
    "notice": pages.notice_page,
    "cookies": pages.cookies_page,
    "processors": pages.processors_page,
    "record": pages.record_page,
}
_KEPT_MOST = 128


@dataclass(frozen=True, slots=True)
class Document:
    """A page as it is sent, named by its content's tag."""

    html: str
    etag: str


class Published:
    """Renders and keeps pages. `stylesheet` is the address of the sheet of the pages around them."""

    def __init__(self, book: PolicyBook, clock: Clock, *, stylesheet: str) -> None:
        self._book, self._clock, self._stylesheet = book, clock, stylesheet
        self._made: dict[tuple[str, Language, str, str | None], Document] = {}

    @property
    def in_force(self) -> Policy:
        """The version that counts now."""
        return self._book.governing(self._clock.now())

    def document(self, name: Name, language: Language) -> Document:
        """One page of the version that counts now; the one that comes next is told on it, with its date.

        Raises:
            UnclaimedSentence: a sentence has no clause; nothing of such a page is shown.
        """
        now = self._clock.now()
        return self._kept(name, language, now, lambda: self._render(name, language, now))

    def version(self, number: int, language: Language) -> Document | None:
        """The full text of one version, past, in force or coming; None when there is no such version.

        Raises:
            UnclaimedSentence: as `document`.
        """
        now = self._clock.now()
        page = pages.version_page(self._book, number, language, now)
        if page is None:
            return None
        policy = next(one for one in self._book.versions if one.version == number)
        return self._kept(f"version {number}", language, now, lambda: self._framed(page, links(language), policy))

    def _kept(self, name: str, language: Language, now: datetime, make: Callable[[], Document]) -> Document:
        policy, coming = self._book.governing(now), self._book.next_after(now)
        key = (name, language, policy.hash, coming.hash if coming else None)
        document = self._made.get(key)
        if document is None:
            document = self._made[key] = make()
            while len(self._made) > _KEPT_MOST:
                self._made.pop(next(iter(self._made)))
        return document

    def record_csv(self, language: Language) -> str:
        """The record of processing of the version that counts now, for a spreadsheet."""
        return pages.record_csv(self.in_force, language)

    def _render(self, name: Name, language: Language, now: datetime) -> Document:
        policy, coming = self._book.governing(now), self._book.next_after(now)
        page = pages.versions_page(self._book, language, now) if name == "versions" else _MADE[name](policy, language)
        if coming is not None:
            page = pages.with_coming(page, coming)
        others = () if name == "record" else links(language, name)
        return self._framed(page, others, policy)

    def _framed(self, page: Page, others: tuple[Link, ...], policy: Policy) -> Document:
        html = pages.render(page, Frame(self._stylesheet, "/", others, policy.languages, ADDRESSES["versions"]))
        return Document(html, hashlib.sha256(html.encode()).hexdigest()[:16])


def links(language: Language, current: Name | None = None) -> tuple[Link, ...]:
    """The public pages, as every page links to them."""
    words = words_in(language)
    made = tuple(Link(address, words(f"page.link.{name}"), name == current) for name, address in ADDRESSES.items())
    return *made, Link(LOG_ADDRESS, words("page.link.certificates"), is_current=False)
