"""The frame of a service process: starts everything in order, runs it, and stops it in order."""

import asyncio
import contextlib
import gc
import importlib
import importlib.metadata
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog
import uvloop
from sqlalchemy import MetaData

from lethe_common import crashes, telemetry
from lethe_common import logging as logs
from lethe_common.announcements import Record, until_announced
from lethe_common.bus import Bus, parking
from lethe_common.bus.client import CoreListener
from lethe_common.bus.dispatcher import BatchHandler, Handler
from lethe_common.bus.requests import Answer
from lethe_common.clock import Clock, RealClock, Sweep, VirtualClock, monotonic_seconds
from lethe_common.database import Database
from lethe_common.database.migration import Schema, migrate, turn_partitions
from lethe_common.egress import DirectWay, Egress, PorterWay, Refusals
from lethe_common.egress.contracts import Contracts
from lethe_common.egress.declared import endpoints, must_be_declared, recipients_in_force, words
from lethe_common.errors import ConfigurationError, Unavailable
from lethe_common.events.envelope import Event
from lethe_common.health import HealthServer
from lethe_common.operations import operator_answers, standing
from lethe_common.policy import Catalogue, PolicyBook, Profile, load_profile
from lethe_common.register import Register
from lethe_common.replay import Apply, Replay
from lethe_common.rpc.envelope import Call
from lethe_common.services import Service
from lethe_common.settings import ServiceSettings
from lethe_common.sweeps import sweep_all

log = structlog.get_logger()

S = TypeVar("S", bound=ServiceSettings)
Worker = Callable[[], Awaitable[None]]
_SWEEP_RETRY_SECONDS = 0.2
_FIRST_RESTART_SECONDS, _MOST_RESTART_SECONDS = 0.1, 10.0
_DAYS_END_SECONDS = 3600.0
_CANCEL_AGAIN_SECONDS = 2.0
_NEW_OBJECTS_PER_COLLECTION = 20_000


@dataclass(frozen=True)
class Frame:
    """What every service is given to build itself from.

    Which version of the policy counts is asked of the book for each decision, at policy time.
    """

    service: Service
    clock: Clock
    database: Database
    bus: Bus
    book: PolicyBook
    catalogue: Catalogue
    metrics: telemetry.Metrics
    version: str
    egress: Egress


@dataclass
class Parts:
    """What a service is made of; `wiring.build` returns it."""

    handlers: Mapping[type[Event], Handler] = field(default_factory=dict)
    batch_handlers: Mapping[type[Event], BatchHandler] = field(default_factory=dict)
    answers: Mapping[type[Call[Any, Any]], Answer] = field(default_factory=dict)
    listeners: Mapping[type[Event], CoreListener] = field(default_factory=dict)
    first_answers: Mapping[type[Call[Any, Any]], Answer] = field(default_factory=dict)
    """Calls that others, and this service itself, need answered before it may work."""
    announce: Worker | None = None
    """Tells people of coming versions of the policy, as far as there are any, and notes that they were told."""
    replay: Apply | None = None
    """How facts are brought about once more; without it the service has no data that a backup could bring back."""
    waits_for_all: bool = False
    """Open only when all services have been through the facts."""
    faces: list[Worker] = field(default_factory=list)
    """Workers that run before that, to say that nothing is served yet."""
    on_open: list[Callable[[], None]] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    sweeps: list[Sweep] = field(default_factory=list)
    rare_sweeps: list[Sweep] = field(default_factory=list)
    """What nobody waits for, such as letting go of what is over: at each move of a virtual clock, else now and then."""
    on_stop: list[Worker] = field(default_factory=list)
    """Take nothing new: called first, while everything still works."""
    on_close: list[Worker] = field(default_factory=list)
    """Let go of connections: called when no worker runs any more."""


@dataclass(frozen=True)
class Blueprint(Generic[S]):
    """One service as the frame needs to know it."""

    service: Service
    settings: type[S]
    build: Callable[[Frame, S], Awaitable[Parts]]
    tables: MetaData


def run(blueprint: Blueprint[S]) -> None:
    """Run a service until SIGTERM or SIGINT. What is wrong with its configuration is said in one line, with status 1."""
    # A core dump would hold keys and prompts in clear.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        uvloop.run(_main(blueprint))
    except ConfigurationError as error:
        # Whoever set it up reads this. Where in the code it was noticed helps nobody.
        sys.exit(str(error))


async def _main(blueprint: Blueprint[S]) -> None:
    service = blueprint.service
    settings = blueprint.settings()
    logs.configure(service, settings.log_level)
    telemetry.configure(service, settings.trace_ratio)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    process = Process(blueprint, settings)
    starting = asyncio.create_task(process.start())
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        await starting
        log.info("ready", port=process.health_port, policy_hash=process.policy_hash)
        await stopped
    else:
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
    log.info("stopping")
    await process.stop()


