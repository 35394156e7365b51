"""`lethe backup` and `lethe restore`: old data that cannot undo what people decided since."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from lethe_cli.commands.options import DEFAULT_DATA, Data
from lethe_cli.files import said_plainly
from lethe_cli.printing import ERR, OUT


def register(app: typer.Typer) -> None:
    """Add both commands."""
    app.command()(backup)
    app.command()(restore)


def backup(
    *,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Where backups are kept: each gets a folder of its own in it.")
    ],
    data: Data = DEFAULT_DATA,
) -> None:
    """Back up the data of a running suite: its database, a list of its objects, how far the ledger of facts is.

    Keys are not in it, nor the ledger: a backup alone opens nothing and names nobody.
    Backups that the policy keeps no longer (`backups.keep`) are removed from the same place.
    """
    from lethe_cli.local.backing_up import Watch, back_up
    from lethe_cli.local.folder import DataFolder

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with said_plainly(), Progress(*columns, console=ERR, transient=True) as progress:
        dumping = progress.add_task("database", total=None)
        listing = progress.add_task("objects listed", total=None, visible=False)
        watch = Watch(
            dumped=lambda size: progress.update(dumping, completed=size),
            listed=lambda count: progress.update(listing, description=f"{count} objects listed", visible=True),
        )
        taken = asyncio.run(back_up(DataFolder(data.absolute()), out, watch))
    for old in taken.removed:
        OUT.print(f"removed {old}, which the policy keeps no longer", markup=False)
    size = sum(file.size_bytes for file in taken.manifest.files)
    OUT.print(
        f"{taken.folder}  {size / 1024**2:.1f} MiB, {taken.manifest.objects} objects listed, "
        f"facts up to {taken.manifest.ledger.number}",
        markup=False,
    )


def restore(
    backup: Annotated[Path, typer.Argument(help="The folder of one backup, as `lethe backup` printed it.")],
    *,
    data: Data = DEFAULT_DATA,
    is_sure: Annotated[
        bool, typer.Option("--yes", help="Do not ask: the present data are replaced and cannot be had back.")
    ] = False,
) -> None:
    """Replace the data of a suite that stands still by a backup of it.

    Keys and the ledger of facts stay the newest. At the next `lethe up` every service first
    goes through all that people decided since the backup; until then nothing is served.
    """
    from lethe_cli.local.folder import DataFolder
    from lethe_cli.local.restoring import restore as put_back

    if not is_sure:
        typer.confirm(f"Replace the data in {data} by this backup?", abort=True)
    done = asyncio.run(put_back(DataFolder(data.absolute()), backup, lambda text: ERR.print(text, markup=False)))
    OUT.print(
        f"Restored the data of {done.manifest.taken_at:%Y-%m-%d %H:%M} UTC; {done.events} events are told again. "
        f"Start with `lethe up`: it opens when all services have been through what was decided since ({done.facts}).",
        markup=False,
    )
