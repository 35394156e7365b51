"""A page as HTML5: one stylesheet, no script, no inline style, so that the strictest content policy lets it through."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lethe_common.policy.errors import UnclaimedSentence
from lethe_common.policy.languages import Language
from lethe_common.policy.pages.content import Page
from lethe_common.policy.words import words_in


@dataclass(frozen=True, slots=True)
class Link:
    """Another page: where, and of what name."""

    address: str
    label: str
    is_current: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """What the server around the page has: the addresses of its stylesheet, front page, other pages and languages.

    Below `versions` lies the full text of each version, by its number.
    """

    stylesheet: str = "/static/lethe.css"
    home: str = "/"
    links: tuple[Link, ...] = ()
    languages: tuple[Language, ...] = ()
    versions: str = ""


def render(page: Page, frame: Frame | None = None) -> str:
    """The page as a document. With no frame, only what belongs inside `main`, to be put into another page.

    Raises:
        UnclaimedSentence: a sentence or row has no clause.
    """
    _refuse_unclaimed(page)
    template = _templates().get_template("fragment.html" if frame is None else "document.html")
    return template.render(page=page, frame=frame, words=words_in(page.language))


def _refuse_unclaimed(page: Page) -> None:
    for block in page.blocks:
        rows = block.table.rows if block.table else ()
        unclaimed = [line.text for line in block.lines if not line.clauses]
        unclaimed += [" | ".join(row.cells) for row in rows if not row.clauses]
        if unclaimed:
            raise UnclaimedSentence(f"{page.title}, {block.heading}: no clause stands behind '{unclaimed[0]}'.")


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip
