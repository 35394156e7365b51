"""`lethe facts …`: the copy of the ledger of facts, without which no backup may be restored."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from lethe_cli.commands.options import DEFAULT_DATA, Data
from lethe_cli.files import said_plainly
from lethe_cli.printing import ERR, OUT

app = typer.Typer(
    help="What people decided, which no restore may undo: its copy, and bringing it back.", no_args_is_help=True
)


@app.command()
def copy(
    *,
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder that holds the newest copy, and only that.")],
    data: Data = DEFAULT_DATA,
) -> None:
    """Copy the ledger of facts of a running suite, in place of the copy before.

    Do it every few minutes, and keep it apart from the backups: whatever people decide
    after the last copy is lost together with the ledger.
    """
    from lethe_cli.local.folder import DataFolder
    from lethe_cli.local.ledger_copies import copy as take

    columns = (TextColumn("{task.description}"), DownloadColumn(), TimeElapsedColumn())
    with said_plainly(), Progress(*columns, console=ERR, transient=True) as progress:
        copying = progress.add_task("ledger of facts", total=None)
        made = asyncio.run(
            take(DataFolder(data.absolute()), out, lambda size: progress.update(copying, completed=size))
        )
    OUT.print(
        f"{out / made.file.name}  {made.file.size_bytes / 1024**2:.1f} MiB, up to {made.ledger.number}", markup=False
    )


@app.command()
def restore(
    place: Annotated[Path, typer.Argument(help="The folder that holds the copy.")],
    *,
    data: Data = DEFAULT_DATA,
) -> None:
    """Bring the ledger of facts back where it is lost or behind its copy. The suite must stand still.

    A copy that is not ahead of the present ledger is refused. Data that remember more
    than the copy has do not start: there is no way around.
    """
    from lethe_cli.local.folder import DataFolder
    from lethe_cli.local.ledger_copies import bring_back

    made = asyncio.run(bring_back(DataFolder(data.absolute()), place, lambda text: ERR.print(text, markup=False)))
    OUT.print(
        f"The ledger of facts is at {made.ledger.number} again, as of {made.taken_at:%Y-%m-%d %H:%M} UTC. "
        "Now `lethe restore`, if the data are lost as well; otherwise `lethe up`.",
        markup=False,
    )
