"""`lethe clock …`: the virtual clock of a running suite."""

from typing import Annotated

import typer
from rich.console import Console

from lethe_cli.commands.options import DEFAULT_DATA, Data

app = typer.Typer(
    help="Policy time of a suite that was started with `lethe up --virtual-clock`.",
    no_args_is_help=True,
)


@app.command()
def show(*, data: Data = DEFAULT_DATA) -> None:
    """Print policy time."""
    from lethe_cli.local import clock

    Console(soft_wrap=True, highlight=False).print(clock.now(data).isoformat())


@app.command()
def advance(
    duration: Annotated[str, typer.Argument(help="How far: an ISO 8601 duration, for example P7D or PT1H.")],
    *,
    data: Data = DEFAULT_DATA,
    timeout_seconds: Annotated[float, typer.Option(help="How long to wait for every service.")] = 120.0,
) -> None:
    """Move policy time forward; returns when every service has done what was due by then."""
    from lethe_cli.local import clock

    moved = clock.advance(data, duration, timeout_seconds)
    Console(soft_wrap=True, highlight=False).print(
        f"Policy time is {moved.isoformat()}; every service has done what was due."
    )
