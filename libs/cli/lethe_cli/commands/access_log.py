"""`lethe access-log …`: whether the record of who opened what still is what was written."""

from pathlib import Path
from typing import Annotated

import typer

from lethe_cli.commands.options import DEFAULT_DATA, Data
from lethe_cli.files import to_be_written
from lethe_cli.printing import OUT

app = typer.Typer(
    help="The log of leases: each time a service was handed keys. It is a chain of salted commitments; what they stand "
    "for rests sealed under a key of each person.",
    no_args_is_help=True,
)


@app.command("verify")
def verify(
    *,
    data: Data = DEFAULT_DATA,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="One of `lethe access-log checkpoint`, kept elsewhere.")
    ] = None,
) -> None:
    """See that no entry was changed, taken out or put elsewhere. Ends with 0, else with 1 and the first place.

    Without a checkpoint from outside, nobody can see that the newest entries were cut off, or that all was written anew
    by somebody who has the databases.
    """
    from lethe_cli.local.keys import access_log

    options = [] if checkpoint is None else ["--checkpoint", str(checkpoint.resolve())]
    OUT.print(access_log(data, "verify", *options), markup=False)


@app.command("checkpoint")
def make_checkpoint(
    output: Annotated[
        Path, typer.Option("--output", "-o", callback=to_be_written, help="The file to write. Keep it elsewhere.")
    ],
    *,
    data: Data = DEFAULT_DATA,
) -> None:
    """Save a signed checkpoint: later checks with it notice whatever was changed before it."""
    from lethe_cli.local.keys import access_log

    OUT.print(access_log(data, "checkpoint", "--output", str(output.resolve())), markup=False)
