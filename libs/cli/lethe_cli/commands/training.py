"""`lethe training …`: what people consented to have models trained with, given to trainers, sealed to their keys."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lethe_cli.api import Api
from lethe_cli.commands.holds import Operator
from lethe_cli.errors import ApiRefused, CommandError
from lethe_cli.files import to_be_written
from lethe_cli.local.folder import write_private
from lethe_cli.printing import ERR, OUT, records, table
from lethe_cli.remote import DEFAULT_DATA, AsJson, Data, console

app = typer.Typer(
    help="What people consented to have models trained with. Each item is sealed to the trainer's key that the policy "
    "names: whoever carries it reads nothing. Consent is asked at each item.",
    no_args_is_help=True,
)
Recipient = Annotated[str, typer.Argument(help="The trainer's id in the policy's list of recipients.")]
SEALED, STANDING = ".sealed", "standing.json"
_NAME = re.compile("[0-9a-f]{32}")
_PATH = "/api/training"
_ENDINGS = {"video/mp4": "mp4"}
# An item whose owner withdrew, or whose time was over, between the list and its turn.
_PASSED = frozenset({"use_refused", "processing_restricted", "gone", "not_found"})


@app.command("key")
def key(
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", callback=to_be_written, help="The file for the private half. It stays with you."
        ),
    ],
) -> None:
    """For trainers: make a key. The policy states its public half, which is printed, as `sealed_to`."""
    from lethe_common.handovers import new_key

    if output.exists():
        raise CommandError(f"{output} is there already. Choose another file: a key is never overwritten.")
    private, public = new_key()
    write_private(output, private)
    OUT.print(public, markup=False)


@app.command("show")
def show(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Show who may be given something, and how much was given to whom, by whom, on which day."""
    with console(data) as client:
        found = client.get(_PATH)
    if as_json:
        records([found])
        return
    if found["refusal"]:
        OUT.print(found["refusal"]["message"], markup=False)
    lines = [
        (one["id"], one["name"], one["refusal"]["message"] if one["refusal"] else "open") for one in found["trainers"]
    ]
    table(("trainer", "name", "state"), lines, "The policy names no trainer.")
    given = [(one["on_day"], one["recipient_id"], one["operator"], one["items"]) for one in found["given"]]
    table(("day", "trainer", "operator", "items"), given, "Nothing was given yet.")


@app.command("export")
def export(
    recipient: Recipient,
    operator: Operator,
    folder: Annotated[
        Path, typer.Option("-o", "--output", help="The folder for the items; what is there is not taken again.")
    ],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Take every item that a trainer may be given now, and the list of what it may use on.

    Example: lethe training export trainer --operator "A. Clerk" -o items
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    taken = passed = 0
    with console(data) as client, Progress(*columns, console=ERR, transient=True) as progress:
        shown = progress.add_task("listing", total=None)
        for found in _pages(client, f"{_PATH}/{recipient}/items", "items"):
            folder.mkdir(parents=True, exist_ok=True)
            missing = [one["video"] for one in found if not _is_there(folder, one["name"])]
            progress.update(shown, description="taking", total=taken + passed + len(missing))
            for video in missing:
                is_taken = _take(client, f"{_PATH}/{recipient}/items/{video}", operator, folder)
                taken, passed = taken + is_taken, passed + (not is_taken)
                progress.advance(shown)
        count = _list(client, recipient, folder / STANDING)
    if as_json:
        records([{"taken": taken, "passed": passed, "standing": count, "folder": str(folder)}])
        return
    OUT.print(
        f"{folder}: {taken} items taken, {passed} not any more; {count} may be used on ({STANDING}).", markup=False
    )


@app.command("list")
def listing(
    recipient: Recipient,
    output: Annotated[Path, typer.Option("-o", "--output", callback=to_be_written, help="The file for the list.")],
    data: Data = DEFAULT_DATA,
) -> None:
    """Write the names of what a trainer may use on now. Whatever else it has, it has to delete: give it every day."""
    with console(data) as client:
        count = _list(client, recipient, output)
    OUT.print(f"{output}: {count} items may be used on; whatever else the trainer has, has to go.", markup=False)


@app.command("open")
def opened(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The folder of sealed items.")],
    private: Annotated[Path, typer.Option("--key", exists=True, dir_okay=False, help="The private half of your key.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder for what was opened.")],
    *,
    as_json: AsJson = False,
) -> None:
    """For trainers, offline: open what may be used on, and delete what was opened before and may not any more."""
    from lethe_common.handovers import HandoverInvalid, private_key

    standing = _standing(folder)
    output.mkdir(parents=True, exist_ok=True)
    file = private
    try:
        key_ = private_key(private.read_bytes())
        for name in sorted(standing):
            file = folder / f"{name}{SEALED}"
            if file.exists() and not (output / f"{name}.json").exists():
                asyncio.run(_open(file, key_, output))
    except HandoverInvalid as error:
        raise CommandError(f"{file}: {error}") from error
    gone = _drop(folder, standing) | _drop(output, standing)
    there = len(list(output.glob("*.json")))
    if as_json:
        records([{"opened": there, "deleted": sorted(gone)}])
        return
    OUT.print(f"{output}: {there} items; {len(gone)} deleted that may not be used any more.", markup=False)


def _take(client: Api, path: str, operator: str, folder: Path) -> bool:
    """Whether an item was taken; not where its owner withdrew meanwhile, or it went."""
    item = folder / "item"
    try:
        client.download(path, item, body={"operator": operator})
    except ApiRefused as error:
        if error.code in _PASSED:
            return False
        raise
    from lethe_common.handovers import name_of

    item.replace(folder / f"{name_of(item)}{SEALED}")
    return True


def _list(client: Api, recipient: str, file: Path) -> int:
    names = [name for page in _pages(client, f"{_PATH}/{recipient}/standing", "names") for name in page]
    part = file.with_name(f"{file.name}.part")
    part.write_text(json.dumps(sorted(names)))
    part.replace(file)
    return len(names)


def _pages(client: Api, path: str, what: str) -> Iterator[list[Any]]:
    after: str | None = ""
    while after is not None:
        answer = client.get(path, after=after)
        yield answer[what]
        after = answer["after"]


def _is_there(folder: Path, name: str | None) -> bool:
    return name is not None and (folder / f"{name}{SEALED}").exists()


def _standing(folder: Path) -> frozenset[str]:
    try:
        return frozenset(json.loads((folder / STANDING).read_bytes()))
    except (OSError, ValueError) as error:
        raise CommandError(
            f"{folder / STANDING} is missing or damaged. Ask for the list; nothing is opened without it."
        ) from error


def _drop(folder: Path, standing: frozenset[str]) -> set[str]:
    """Delete items that are no longer on the list; their names. What else lies there is somebody's own."""
    gone = {file for file in folder.iterdir() if _NAME.fullmatch(file.stem) and file.stem not in standing}
    for file in gone:
        file.unlink()
    return {file.stem for file in gone}


async def _open(file: Path, private: Any, output: Path) -> None:
    from lethe_common.handovers import opened as open_item

    item = await open_item(file, private)
    part = output / f"{item.name}.part"
    with part.open("wb") as target:
        async for piece in item.content:
            target.write(piece)
    part.replace(output / f"{item.name}.{_ENDINGS.get(str(item.facts.get('media_type')), 'bin')}")
    # Last: an item is there when what is said of it is.
    (output / f"{item.name}.json").write_text(json.dumps(item.facts, ensure_ascii=False))
