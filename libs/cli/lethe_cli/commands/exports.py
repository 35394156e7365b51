"""`lethe accounts export`: a copy of all your data; `lethe export digest`: whether a copy is whole, without any network."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from lethe_cli.api import Answer, Api
from lethe_cli.errors import CommandError
from lethe_cli.files import to_be_written
from lethe_cli.printing import ERR, OUT, day, records
from lethe_cli.remote import AsJson, Key, Url, api

app = typer.Typer(help="A copy of your data, as it was saved.", no_args_is_help=True)

_LOOK_SECONDS = 0.5
_OWNER_ONLY = 0o600


def register(accounts: typer.Typer) -> None:
    """Add `export` to the group of accounts."""
    accounts.command("export")(export)


def export(
    output: Annotated[Path, typer.Option("-o", "--output", callback=to_be_written, help="The zip file to write.")],
    keep: Annotated[bool, typer.Option("--keep/--no-keep", help="Leave the copy on the server for its period.")] = True,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Take a copy of everything that is kept of you: account, prompts, videos, credits, choices. Joins one under way."""
    with api(url, api_key) as client:
        copy, digest = taken(client, output)
        if not keep:
            client.delete(f"/v1/account/export/{copy['id']}")
    if as_json:
        records([{**copy, "file": str(output), "digest": digest}])
        return
    OUT.print(f"{output}: {copy['size_bytes']} bytes, whole; digest {digest}", markup=False)
    OUT.print(
        f"The copy on the server is deleted on {day(copy['expires_at'])}." if keep else "It is deleted there now."
    )


def taken(client: Api, output: Path) -> tuple[Answer, str]:
    """Ask for a copy, wait until it is packed, download it and check it; what the service says of it, and its digest.

    Raises:
        CommandError: it ended before it was ready, or what came is not whole.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=ERR, transient=True) as progress:
        shown = progress.add_task("packing", total=None)
        copy = client.post("/v1/account/export")
        while copy["state"] == "in_progress":
            progress.update(shown, completed=copy["packed_bytes"])
            time.sleep(_LOOK_SECONDS)
            copy = client.get(f"/v1/account/export/{copy['id']}")
        if copy["state"] != "ready":
            raise CommandError("The copy was ended before it was ready. Ask again.")
        progress.update(shown, description="downloading", completed=0, total=copy["size_bytes"])
        content = f"/v1/account/export/{copy['id']}/content"
        client.download(content, output, lambda count: progress.advance(shown, count), mode=_OWNER_ONLY)
    return copy, _digest(output)


@app.command("digest")
def digest(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The zip file, as it was saved.")],
) -> None:
    """Check a copy offline and print the digest of its content. Ends with 1 and the reason when it is not whole.

    The digest is one of what is in the copy, not of how and when it was packed: two copies of the same have the same.
    """
    OUT.print(_digest(file), markup=False)


def _digest(file: Path) -> str:
    from lethe_common.exports import ArchiveInvalid, read_export

    try:
        return read_export(file).digest
    except ArchiveInvalid as error:
        raise CommandError(f"{file}: {error}") from error
