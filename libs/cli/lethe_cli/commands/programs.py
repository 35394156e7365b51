"""`lethe service …`: look at and act on single programs of a running suite."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from lethe_cli.commands.options import DEFAULT_DATA, Data

if TYPE_CHECKING:
    from lethe_cli.local.control import Verb

app = typer.Typer(
    help="Single programs of a running suite: postgres, nats, s3, gateway, jobs, billing, retention, privacy.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(help="The program, as `lethe service status` names it.")]


@app.command()
def status(*, data: Data = DEFAULT_DATA) -> None:
    """Show every program: its state, its process, how often it was restarted."""
    _ask_and_show(data, "status")


@app.command()
def stop(name: Name, *, data: Data = DEFAULT_DATA) -> None:
    """Stop one program and leave it stopped, to see how the others bear it."""
    _ask_and_show(data, "stop", name)


@app.command()
def start(name: Name, *, data: Data = DEFAULT_DATA) -> None:
    """Start a stopped program; returns when it serves."""
    _ask_and_show(data, "start", name)


@app.command()
def restart(name: Name, *, data: Data = DEFAULT_DATA) -> None:
    """Stop and start one program; returns when it serves."""
    _ask_and_show(data, "restart", name)


@app.command()
def kill(name: Name, *, data: Data = DEFAULT_DATA) -> None:
    """Kill one program with SIGKILL, as an accident would. It is restarted by itself."""
    _ask_and_show(data, "kill", name)


def _ask_and_show(data: Path, command: "Verb", name: str | None = None) -> None:
    from lethe_cli.local.control import ask

    table = Table(box=None, pad_edge=False)
    for column in ("program", "state", "process", "restarts"):
        table.add_column(column)
    for program in ask(data, command, name):
        table.add_row(program.name, program.state.value, str(program.pid or "-"), str(program.restarts))
    Console().print(table)
