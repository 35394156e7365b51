import csv
import io
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lethe_common.policy import Policy, load_book, load_policy
from lethe_common.policy.errors import UnclaimedSentence
from lethe_common.policy.languages import LANGUAGES, Language
from lethe_common.policy.pages import (
    Frame,
    Page,
    cookies_page,
    notice_page,
    policy_page,
    processors_page,
    record_csv,
    record_page,
    render,
    versions_page,
)
from lethe_common.policy.pages.content import Row
from tests.unit.common.policy_files import NAMES, PROFILES, shipped_policy, written

PAGES: tuple[Callable[[Policy, Language], Page], ...] = (
    policy_page,
    cookies_page,
    notice_page,
    processors_page,
    record_page,
)
VOID = {"meta", "link", "br", "img", "hr", "input", "!doctype"}
NAMING = {"h1", "h2", "thead", "nav", "footer", "header", "title"}


class Reader(HTMLParser):
    """Reads a page as a browser would, strictly: what is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.unclaimed: list[str] = []
        self.clauses: set[str] = set()
        self.ids: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        self.ids += [str(given["id"])] if "id" in given else []
        self.clauses |= set((given.get("data-clause") or "").split())
        if tag not in VOID:
            self.open.append((tag, given))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        is_claimed = any("data-clause" in given or "data-imprint" in given or tag in NAMING for tag, given in self.open)
        if data.strip() and not is_claimed:
            self.unclaimed.append(data.strip())


def read(document: str) -> Reader:
    reader = Reader()
    reader.feed(document)
    reader.close()
    assert reader.open == []
    return reader


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_every_page_is_whole_and_every_sentence_has_its_clause(name: str, language: Language) -> None:
    policy = shipped_policy(name)
    for page in (*(make(policy, language) for make in PAGES), versions_page(load_book(PROFILES / name), language)):
        reader = read(render(page, Frame()))

        assert reader.unclaimed == []
        assert reader.clauses <= policy.clauses.keys()
        assert len(set(reader.ids)) == len(reader.ids)


@pytest.mark.parametrize("name", NAMES)
def test_the_policys_page_tells_every_clause(name: str) -> None:
    policy = shipped_policy(name)

    assert read(render(policy_page(policy, policy.languages[0]))).clauses == policy.clauses.keys()


def test_a_page_needs_one_stylesheet_and_nothing_inline() -> None:
    page = policy_page(shipped_policy("aisora2"), "en")
    reader = read(render(page, Frame(stylesheet="/static/policy.css?v=1")))

    assert [given for tag, given in reader.tags if tag == "link"] == [
        {"rel": "stylesheet", "href": "/static/policy.css?v=1"}
    ]
    assert not [tag for tag, given in reader.tags if tag in {"script", "style"} or "style" in given]
    assert not [name for _, given in reader.tags for name in given if name.startswith("on")]
    assert ("viewport", "width=device-width, initial-scale=1") in {
        (given.get("name"), given.get("content")) for _, given in reader.tags
    }


def test_a_sentence_without_a_clause_fails_the_page() -> None:
    page = policy_page(shipped_policy("aisora2"), "en")
    first = page.blocks[0]
    orphan = replace(page, blocks=(replace(first, lines=(replace(first.lines[0], clauses=()),)),))

    with pytest.raises(UnclaimedSentence, match="This version is number 1"):
        render(orphan)


def test_a_row_without_a_clause_fails_the_page() -> None:
    page = cookies_page(shipped_policy("soframe"), "en")
    *others, listed = page.blocks
    assert listed.table is not None
    rows = tuple(replace(row, clauses=()) for row in listed.table.rows)
    orphan = replace(page, blocks=(*others, replace(listed, table=replace(listed.table, rows=rows))))

    with pytest.raises(UnclaimedSentence, match="no clause stands behind 'lethe_session"):
        render(orphan)


def test_what_the_file_says_cannot_break_out_of_its_cell(tmp_path: Path) -> None:
    written(tmp_path, ("name: Example Mail Ltd", "name: '<script>alert(1)</script>'"))
    document = render(processors_page(load_policy(tmp_path), "en"))

    assert "<script" not in document
    assert "&lt;script&gt;" in document


def test_a_sentence_in_another_language_than_its_page_says_so() -> None:
    policy = shipped_policy("soframe")
    paragraphs = [
        given for tag, given in read(render(policy_page(policy, "ru"))).tags if tag == "p" and "data-clause" in given
    ]

    assert {given.get("lang") for given in paragraphs} == {"en"}


def test_the_notice_tells_what_article_13_asks_for() -> None:
    document = render(notice_page(shipped_policy("aisora2"), "en"))

    for told in (
        "Example Video Ltd", "privacy@example.org", "National Centre", "legitimate interest (Art. 6(1)(f))", "Creem",
        "standard contractual clauses", "at most 90 days after creation", "withdrawal of consent", "objection",
    ):  # fmt: skip
        assert told in document


def test_the_record_has_one_row_for_each_category_on_the_page_and_as_csv() -> None:
    policy = shipped_policy("aisora2")
    rows = list(csv.reader(io.StringIO(record_csv(policy, "en"))))
    table = record_page(policy, "en").blocks[1].table

    assert table is not None
    assert len(rows) - 1 == len(table.rows) == len(policy.categories)
    assert len({len(row) for row in rows}) == 1
    video = next(row for row in rows if row[0] == "generated videos")
    assert "free: 7 days, basic: 30 days, standard: 60 days, pro: 90 days from its completion" in video
    assert "Cloudflare, Inc. (R2)" in video


def test_a_cell_of_the_csv_is_never_a_formula(tmp_path: Path) -> None:
    written(tmp_path, ('label: {en: "generated videos"', 'label: {en: "=1+1"'))

    assert "'=1+1" in record_csv(load_policy(tmp_path), "en")
    assert "\n=1+1" not in record_csv(load_policy(tmp_path), "en")


def test_the_versions_are_told_newest_first_with_what_each_changed(tmp_path: Path) -> None:
    written(tmp_path)
    changed = [
        ("version: 1\n", "version: 2\n"),
        ("effective: 2026-11-01", "effective: 2027-01-01"),
        ("exactly: {free: P7D", "exactly: {free: P8D"),
    ]
    written(tmp_path, *changed, name="policy-2.yaml")

    page = versions_page(load_book(tmp_path), "en")
    assert [block.heading for block in page.blocks] == [
        "Version 2, in force from 1 January 2027", "Version 1, in force from 1 November 2026 · First version",
    ]  # fmt: skip
    assert page.blocks[0].lines[0].text == "On plan free: generated videos — kept longer, 8 days instead of 7 days."
    assert page.blocks[0].lines[0].clauses == ("aisora2-42",)
    render(page)


def test_a_change_of_which_no_clause_speaks_is_told_on_the_word_of_the_one_that_dates_the_version(
    tmp_path: Path,
) -> None:
    written(tmp_path)
    changed = [
        ("version: 1\n", "version: 2\n"),
        ("effective: 2026-11-01", "effective: 2027-01-01"),
        ("identity: [password]", "identity: [external]"),
    ]
    written(tmp_path, *changed, name="policy-2.yaml")

    (line,) = versions_page(load_book(tmp_path), "en").blocks[0].lines
    assert (line.text, line.clauses) == (
        "For everybody: identity — external instead of password.",
        ("aisora2-01", "aisora2-79"),
    )


def test_a_least_period_tells_from_when_and_storage_without_end_tells_why() -> None:
    cells = {row.cells[0]: row.cells[1] for row in periods("imageshop")}

    assert cells["credit ledger"] == "at least 7 years from its creation"
    assert cells["records of consents"] == "until you ask for its deletion; at least 3 years"
    assert cells["support requests"] == (
        "until you ask for its deletion; at most 2 years without contact; so that a later question finds the earlier answer"
    )


def periods(name: str) -> tuple[Row, ...]:
    table = next(block.table for block in notice_page(shipped_policy(name), "en").blocks if block.id == "table-periods")
    assert table is not None
    return table.rows
