"""`lethe keys …`: the recovery key, and backups of the keys that are sealed to it."""

from pathlib import Path
from typing import Annotated

import typer

from lethe_cli.commands.options import DEFAULT_DATA, Data
from lethe_cli.files import to_be_written
from lethe_cli.printing import OUT

app = typer.Typer(help="Backups of keyring and key store, sealed to a key that is kept offline.", no_args_is_help=True)
recovery = typer.Typer(help="The key that opens key backups.", no_args_is_help=True)
app.add_typer(recovery, name="recovery-key")


@recovery.command("new")
def new(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", callback=to_be_written, help="The file for the private half. Take it offline."),
    ],
    *,
    data: Data = DEFAULT_DATA,
    public: Annotated[
        Path | None, typer.Option(help="Where the service finds the public half; in the data folder unless told.")
    ] = None,
) -> None:
    """Make a recovery key. From the next rotation on, or at once with `lethe keys backup`, backups are sealed to it."""
    from lethe_cli.local.folder import DataFolder
    from lethe_cli.local.keys import new_recovery_key

    place = public or DataFolder(data).recovery_key
    new_recovery_key(output, place)
    OUT.print(f"{output}: keep it where no server can read it, in two places. It opens every key.", markup=False)
    OUT.print(f"{place}: the public half, to which backups are sealed.", markup=False)


@app.command()
def backup(*, data: Data = DEFAULT_DATA) -> None:
    """Back up the keys in use now, in place of all older backups. Each rotation does so by itself."""
    from lethe_cli.local.keys import upkeep

    OUT.print(upkeep(data, "backup"), markup=False)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="The key backup.")],
    *,
    data: Data = DEFAULT_DATA,
    recovery_key: Annotated[Path, typer.Option("--recovery-key", help="The private half of the recovery key.")],
    with_store: Annotated[
        bool, typer.Option("--with-store", help="The key store is lost, too: replace it by the backup's.")
    ] = False,
) -> None:
    """Put a lost keyring back. Stop the privacy service first: `lethe service stop privacy`."""
    from lethe_cli.local.keys import upkeep

    options = ["--recovery-key", str(recovery_key), *(["--with-store"] if with_store else [])]
    OUT.print(upkeep(data, "restore", str(file), *options), markup=False)
