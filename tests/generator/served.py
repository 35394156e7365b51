"""A published page as a browser gets it, read back into headings, sentences and rows."""

from html.parser import HTMLParser

from lethe_common.policy.languages import LANGUAGES
from lethe_common.policy.pages import Page
from lethe_common.policy.pages.content import Block, Line, Row, Table

_TEXT = frozenset({"p", "h1", "h2", "th", "td"})


def page_of(html: str) -> Page:
    """What is on a page."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    blocks = tuple(Block(anchor, "", tuple(lines), _table(rows)) for anchor, (lines, rows) in reader.blocks.items())
    service, *imprint = reader.imprint
    return Page(next(one for one in LANGUAGES if one == reader.language), reader.title, service, tuple(imprint), blocks)


def _table(rows: list[Row]) -> Table | None:
    return Table((), tuple(rows)) if rows else None


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.language, self.title = "", ""
        self.imprint: list[str] = []
        self.blocks: dict[str, tuple[list[Line], list[Row]]] = {}
        self._text: list[str] = []
        self._given: dict[str, str] = {}
        self._row: tuple[tuple[str, ...], list[str]] | None = None
        self._is_imprint = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.language = given["lang"]
        if tag == "section":
            self.blocks[given["aria-labelledby"]] = ([], [])
        if tag == "tr":
            self._row = (tuple(given["data-clause"].split()), []) if "data-clause" in given else None
        if tag == "footer":
            self._is_imprint = True
        if tag in _TEXT:
            self._text, self._given = [], given

    def handle_data(self, data: str) -> None:
        self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        text = "".join(self._text)
        if tag == "h1":
            self.title = text
        if tag in {"th", "td"} and self._row is not None:
            self._row[1].append(text)
        if tag == "tr" and self._row is not None:
            self._block[1].append(Row(self._row[0], tuple(self._row[1])))
        if tag == "p" and "data-clause" in self._given:
            clauses = tuple(self._given["data-clause"].split())
            language = next(one for one in LANGUAGES if one == self._given.get("lang", self.language))
            self._block[0].append(Line(clauses, text, language))
        elif tag == "p" and (self._is_imprint or "data-imprint" in self._given):
            self.imprint.append(text)

    @property
    def _block(self) -> tuple[list[Line], list[Row]]:
        return self.blocks[next(reversed(self.blocks))]
