"""What the product makes of a policy: every sentence and cell, every deadline, every use, under the oracle's keys."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cache

from lethe_common import consents
from lethe_common.policy import Catalogue, Policy, PolicyBook, pages
from lethe_common.policy.errors import UnknownPeriod
from lethe_common.policy.pages import Page
from lethe_common.policy.rules import Fact
from lethe_common.purposes import Standing, uses_of
from lethe_gateway.pages import terms_of
from tests.generator.expected_effects import NO_PERIOD, Due, Item
from tests.generator.expected_pages import TABLES_OF, Key, rows
from tests.generator.reading import Document

_MADE = {
    "policy": pages.policy_page,
    "cookies": pages.cookies_page,
    "notice": pages.notice_page,
    "processors": pages.processors_page,
    "record": pages.record_page,
}


def published(policy: Policy, document: Document) -> dict[Key, object]:
    """All pages in all languages of the policy, and the record as a spreadsheet."""
    found: dict[Key, object] = {}
    for language in policy.languages:
        for name, make in _MADE.items():
            found |= {
                (language, name, *rest): told for rest, told in of_page(make(policy, language), name, policy, document)
            }
        lines = csv.reader(io.StringIO(pages.record_csv(policy, language)))
        found |= spreadsheet(lines, document, language)
    return found


def of_page(page: Page, name: str, policy: Policy, document: Document) -> Iterator[tuple[Key, object]]:
    """One page, piece by piece. Its hash is the file's and no piece of it."""
    yield ("service",), page.service
    yield ("version",), page.imprint[0]
    yield ("languages",), policy.languages
    tables = list(TABLES_OF[name])
    for block in page.blocks:
        for line in block.lines:
            (clause,) = line.clauses
            yield (block.id, clause), (line.language, line.text)
        if block.table is not None:
            table = tables.pop(0)
            assert block.id == f"table-{table}"
            cells = [(row.clauses, row.cells) for row in block.table.rows]
            yield from _rows(document, table, page.language, cells)
    assert not tables


def due(book: PolicyBook, item: Item, turn: datetime) -> Due:
    """When an item is due at the instant at which the book's newest version takes effect."""
    try:
        return book.due_at(item.category, item.held, _facts(item), turn)
    except UnknownPeriod:
        return NO_PERIOD


def told_at(policy: Policy, item: Item, due_at: Due) -> datetime | None:
    """When its owner hears that it goes."""
    started_at = item.facts.get(policy.starts_with(item.category))
    if started_at is None or isinstance(due_at, str):
        return None
    return policy.notice_at(item.category, started_at, due_at)


def uses(policy: Policy, asked: Iterable[Key]) -> dict[Key, bool]:
    """What the purpose gate answers to each question. What people are asked for follows from the same declaration."""
    gate = uses_of(policy)
    found: dict[Key, bool] = {}
    for key in asked:
        _, category, purpose, standing = key
        found[key] = bool(gate.allowed(category, purpose, _standing(purpose, standing)))
    return found


def asked_of(policy: Policy) -> dict[Key, object]:
    """What people are asked under a policy, in each of its languages."""
    return {
        (language, "asked", purpose): one
        for language in policy.languages
        for purpose, one in consents.asked(policy, language).items()
    }


def terms(policy: Policy, catalogue: Catalogue) -> dict[Key, object]:
    """What the studio promises beside its forms; credits are the catalogue's."""
    told = asdict(terms_of(policy, catalogue))
    return {("studio", name): value for name, value in told.items() if name != "credits"}


@cache
def _facts(item: Item) -> dict[Fact, datetime]:
    return {Fact(fact): at for fact, at in item.facts.items()}


@cache
def _standing(purpose: str, standing: str) -> Standing:
    one = frozenset({purpose})
    return Standing(one if standing == "consented" else frozenset(), one if standing == "objected" else frozenset())


def _rows(
    document: Document, table: str, language: str, found: Sequence[tuple[tuple[str, ...], tuple[str, ...]]]
) -> Iterator[tuple[Key, object]]:
    wanted = rows(document, table, language)
    for (name, (_, columns)), (clauses, cells) in zip(wanted.items(), found, strict=True):
        yield (f"table-{table}", name, "clauses"), clauses
        for column, cell in zip(columns, cells, strict=True):
            yield (f"table-{table}", name, column), cell


def spreadsheet(lines: Iterable[Sequence[str]], document: Document, language: str) -> dict[Key, object]:
    """The rows of the record's spreadsheet, without their headings."""
    _, *rows_ = lines
    found = [(tuple(line[-1].split()), tuple(line[:-1])) for line in rows_]
    return {(language, "csv", *rest): told for rest, told in _rows(document, "processing", language, found)}
