"""Rows a second from the outbox to JetStream, marked as sent: the relay, and single acknowledged publishes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from nats.aio.client import Client
from pydantic import SecretStr

import lethe_gateway.migrations
from lethe_common.bus import connection, streams
from lethe_common.bus.relay import Relay, publish_singly
from lethe_common.clock import monotonic_seconds, wall
from lethe_common.database import Database, connect, outbox
from lethe_common.database.migration import Schema, migrate
from lethe_common.events.catalogue import stream_of
from lethe_common.events.jobs import GenerationRequested
from lethe_common.identifiers import GenerationId, HoldId, SubjectRef
from lethe_common.services import Service
from lethe_common.telemetry import Metrics
from lethe_gateway.models import Table
from tests.servers import RunningServers

_STREAM = stream_of(GenerationRequested.type)
_FILL = 1000
_IS_PENDING = "SELECT EXISTS (SELECT 1 FROM outbox WHERE stream_seq IS NULL)"
_RELAY_BATCH = 500
_MARKED_PER = 500


async def prepare(servers: RunningServers) -> None:
    """The gateway's schema, and all streams: a relay waits for each that its service speaks on."""
    revisions = Path(lethe_gateway.migrations.__path__[0])
    await migrate(servers.dsn("gateway_owner"), Schema("gateway", "gateway", revisions, Table.metadata))
    for service in Service:
        async with _bus(servers, service) as client:
            await streams.declare_owned(client.jetstream(), service, 1)


async def relayed(servers: RunningServers, rows: int) -> float:
    """Rows a second through the relay as the services run it."""
    await _fill(servers, rows)
    relay = Relay(
        Service.GATEWAY,
        lambda: connection.connect(_login(servers, Service.GATEWAY), Service.GATEWAY, "relay", does_reconnect=False),
        lambda: connect(servers.dsn("gateway"), "gateway"),
        Metrics(),
        batch=_RELAY_BATCH,
        poll_seconds=1.0,
    )
    async with _database(servers) as looking:
        began = monotonic_seconds()
        relaying = asyncio.create_task(relay.run())
        while await looking.fetchval(_IS_PENDING):
            await asyncio.sleep(0.02)
        took = monotonic_seconds() - began
    relaying.cancel()
    await asyncio.wait([relaying])
    return rows / took


async def published_singly(servers: RunningServers, rows: int) -> float:
    """Rows a second with 64 acknowledged publishes in flight, marked per 500."""
    await _fill(servers, rows)
    async with _bus(servers, Service.GATEWAY) as client, _database(servers) as database:
        js = client.jetstream()
        began = monotonic_seconds()
        created = await streams.created_at(js, _STREAM.name)
        while pending := await outbox.pending(database, _MARKED_PER, [_STREAM.name]):
            envelopes = [envelope for _, envelope in pending]
            sequences = await publish_singly(js, _STREAM.name, envelopes)
            await outbox.mark(database, [envelope.event_id for envelope in envelopes], sequences, created)
        return rows / (monotonic_seconds() - began)


async def _fill(servers: RunningServers, rows: int) -> None:
    database = await Database.open(servers.dsn("gateway"), Service.GATEWAY)
    try:
        for _ in range(rows // _FILL):
            async with database.transaction() as tx:
                # Told apart: what is measured is rows, and one transaction's own would share a few.
                alone = [tx.envelopes([_event(wall())]) for _ in range(_FILL)]
                await outbox.insert(tx.connection, [envelope for one in alone for envelope in one])
    finally:
        await database.close()


def _event(at: datetime) -> GenerationRequested:
    return GenerationRequested(
        generation_id=GenerationId.new(),
        subject_ref=SubjectRef.new(),
        hold_id=HoldId.new(),
        model="noop",
        width_px=1280,
        height_px=720,
        seconds=4,
        requested_at=at.astimezone(UTC),
    )


def _login(servers: RunningServers, service: Service) -> connection.Login:
    return connection.Login(servers.nats_url, service, SecretStr(servers.nats_password(service)))


@asynccontextmanager
async def _bus(servers: RunningServers, service: Service) -> AsyncIterator[Client]:
    client = await connection.connect(_login(servers, service), service, "bench")
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def _database(servers: RunningServers) -> AsyncIterator[asyncpg.Connection]:
    opened = await connect(servers.dsn("gateway"), "gateway")
    try:
        yield opened
    finally:
        await opened.close()
