"""The `lethe` command."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer
from rich.console import Console

from lethe_cli.commands import (
    access_log,
    accounts,
    backup,
    calendar,
    certificate,
    clock,
    demo,
    doctor,
    exports,
    generate,
    holds,
    keys,
    ledger_copies,
    mine,
    operators,
    policy,
    programs,
    registers,
    requests,
    simulation,
    training,
    up,
)
from lethe_cli.errors import CommandError
from lethe_cli.local.forkserver import Become

_INTERRUPTED = 130


def build() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        name="lethe",
        help="Runs Lethe on this machine and speaks to it. Start with `lethe up`, then `lethe generate`.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    app.callback()(_before_any)
    up.register(app)
    doctor.register(app)
    backup.register(app)
    app.add_typer(clock.app, name="clock")
    app.add_typer(programs.app, name="service")
    for module in (demo, generate, mine, accounts, calendar, operators, holds, requests, registers):
        module.register(app)
    app.add_typer(keys.app, name="keys")
    app.add_typer(ledger_copies.app, name="facts")
    app.add_typer(access_log.app, name="access-log")
    exports.register(accounts.accounts)
    app.add_typer(exports.app, name="export")
    app.add_typer(certificate.app, name="certificate")
    app.add_typer(training.app, name="training")
    simulation.register(policy.app)
    app.add_typer(policy.app, name="policy")
    return app


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"lethe {version('lethe-cli')}")
        raise typer.Exit


def _before_any(
    *,
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="Print the version and leave.")
    ] = False,
) -> None:
    """What stands before any command."""


def main() -> None:
    """Run one command; what goes wrong is one sentence on standard error. A child of `up` becomes a service here."""
    other: Become | None = None
    try:
        build()()
    except CommandError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"lethe: {error}", markup=False)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except Become as become:
        other = become
    if other is not None:
        other.run()


if __name__ == "__main__":
    main()
