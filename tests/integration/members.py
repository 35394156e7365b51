"""A service reduced to its frame: its schema with outbox, inbox and parked messages, its bus, and test handlers."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sqlalchemy import MetaData

from lethe_common.bus import Bus
from lethe_common.bus.dispatcher import BatchHandler, Handler
from lethe_common.database import Database
from lethe_common.database.migration import Schema, migrate, turn_partitions
from lethe_common.events.envelope import Event
from lethe_common.process import end
from lethe_common.services import Service
from lethe_common.settings import ServiceSettings
from lethe_common.telemetry import Metrics
from tests.servers import RunningServers

PROFILE = Path(__file__).parents[2] / "deploy/profiles/aisora2"


@dataclass
class Member:
    """One service's seat, without the service's own rooms."""

    service: Service
    settings: ServiceSettings
    database: Database
    bus: Bus
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def tell(self, *events: Event) -> None:
        async with self.database.transaction() as tx:
            for event in events:
                tx.tell(event)

    async def tell_each(self, *events: Event) -> None:
        """Each in a message of its own."""
        for event in events:
            await self.tell(event)

    async def hear(
        self, handlers: Mapping[type[Event], Handler], batch: Mapping[type[Event], BatchHandler] | None = None
    ) -> None:
        self.work(*await self.bus.consume(self.database, handlers, batch or {}))

    def work(self, *workers: Callable[[], Awaitable[None]]) -> None:
        self.tasks += [asyncio.ensure_future(worker()) for worker in workers]


def settings_of(servers: RunningServers, service: Service, **changes: Any) -> ServiceSettings:
    """A service's settings against the test's servers."""
    with patch.dict(os.environ, servers.environment(service)):
        return ServiceSettings(profile=PROFILE, **changes)


@asynccontextmanager
async def members(servers: RunningServers, *services: Service, **changes: Any) -> AsyncIterator[dict[Service, Member]]:
    """Fresh frames for these services. Streams of the others are declared too, so that nobody waits for an owner."""
    await servers.empty_schemas()
    await remove_streams(servers)
    opened = {service: await _open(servers, service, **changes) for service in Service}
    try:
        yield {service: opened[service] for service in services}
    finally:
        for member in opened.values():
            assert not await end(member.tasks, 5), "a worker did not stop when it was told to"
            await member.bus.close()
            await member.database.close()


async def remove_streams(servers: RunningServers) -> None:
    """Start from an empty NATS store. Services may not delete streams; the store goes while the server is down."""
    await asyncio.to_thread(servers.stop, "nats")
    await asyncio.to_thread(wipe_nats, servers)
    await asyncio.to_thread(servers.start, "nats")


def wipe_nats(servers: RunningServers) -> None:
    """Delete everything the stopped NATS server keeps."""
    shutil.rmtree(nats_store(servers), ignore_errors=True)


def nats_store(servers: RunningServers) -> Path:
    """Where the NATS server keeps its streams."""
    return servers.data / "nats" / "store"


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    """Poll until something is true; the test fails by time-out otherwise."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


async def _open(servers: RunningServers, service: Service, **changes: Any) -> Member:
    settings, metrics = settings_of(servers, service, **changes), Metrics()
    bus = Bus(service, settings, metrics)
    nowhere = servers.data / "no-revisions"
    nowhere.mkdir(exist_ok=True)
    await migrate(
        settings.database_owner_url.get_secret_value(), Schema(service.value, service.value, nowhere, MetaData())
    )
    url = settings.database_url.get_secret_value()
    database = await Database.open(url, service, size=4, on_told=bus.relay.wake)
    await turn_partitions(database.pool, 3, 7)
    await bus.open()
    return Member(service, settings, database, bus)
