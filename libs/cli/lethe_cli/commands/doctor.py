"""`lethe doctor`: what is missing or risky on this machine."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lethe_cli.commands.options import DEFAULT_DATA, Data

_STYLES = {"ok": "green", "note": "yellow", "bad": "bold red"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(
    *,
    data: Data = DEFAULT_DATA,
    port: Annotated[int, typer.Option(help="The studio's port to look at.")] = 8080,
    console_port: Annotated[int, typer.Option(help="The console's port to look at.")] = 8081,
    keyring: Annotated[
        Path | None, typer.Option(help="The keyring's folder, where it is not in the data folder.")
    ] = None,
    keyring_apart: Annotated[
        bool,
        typer.Option("--keyring-apart", help="For real people: a keyring on the data's volume is bad, not a note."),
    ] = False,
) -> None:
    """Look for what `lethe up` needs and for what could leak: programs, ports, disk, rights, core dumps, swap.

    Each finding comes with its next step. Ends with status 1 when something is bad.
    """
    from lethe_cli.local.health import Grade, examine

    console = Console(soft_wrap=True, highlight=False)
    is_bad = False
    for finding in examine(data, port, console_port, keyring=keyring, is_apart=keyring_apart):
        is_bad |= finding.grade is Grade.BAD
        console.print(f"[{_STYLES[finding.grade.value]}]{finding.grade.value:<5}[/] {finding.subject:<14} ", end="")
        console.print(finding.found, markup=False)
        if finding.next_step:
            console.print(f"      -> {finding.next_step}", markup=False)
    raise typer.Exit(1 if is_bad else 0)
