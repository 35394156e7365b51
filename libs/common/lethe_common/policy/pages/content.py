"""What a page holds: headings, sentences and tables, each sentence and row with the clauses behind it."""

from dataclasses import dataclass

from lethe_common.policy.languages import Language


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence."""

    clauses: tuple[str, ...]
    text: str
    language: Language


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table."""

    clauses: tuple[str, ...]
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings."""

    headings: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A heading and what stands under it. `id` is its anchor; `version` the one whose full text is elsewhere."""

    id: str
    heading: str
    lines: tuple[Line, ...] = ()
    table: Table | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A whole page. `imprint` is about the document (version, hash), not a promise; so is its `standing`: whether
    what it says is in force."""

    language: Language
    title: str
    service: str
    imprint: tuple[str, ...]
    blocks: tuple[Block, ...]
    standing: str = ""
