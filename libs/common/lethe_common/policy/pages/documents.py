"""Each published page, put together."""

from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import get_args
from urllib.parse import urlsplit

from lethe_common.policy.book import PolicyBook
from lethe_common.policy.clauses import Part
from lethe_common.policy.diff import changes, told
from lethe_common.policy.languages import Language
from lethe_common.policy.pages.content import Block, Line, Page, Table
from lethe_common.policy.pages.tables import Tables
from lethe_common.policy.policy import Policy
from lethe_common.policy.sentences import sentences
from lethe_common.policy.wording import Wording
from lethe_common.policy.words import words_in

_PARTS: tuple[Part, ...] = get_args(Part)


def policy_page(policy: Policy, language: Language) -> Page:
    """Every clause under its heading."""
    return _page(policy, language, "policy", _parts(policy, language, _PARTS))


def version_page(book: PolicyBook, number: int, language: Language, at: datetime) -> Page | None:
    """The full text of one version, in force or not at a policy time; None when there is no such version."""
    policy = next((one for one in book.versions if one.version == number), None)
    if policy is None:
        return None
    return replace(policy_page(policy, language), standing=_standing(book, policy, language, at))


def cookies_page(policy: Policy, language: Language) -> Page:
    """What is said of cookies, and every one of them."""
    blocks = _parts(policy, language, ("cookies",))
    table = Tables(policy, language).cookies()
    return _page(policy, language, "cookies", [*blocks, _block("cookies", "all", language, table)])


def notice_page(policy: Policy, language: Language) -> Page:
    """What people are told when data are collected (GDPR Art. 13)."""
    tables = Tables(policy, language)
    blocks = [
        _block("controller", "controller", language, tables.controller()),
        _block("purposes", "purposes", language, tables.purposes()),
        _block("recipients", "recipients", language, tables.recipients()),
        _block("periods", "periods", language, tables.periods()),
        _block("rights", "rights", language, tables.rights()),
    ]
    return _page(policy, language, "notice", [*blocks, *_parts(policy, language, ("rights", "transfers"))])


def processors_page(policy: Policy, language: Language) -> Page:
    """Everybody outside who receives data."""
    table = Tables(policy, language).recipients()
    blocks = [*_parts(policy, language, ("share", "transfers")), _block("recipients", "recipients", language, table)]
    return _page(policy, language, "processors", blocks)


def record_page(policy: Policy, language: Language) -> Page:
    """The record of processing activities (GDPR Art. 30)."""
    tables = Tables(policy, language)
    blocks = [
        _block("controller", "controller", language, tables.controller()),
        _block("processing", "processing", language, tables.processing()),
    ]
    return _page(policy, language, "record", blocks)


def versions_page(book: PolicyBook, language: Language, at: datetime | None = None) -> Page:
    """All versions, newest first, each with what it changed for whom.

    `at` is policy time: what takes effect later is told as coming. Without it the newest version counts.
    """
    newest, first = book.versions[-1] if at is None else book.governing(at), book.versions[0]
    blocks = [_version(older, newer, language, at) for older, newer in pairwise(book.versions)][::-1]
    opening = next(iter(_parts(first, language, _PARTS)))
    heading = f"{_told_headline(first, language, at)} · {words_in(language)('page.first')}"
    beginning = Block(f"v{first.version}", heading, opening.lines[:1], version=first.version)
    return _page(newest, language, "versions", [*blocks, beginning])


def with_coming(page: Page, coming: Policy) -> Page:
    """The same page, whose imprint also tells which version takes effect next, and when."""
    return replace(page, imprint=(*page.imprint, _coming(coming, page.language)))


def _version(older: Policy, newer: Policy, language: Language, at: datetime | None) -> Block:
    # What no clause speaks of by itself is told on the word of the clause that dates the version.
    dated = newer.claims.nearest("effective")
    lines = [
        Line(change.clauses or dated, told(change, older, newer, language), language)
        for change in changes(older, newer)
    ]
    return Block(f"v{newer.version}", _told_headline(newer, language, at), tuple(lines), version=newer.version)


def _standing(book: PolicyBook, policy: Policy, language: Language, at: datetime) -> str:
    words, wording = words_in(language), Wording(language, policy.languages[0])
    governing, following = book.governing(at), book.next_after(policy.effective_at)
    if policy.effective_at > at and policy != governing:
        effective = wording.moment(policy.effective_at.isoformat())
        return words("page.standing.coming", version=policy.version, effective=effective, now=governing.version)
    if policy != governing and following is not None:
        until = wording.moment(following.effective_at.isoformat())
        return words("page.standing.past", version=policy.version, until=until, now=governing.version)
    return ""


def _page(policy: Policy, language: Language, name: str, blocks: list[Block]) -> Page:
    words = words_in(language)
    imprint = (_headline(policy, language), words("page.hash", hash=policy.hash))
    return Page(language, words(f"page.{name}"), _host(policy), imprint, tuple(blocks))


def _host(policy: Policy) -> str:
    """What people call the service's address."""
    url = policy.content.service_url
    return urlsplit(url).hostname or url


def _told_headline(policy: Policy, language: Language, at: datetime | None) -> str:
    is_coming = at is not None and policy.effective_at > at
    return _coming(policy, language) if is_coming else _headline(policy, language)


def _coming(policy: Policy, language: Language) -> str:
    effective = Wording(language, policy.languages[0]).moment(policy.effective_at.isoformat())
    return words_in(language)("page.coming", version=policy.version, effective=effective)


def _headline(policy: Policy, language: Language) -> str:
    effective = Wording(language, policy.languages[0]).moment(policy.effective_at.isoformat())
    return words_in(language)("page.version", version=policy.version, effective=effective)


def _parts(policy: Policy, language: Language, parts: tuple[Part, ...]) -> list[Block]:
    told_all = sentences(policy, language, parts)
    blocks = []
    for part in parts:
        lines = tuple(Line((one.clause,), one.text, one.language) for one in told_all if one.part == part)
        if lines:
            blocks.append(Block(f"part-{part}", words_in(language)(f"part.{part}"), lines))
    return blocks


def _block(name: str, anchor: str, language: Language, table: Table) -> Block:
    return Block(f"table-{anchor}", words_in(language)(f"block.{name}"), table=table)