class Process(Generic[S]):
    """A running service."""

    def __init__(self, blueprint: Blueprint[S], settings: S) -> None:
        self._blueprint, self._settings = blueprint, settings
        self._metrics = telemetry.Metrics()
        self._tasks: list[asyncio.Task[None]] = []
        self._on_stop: list[Worker] = []
        self._on_close: list[Worker] = []
        self._is_ready = False
        self._sweeping = asyncio.Lock()
        self._sweeps: list[Sweep] = []
        self._rare_sweeps: list[Sweep] = []
        self.health_port = 0
        self._health = HealthServer(self._metrics.registry, self._readiness)
        self.frame: Frame

    @property
    def policy_hash(self) -> str:
        """The policy in force."""
        return self.frame.book.governing(self.frame.clock.now()).hash

    async def start(self) -> None:
        """Migrate, connect, build, consume, answer."""
        settings = self._settings
        crashes.arm(settings.crash_folder, self._blueprint.service, is_virtual=settings.clock_file is not None)
        self.health_port = await self._health.start(settings.health_host, settings.health_port)
        profile, clock = load_profile(settings.profile), self._clock()
        contracts = Contracts(profile.book, clock, counts_seconds=settings.register_counts_seconds)
        egress = self._egress(profile.book, clock, contracts)
        await _until_there(self._migrate)
        self.frame = await self._open(profile, clock, egress)
        parts = await self._blueprint.build(self.frame, settings)
        self._on_stop, self._on_close = parts.on_stop, parts.on_close
        self._sweeps, self._rare_sweeps = parts.sweeps, parts.rare_sweeps
        bus, database = self.frame.bus, self.frame.database
        for face in parts.faces:
            self._spawn(face)
        await self._agree(parts)
        register = Register(self.frame.bus, contracts, every_seconds=settings.register_follow_seconds)
        await register.catch_up()
        followers = [register.follow, *await self._catch_up(parts)]
        await self._end_days()
        consumers = await bus.consume(database, parts.handlers, parts.batch_handlers)
        for kind, listener in parts.listeners.items():
            await bus.hear(kind, listener)
        for worker in (
            *followers,
            *parts.workers,
            bus.relay.run,
            *consumers,
            self._keep_partitions,
            self._sweep_regularly,
            self._sweep_rarely,
        ):
            self._spawn(worker)
        operators = operator_answers(
            self.frame.service, database, bus, self.frame.book, self.frame.clock, self.frame.egress.refusals
        )
        await bus.answer({**operators, **parts.answers}, self.frame.version)
        if isinstance(self.frame.clock, VirtualClock):
            clock = self.frame.clock
            self._spawn(lambda: clock.watch([self._sweep_surely]))
        self._is_ready = True
        # What was built lives as long as the process: the collector, a tenth of all time otherwise, need not look at it.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_NEW_OBJECTS_PER_COLLECTION, 20, 20)

    async def _agree(self, parts: Parts) -> None:
        """See that people were told of each version in the folder, before anything is done by one."""
        frame = self.frame
        if parts.first_answers:
            await frame.bus.answer(parts.first_answers, frame.version)
        if parts.announce is not None:
            await parts.announce()
        await until_announced(Record(frame.bus), frame.book, frame.clock)

    async def _catch_up(self, parts: Parts) -> list[Worker]:
        """Go through the facts before anything is asked, answered or worked on; the worker that goes on with it."""
        followers: list[Worker] = []
        if parts.replay is not None:
            replay = Replay(
                self.frame.database,
                self.frame.bus,
                parts.replay,
                waits_for_all=parts.waits_for_all,
                page=self._settings.facts_page,
                every_seconds=self._settings.facts_follow_seconds,
            )
            await replay.catch_up()
            followers.append(replay.follow)
        for opened in parts.on_open:
            opened()
        return followers

    async def stop(self) -> None:
        """Take nothing new, finish what is short, close everything."""
        self._is_ready = False
        for hook in self._on_stop:
            await hook()
        if hasattr(self, "frame"):
            await self.frame.bus.drain()
        await end(self._tasks, self._settings.drain_seconds)
        for hook in self._on_close:
            await hook()
        if hasattr(self, "frame"):
            await self.frame.egress.close()
            await self.frame.bus.close()
            await self.frame.database.close()
        await self._health.stop()

    async def _migrate(self) -> None:
        service = self._blueprint.service
        revisions = Path(importlib.import_module(f"lethe_{service}.migrations").__path__[0])
        schema = Schema(str(service), str(service), revisions, self._blueprint.tables)
        await migrate(self._settings.database_owner_url.get_secret_value(), schema)

    async def _open(self, profile: Profile, clock: Clock, egress: Egress) -> Frame:
        settings, service = self._settings, self._blueprint.service
        bus = Bus(service, settings, self._metrics)
        database = await Database.open(
            settings.database_url.get_secret_value(),
            service,
            size=settings.database_pool_size,
            statement_timeout_seconds=settings.database_statement_timeout_seconds,
            on_told=bus.relay.wake,
            told=self._metrics.told,
        )
        await _until_there(bus.open)
        version = importlib.metadata.version(f"lethe-{service}")
        return Frame(service, clock, database, bus, profile.book, profile.catalogue, self._metrics, version, egress)

    def _egress(self, book: PolicyBook, clock: Clock, contracts: Contracts) -> Egress:
        """The way out: through the porter where there is one, and then nothing is dialled from here."""
        settings = self._settings
        recipients = recipients_in_force(book, clock, words(settings.egress_private))
        # Before anything is connected to. Where a later version no longer declares a host, it is refused from then on.
        must_be_declared(endpoints(settings, os.environ), words(settings.own_hosts), recipients.hosts)
        file = settings.egress_socket
        way = DirectWay(recipients, lambda: clock.now().date()) if file is None else PorterWay(file)
        return Egress(recipients, way, Refusals(self._metrics.registry, clock.now), closing=contracts.closing)

    def _clock(self) -> Clock:
        file = self._settings.clock_file
        # Replicas of one service each say for themselves that they have done what was due.
        name = self._settings.process_name or str(self._blueprint.service)
        return RealClock() if file is None else VirtualClock(file, name)

    def _readiness(self) -> dict[str, object]:
        if not self._is_ready:
            return {"is_ready": False}
        return {
            "is_ready": self.frame.bus.is_connected,
            "service": self._blueprint.service,
            **standing(self.frame.book, self.frame.clock.now()).model_dump(),
            "clock": self.frame.clock.kind,
        }

    def _spawn(self, worker: Worker) -> None:
        self._tasks.append(asyncio.create_task(_for_ever(worker)))

    async def _keep_partitions(self) -> None:
        while True:
            await asyncio.sleep(_DAYS_END_SECONDS)
            await self._end_days()

    async def _end_days(self) -> None:
        """Make the coming days' partitions and drop what is over. Parked messages hold what logs may, and go as those do."""
        settings, frame = self._settings, self.frame
        await turn_partitions(frame.database.pool, settings.outbox_days, settings.inbox_days)
        kept = frame.book.governing(frame.clock.now()).shortest_timer("log")
        if kept is not None:
            await parking.forget(frame.database.pool, kept)

    async def _sweep_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._settings.sweep_seconds)
            await self._sweep(self._sweeps, self.frame.clock.now())

    async def _sweep_rarely(self) -> None:
        while True:
            await asyncio.sleep(self._settings.rare_sweep_seconds)
            await self._sweep(self._rare_sweeps, self.frame.clock.now())

    async def _sweep(self, sweeps: Sequence[Sweep], now: datetime) -> None:
        async with self._sweeping:
            await sweep_all(sweeps, now)

    async def _sweep_surely(self, now: datetime) -> None:
        """Before a move of the virtual clock is acknowledged, all that is due has run."""
        while True:
            try:
                await self._sweep([*self._sweeps, *self._rare_sweeps], now)
            except Exception:  # noqa: BLE001  the frame: logged where it failed, and tried again
                await asyncio.sleep(_SWEEP_RETRY_SECONDS)
            else:
                return


