"""`lethe policy …`: look for promises that cannot be kept, see the pages, compare two versions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lethe_cli.errors import PolicyRefused
from lethe_cli.printing import OUT, records
from lethe_common.clock import wall

if TYPE_CHECKING:
    from lethe_common.policy import Policy, PolicyBook
    from lethe_common.policy.languages import Language
    from lethe_common.policy.lint import Finding

app = typer.Typer(
    help="The privacy policy that is the configuration: `lint` before you publish, `diff` and `simulate` before you "
    "change, `show` what people will read.",
    no_args_is_help=True,
)

_FILE = "policy.yaml"


class Form(StrEnum):
    """What `show` prints."""

    PAGE = "page"
    COOKIES = "cookies"
    NOTICE = "notice"
    PROCESSORS = "processors"
    VERSIONS = "versions"
    ROPA = "ropa"
    CSV = "csv"
    JSON = "json"


Place = Annotated[
    Path,
    typer.Argument(
        help="A profile's folder, one of its files, or the name of a profile that comes with Lethe.", show_default=False
    ),
]
On = Annotated[
    datetime | None,
    typer.Option(
        "--on", formats=["%Y-%m-%d"], help="The day to look from (contracts and interfaces end); today if not said."
    ),
]
Tongue = Annotated[str, typer.Option("--language", "-l", help="en or ru; the policy's first one if not said.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line, for programs.")]


@app.command()
def lint(folder: Place, on: On = None, as_json: AsJson = False) -> None:
    """Find what a policy promises and cannot, or may not, promise. Ends with 1 when there is anything.

    Each finding names its line, its rule, the clauses it is about, and what to write instead.
    Of a folder with several versions it also finds one that takes effect sooner than people were promised to hear of it,
    if they hear of it on the day from which it is looked.
    A text that is still full of holes can be looked at too: what is missing is found, not refused.

    Example: `lethe policy lint deploy/profiles/aisora2`
    """
    from lethe_common.policy.lint import lint_files

    day = on.date() if on else wall().date()
    with refusals():
        found = lint_files(files_at(folder), day)
    if as_json:
        records({"file": file.name, **asdict(finding)} for file, findings in found.items() for finding in findings)
    else:
        _show_findings(found, day)
    refused = _refused(list(found))
    if refused and not as_json:
        OUT.print(f"Nothing would run on this yet:\n{refused}", markup=False)
    if refused or any(found.values()):
        raise typer.Exit(1)


@app.command()
def show(
    folder: Place,
    form: Annotated[
        Form, typer.Option("--as", help="What to print; csv is the record of processing for a spreadsheet.")
    ] = Form.PAGE,
    language: Tongue = "",
) -> None:
    """Print what people, or the authority, will read: the policy itself, cookies, the notice of Article 13, the list
    of recipients, the versions, the record of processing (`ropa`), or every value as JSON.

    Example: `lethe policy show aisora2 --as ropa --language ru`
    """
    with refusals():
        book = _book(folder)
        OUT.file.write(_printed(book, form, _language(book.versions[-1], language)) + "\n")


@app.command()
def diff(old: Place, new: Place, language: Tongue = "", as_json: AsJson = False) -> None:
    """Tell in words what a new version changes for whom, and whether notice is due before it takes effect.

    Example: `lethe policy diff deploy/profiles/aisora2 /elsewhere/policy-2.yaml`
    """
    from lethe_common.policy.diff import changes, due, told, told_notice
    from lethe_common.policy.policy import load_version

    with refusals():
        before, after = load_version(files_at(old)[-1]), load_version(files_at(new)[-1])
        tongue = _language(after, language)
        found = changes(before, after)
        sentences = [told(change, before, after, tongue) for change in found]
        notice = told_notice(due(before, after, found), wall(), tongue)
    if as_json:
        records(
            {"kind": change.kind, "way": change.way, "place": change.place, "clauses": change.clauses, "told": sentence}
            for change, sentence in zip(found, sentences, strict=True)
        )
        return
    for change, sentence in zip(found, sentences, strict=True):
        OUT.print(f"{sentence}  [{change.kind}; {', '.join(change.clauses)}]", markup=False)
    OUT.print(notice if found else "The two say the same.", markup=False)


def _show_findings(found: "dict[Path, list[Finding]]", day: date) -> None:
    for file, findings in found.items():
        for one in findings:
            about = f" {', '.join(one.clauses)}" if one.clauses else ""
            OUT.print(f"{file.name}:{one.line}: {one.rule}{about}: {one.sentence}", markup=False)
            OUT.print(f"    -> {one.advice}", markup=False)
    total = sum(map(len, found.values()))
    OUT.print(
        f"{total} finding{'' if total == 1 else 's'} in {', '.join(file.name for file in found)}, as of {day}.",
        markup=False,
    )


def _refused(files: list[Path]) -> str:
    from lethe_common.policy import PolicyError
    from lethe_common.policy.policy import load_version

    told = []
    for file in files:
        try:
            load_version(file)
        except PolicyError as error:
            told.append(str(error))
    return "\n".join(told)


def _printed(book: "PolicyBook", form: Form, language: "Language") -> str:
    from lethe_common.policy import pages

    policy = book.versions[-1]
    documents = {
        Form.PAGE: pages.policy_page,
        Form.COOKIES: pages.cookies_page,
        Form.NOTICE: pages.notice_page,
        Form.PROCESSORS: pages.processors_page,
        Form.ROPA: pages.record_page,
    }
    if form is Form.JSON:
        return policy.content.model_dump_json(by_alias=True, indent=2)
    if form is Form.CSV:
        return pages.record_csv(policy, language)
    page = pages.versions_page(book, language) if form is Form.VERSIONS else documents[form](policy, language)
    return pages.render(page, pages.Frame())


def files_at(place: Path) -> list[Path]:
    """The policy's versions at a place, in the order in which they take effect as far as their names tell."""
    from lethe_cli.local import profiles

    if place.is_file():
        return [place]
    folder = place if (place / _FILE).is_file() else profiles.find(str(place))
    return [folder / _FILE, *sorted(folder.glob("policy-*.yaml"))]


def _book(place: Path) -> "PolicyBook":
    from lethe_common.policy import PolicyBook, load_book
    from lethe_common.policy.policy import load_version

    files = files_at(place)
    return PolicyBook((load_version(place),)) if place.is_file() else load_book(files[0].parent)


def _language(policy: "Policy", wished: str) -> "Language":
    from lethe_common.policy.languages import LANGUAGES

    if not wished:
        return policy.languages[0]
    for language in LANGUAGES:
        if language == wished:
            return language
    raise PolicyRefused(f"There is no language {wished}; there are: {', '.join(LANGUAGES)}.")


@contextmanager
def refusals() -> Iterator[None]:
    """A policy that is wrong is one sentence on standard error."""
    from lethe_common.policy import PolicyError

    try:
        yield
    except PolicyError as error:
        raise PolicyRefused(str(error)) from error
