"""`lethe up`: start the suite, keep it running, stop it cleanly."""

import asyncio
import contextlib
import signal
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from lethe_cli.commands.options import DEFAULT_DATA, Data
from lethe_cli.local.ports import LOOPBACK
from lethe_common.services import Service

if TYPE_CHECKING:
    from lethe_cli.local.forkserver import ForkServer
    from lethe_cli.local.suite import Options, Suite

_REPLICAS_MOST = 9
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StoreChoice(StrEnum):
    """The S3 servers that `up` can start."""

    SEAWEED = "seaweed"
    MINIO = "minio"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(up)


def up(
    *,
    data: Data = DEFAULT_DATA,
    host: Annotated[
        str,
        typer.Option(
            help="Where studio and API listen; the console stays on loopback. Other than loopback, put TLS in front and say "
            "what people type: --set PUBLIC_URL=https://…"
        ),
    ] = LOOPBACK,
    port: Annotated[int, typer.Option(help="The port of the studio and the API.")] = 8080,
    console_port: Annotated[int, typer.Option(help="The port of the operator's console. Never publish it.")] = 8081,
    profile: Annotated[
        str, typer.Option(help="The policy and prices to run by: a name in deploy/profiles, or a folder.")
    ] = "aisora2",
    virtual_clock: Annotated[
        bool,
        typer.Option(
            "--virtual-clock",
            help="Policy time stands still and is moved by `lethe clock advance`, so that a retention of 90 days "
            "can be seen in seconds. Certificates say so.",
        ),
    ] = False,
    store: Annotated[
        StoreChoice, typer.Option(help="The S3 server. `minio` is built once from source, which takes some minutes.")
    ] = StoreChoice.SEAWEED,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting of the services without its LETHE_, as docs/operate.md lists them: --set SMTP_URL=smtp://…",
        ),
    ] = None,
    replicas: Annotated[
        list[str] | None,
        typer.Option(
            "--replicas",
            metavar="SERVICE=NUMBER",
            help="More than one process of a service: --replicas retention=2. Where further gateways listen is in "
            "runtime.json of the data folder.",
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the servers' own log lines as well.")] = False,
    servers_only: Annotated[bool, typer.Option("--servers-only", hidden=True)] = False,
) -> None:
    """Start PostgreSQL, NATS, an S3 store and the five services on this machine.

    Prints one `ready` line with the addresses once requests are served. What
    dies is restarted. Ctrl-C stops everything in order; data stays in its folder.
    """
    from lethe_cli.local.suite import Options

    # Before there is anything else: it imports the services while this process starts their servers.
    forkserver = None if servers_only else _forkserver()
    options = Options(
        data=data,
        host=host,
        port=port,
        console_port=console_port,
        profile=profile,
        is_virtual=virtual_clock,
        store=store.value,
        is_servers_only=servers_only,
        is_verbose=verbose,
        extra=_settings(settings or ()),
        replicas=_replicas(replicas or ()),
    )
    asyncio.run(serve(options, forkserver))


def _forkserver() -> "ForkServer | None":
    from lethe_cli.local.forkserver import ForkServer, can_fork

    return ForkServer.branch_off(f"lethe_{service}" for service in Service) if can_fork() else None


def _settings(pairs: Iterable[str]) -> dict[str, str]:
    """NAME=VALUE pairs as variables of the services' environment.

    Raises:
        BadParameter: one has no name or no `=`.
    """
    variables = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.replace("_", "").isalnum():
            raise typer.BadParameter("Write a setting as NAME=VALUE.", param_hint="--set")
        variables[f"LETHE_{name.removeprefix('LETHE_').upper()}"] = value
    return variables


def _replicas(pairs: Iterable[str]) -> dict[Service, int]:
    """SERVICE=NUMBER pairs.

    Raises:
        BadParameter: there is no such service, or no such number of it.
    """
    numbers = {}
    for pair in pairs:
        name, _, number = pair.partition("=")
        if name not in set(Service) or not number.isdigit() or not 0 < int(number) <= _REPLICAS_MOST:
            hint = f"Write SERVICE=NUMBER, the number up to {_REPLICAS_MOST}. Services: {', '.join(Service)}."
            raise typer.BadParameter(hint, param_hint="--replicas")
        numbers[Service(name)] = int(number)
    return numbers


async def serve(options: "Options", forkserver: "ForkServer | None" = None) -> None:
    """Run a suite until a signal says stop. Further signals while stopping change nothing."""
    serving = asyncio.create_task(_serve(options, forkserver))
    is_stopping = False

    def stop() -> None:
        nonlocal is_stopping
        if not is_stopping:
            is_stopping = True
            serving.cancel()

    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


async def _serve(options: "Options", forkserver: "ForkServer | None") -> None:
    from lethe_cli.local.suite import running

    async with running(options, forkserver) as suite:
        suite.log.say(_ready_line(suite))
        await asyncio.Event().wait()


def _ready_line(suite: "Suite") -> str:
    runtime = suite.runtime
    if runtime.url is None:
        return f"ready  postgres port {runtime.postgres_port}  nats {runtime.nats_url}  s3 {runtime.s3_endpoint}"
    return (
        f"ready  studio {runtime.url}  console {runtime.console_url}  API {runtime.url}/v1  "
        f"operator token in {suite.folder.secrets}"
    )
