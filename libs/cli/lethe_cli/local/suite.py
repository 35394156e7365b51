"""One suite: servers, services, log, control socket and runtime file, from start to stop."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from lethe_cli.local import minio_server, ports, profiles, seaweed, secrets
from lethe_cli.local.bucket import BUCKET
from lethe_cli.local.children import Nursery, forbid_core_dumps
from lethe_cli.local.control import ControlSocket
from lethe_cli.local.folder import DataFolder
from lethe_cli.local.forkserver import ForkServer
from lethe_cli.local.logbook import Logbook
from lethe_cli.local.logdays import keep_days
from lethe_cli.local.nats_server import NatsServer
from lethe_cli.local.postgres import Postgres
from lethe_cli.local.programs import Program
from lethe_cli.local.runtime import Runtime
from lethe_cli.local.secrets import Secrets
from lethe_cli.local.services import PublicPorts, Replica, Servers, ServiceEnvironment, program
from lethe_cli.local.supervisor import Supervisor
from lethe_common.clock import RealClock, read_virtual, wall, write_virtual
from lethe_common.services import Service

Store = Literal["seaweed", "minio"]


@dataclass(frozen=True, slots=True)
class Options:
    """What `lethe up` was asked for. `extra` goes into every service's environment as it is.

    `replicas`: how many processes of a service, where it is not one.
    """

    data: Path
    host: str = ports.LOOPBACK
    port: int = 8080
    console_port: int = 8081
    profile: str = "aisora2"
    is_virtual: bool = False
    store: Store = "seaweed"
    is_servers_only: bool = False
    is_verbose: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)
    replicas: Mapping[Service, int] = field(default_factory=dict)


@dataclass(slots=True)
class Suite:
    """What runs."""

    folder: DataFolder
    secrets: Secrets
    runtime: Runtime
    supervisor: Supervisor
    log: Logbook
    postgres: Postgres


@contextlib.asynccontextmanager
async def running(options: Options, forkserver: ForkServer | None = None) -> AsyncIterator[Suite]:
    """Start everything, yield when all of it serves, stop everything.

    Must be entered on the main thread. A cancelled start stops what was started.
    Services are forked by the server, if there is one.

    Raises:
        CommandError: a port is taken, the folder is in use, a program is missing or does not come up.
    """
    if not options.is_servers_only:
        ports.require_free(options.port, options.host, "--port")
        ports.require_free(options.console_port, ports.LOOPBACK, "--console-port")
    profile = Path() if options.is_servers_only else profiles.find(options.profile)
    folder = DataFolder(options.data.absolute())
    folder.prepare()
    with folder.lock():
        _set_clock(folder, is_virtual=options.is_virtual)
        now = _policy_time(folder, is_virtual=options.is_virtual)
        with contextlib.closing(Logbook(folder.logs, now, is_verbose=options.is_verbose)) as log:
            forbid_core_dumps()
            async with _started(options, folder, profile, log, Nursery(forkserver)) as suite:
                keeping = None if options.is_servers_only else asyncio.create_task(keep_days(log, profile, now))
                try:
                    yield suite
                finally:
                    if keeping is not None:
                        keeping.cancel()


@contextlib.asynccontextmanager
async def _started(
    options: Options, folder: DataFolder, profile: Path, log: Logbook, nursery: Nursery
) -> AsyncIterator[Suite]:
    public = PublicPorts(options.host, options.port, options.console_port)
    known = secrets.load_or_make(folder)
    servers, programs = await _servers(options, folder, known, log)
    environment = ServiceEnvironment(folder, known, servers, public, profile, options.is_virtual, options.extra)
    replicas = [] if options.is_servers_only else _replicas(options, public)
    runtime = _runtime(options, profile, servers, public, replicas)
    suite = Suite(folder, known, runtime, Supervisor(nursery, log, lambda: _note(suite)), log, servers.postgres)
    async with ControlSocket(folder, suite.supervisor):
        try:
            await servers.postgres.initialise()
            await suite.supervisor.start(programs)
            await suite.supervisor.start(program(replica, environment) for replica in replicas)
            runtime.is_ready = True
            _note(suite)
            yield suite
        finally:
            log.say("stopping")
            try:
                await suite.supervisor.stop()
            finally:
                nursery.close()
                folder.runtime.unlink(missing_ok=True)
            log.say("stopped")


def _replicas(options: Options, public: PublicPorts) -> list[Replica]:
    """Every process of every service; all but the first gateway face people at ports that are free."""
    wanted = [(service, number + 1) for service in Service for number in range(options.replicas.get(service, 1))]
    health = ports.free_ports(len(wanted))
    return [
        Replica(service, number, port, public if number == 1 else PublicPorts(public.host, *ports.free_ports(2)))
        for (service, number), port in zip(wanted, health, strict=True)
    ]


async def _servers(options: Options, folder: DataFolder, known: Secrets, log: Logbook) -> tuple[Servers, list[Program]]:
    postgres_port, nats_port, monitor_port, *store_ports = ports.free_ports(3 + seaweed.PORTS_NEEDED)
    postgres = Postgres.prepare(folder, known, postgres_port)
    nats = NatsServer(folder, known, nats_port, monitor_port)
    store: seaweed.Seaweed | minio_server.MinioServer
    if options.store == "minio":
        executable = await minio_server.build(log.say)
        store = minio_server.MinioServer(folder, known, tuple(store_ports[: minio_server.PORTS_NEEDED]), executable)
    else:
        store = seaweed.Seaweed(folder, known, tuple(store_ports))
    programs = [postgres.program(), nats.program(), store.program()]
    return Servers(postgres, nats, store.endpoint), programs


def _runtime(
    options: Options, profile: Path, servers: Servers, public: PublicPorts, replicas: list[Replica]
) -> Runtime:
    gateways = [replica.public for replica in replicas if replica.service is Service.GATEWAY]
    return Runtime(
        pid=os.getpid(),
        started_at=wall(),
        profile=str(profile),
        store=options.store,
        clock="virtual" if options.is_virtual else "real",
        url=None if options.is_servers_only else public.url,
        console_url=None if options.is_servers_only else public.console_url,
        postgres_port=servers.postgres.port,
        nats_url=servers.nats.url,
        nats_monitor_url=servers.nats.monitor_url,
        s3_endpoint=servers.s3_endpoint,
        s3_bucket=BUCKET,
        postgres_folder=str(servers.postgres.files.home),
        services=[replica.name for replica in replicas],
        health_ports={replica.name: replica.health_port for replica in replicas},
        urls=[gateway.url for gateway in gateways],
        console_urls=[gateway.console_url for gateway in gateways],
    )


def _note(suite: Suite) -> None:
    """Keep the runtime file true whenever a program changes. On a full disk it is true again after the next change."""
    suite.runtime.pids = {report.name: report.pid for report in suite.supervisor.reports() if report.pid is not None}
    try:
        suite.runtime.write(suite.folder.runtime)
    except OSError as error:
        suite.log.say(
            f"{suite.folder.runtime} cannot be written ({error.strerror}), so commands may look in the wrong place"
        )


def _policy_time(folder: DataFolder, *, is_virtual: bool) -> Callable[[], datetime]:
    return (lambda: read_virtual(folder.clock)[0]) if is_virtual else RealClock().now


def _set_clock(folder: DataFolder, *, is_virtual: bool) -> None:
    """A virtual clock starts where the folder's clock stood, else at this moment."""
    if is_virtual and not folder.clock.exists():
        write_virtual(folder.clock, wall(), 0)