async def end(tasks: Collection[asyncio.Task[None]], within_seconds: float) -> Collection[asyncio.Task[None]]:
    """Cancel tasks, for as long as any is left; the answer is those that are left when the time is over.

    Once is not enough: before Python 3.12 `asyncio.wait_for`, by which nats-py waits, loses a cancellation that comes
    together with what it waited for (python/cpython issue 86296).
    """
    left, give_up_at = tasks, monotonic_seconds() + within_seconds
    while left and (seconds := give_up_at - monotonic_seconds()) > 0:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=min(seconds, _CANCEL_AGAIN_SECONDS))
    return left


async def _until_there(step: Worker) -> None:
    """A server that is not up yet is waited for; a wrong configuration is not."""
    delay = _FIRST_RESTART_SECONDS
    while True:
        try:
            await step()
        except (OSError, Unavailable, TimeoutError) as error:
            log.info("start_waits", cause=type(error).__name__, delay_seconds=delay)
            await asyncio.sleep(delay)
            delay = min(delay * 2, 2.0)
        else:
            return


async def _for_ever(worker: Worker) -> None:
    """A worker that ends or fails is started again, slower each time it fails soon."""
    delay = _FIRST_RESTART_SECONDS
    while True:
        began = monotonic_seconds()
        try:
            await worker()
        except Exception as error:  # noqa: BLE001  the frame: logged and started again
            log.warning("worker_failed", error=logs.describe(error), where=logs.places(error), delay_seconds=delay)
        if monotonic_seconds() - began > _MOST_RESTART_SECONDS:
            delay = _FIRST_RESTART_SECONDS
        await asyncio.sleep(delay)
        delay = min(delay * 2, _MOST_RESTART_SECONDS)
