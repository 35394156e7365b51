"""The relay: takes events from the outbox to JetStream, in atomic batches, and remembers where they went.

It has a NATS connection of its own that never reconnects by itself: whatever
server answers after an interruption is first compared with the outbox (rule 1
of the architecture), so nothing is published into a store whose past is unknown.
"""

import asyncio
import json
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import asyncpg
import nats.errors
import structlog
from nats.js import JetStreamContext
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError

from lethe_common import crashes
from lethe_common.bus import streams
from lethe_common.bus.lean import LeanClient, command
from lethe_common.clock import monotonic_seconds
from lethe_common.database import outbox
from lethe_common.errors import Unavailable
from lethe_common.events.catalogue import EVENTS, stream_of
from lethe_common.events.envelope import (
    BATCH_COMMIT_HEADER,
    BATCH_ID_HEADER,
    BATCH_SEQUENCE_HEADER,
    EXPECTED_STREAM_HEADER,
    MESSAGE_ID_HEADER,
    Envelope,
)
from lethe_common.services import Service
from lethe_common.telemetry import Metrics

log = structlog.get_logger()

_PUBLISHED = crashes.point("relay.published")

_PUBLISH_SECONDS = 10.0
_SINGLES_IN_FLIGHT = 64
_BATCHES_PER_LOOK, _BATCHES_IN_FLIGHT = 8, 2
_COMPARE_WINDOW = 200
_HIGHEST = 2**62
_ONE_RELAY = "SELECT pg_try_advisory_lock(hashtextextended('relay:' || $1, 0))"
_FIRST_BACKOFF_SECONDS, _MOST_BACKOFF_SECONDS = 0.05, 2.0


class BatchRefused(Unavailable):
    """The server did not take an atomic batch; its rows are sent one by one."""

    code = "batch_refused"


class Relay:
    """One service's way out. `wake` is called after each commit that told something."""

    def __init__(
        self,
        service: Service,
        connect_bus: Callable[[], Awaitable[LeanClient]],
        connect_database: Callable[[], Awaitable[asyncpg.Connection]],
        metrics: Metrics,
        *,
        batch: int,
        poll_seconds: float,
        busy_batch: int = 1,
        busy_pause_seconds: float = 0.0,
    ) -> None:
        self._service, self._metrics = service, metrics
        self._connect_bus, self._connect_database = connect_bus, connect_database
        self._batch, self._look, self._poll_seconds = batch, batch * _BATCHES_PER_LOOK, poll_seconds
        self._busy_batch, self._busy_pause_seconds = busy_batch, busy_pause_seconds
        self._told = asyncio.Event()
        self._handed: list[Envelope] = []
        self._published: set[uuid.UUID] = set()
        """What was published last."""

    def wake(self, told: Sequence[Envelope] = ()) -> None:
        """There is something to publish: these few, which need not be read again, or whatever the outbox has."""
        is_few = len(self._handed) + len(told) < self._busy_batch
        self._handed = [*self._handed, *told] if is_few else []
        self._told.set()

    async def run(self) -> None:
        """Relay for ever: one session at a time, each from a fresh look at server and outbox."""
        delay = _FIRST_BACKOFF_SECONDS
        while True:
            began = monotonic_seconds()
            try:
                await self._session()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, nats.errors.Error, Unavailable) as error:
                log.warning("relay_interrupted", error=type(error).__name__, delay_seconds=delay)
            except TimeoutError:
                log.warning("relay_interrupted", error="TimeoutError", delay_seconds=delay)
            delay = _FIRST_BACKOFF_SECONDS if monotonic_seconds() - began > _MOST_BACKOFF_SECONDS else delay
            await asyncio.sleep(delay)
            delay = min(delay * 2, _MOST_BACKOFF_SECONDS)

    async def _session(self) -> None:
        database = await self._connect_database()
        try:
            # Another replica may hold it; a lock in the database has no event to wait for.
            while not await database.fetchval(_ONE_RELAY, str(self._service)):  # noqa: ASYNC110  see above
                await asyncio.sleep(self._poll_seconds)
            client = await self._connect_bus()
            try:
                await self._relay(client, database)
            finally:
                await client.close()
        finally:
            await database.close(timeout=5)

    async def _relay(self, client: LeanClient, database: asyncpg.Connection) -> None:
        js = client.jetstream(timeout=5)
        created: dict[str, datetime] = {}
        spoken = self._spoken()
        self._handed = []
        while True:
            self._told.clear()
            # A stream whose owner never came up holds up nobody else's events.
            for stream in spoken - created.keys():
                if (found := await self._compare(js, database, stream)) is not None:
                    created[stream] = found
            rows = [(stream, one) for one in self._fresh() if (stream := stream_of(one.type).name) in created]
            rows = rows or await outbox.pending(database, self._look, list(created))
            if not rows:
                await self._wait(client)
                continue
            self._published.clear()
            await self._publish_all(client, js, database, created, rows)
            count = sum(one.count for _, one in rows)
            if self._busy_batch <= count and len(rows) < self._batch:
                # Under load a few more at once cost nearly nothing; a lone event never waits here.
                await asyncio.sleep(self._busy_pause_seconds)

    def _fresh(self) -> list[Envelope]:
        """What was handed over, but for what a look read before its commit had been told of.

        Should one be published again, the stream knows it by its id; but a batch with it in it would be refused.
        """
        handed, self._handed = self._handed, []
        return [one for one in handed if one.event_id not in self._published]

    async def _wait(self, client: LeanClient) -> None:
        try:
            # Not wait_for: before Python 3.12 it loses a cancellation that comes with the event.
            async with asyncio.timeout(self._poll_seconds):
                await self._told.wait()
        except TimeoutError:
            if not client.is_connected:
                raise nats.errors.ConnectionClosedError from None

    def _spoken(self) -> set[str]:
        mine = [kind for kind in EVENTS.values() if kind.is_stored and self._service in kind.speakers]
        return {stream_of(kind.type).name for kind in mine}

    def _batches(self, rows: list[tuple[str, Envelope]]) -> list[tuple[str, list[Envelope]]]:
        by_stream: dict[str, list[Envelope]] = defaultdict(list)
        for stream, envelope in rows:
            by_stream[stream].append(envelope)
        return [
            (stream, envelopes[start : start + self._batch])
            for stream, envelopes in by_stream.items()
            for start in range(0, len(envelopes), self._batch)
        ]

    async def _publish_all(
        self,
        client: LeanClient,
        js: JetStreamContext,
        database: asyncpg.Connection,
        created: dict[str, datetime],
        rows: list[tuple[str, Envelope]],
    ) -> None:
        """Publish and mark these rows, and those above them that are read meanwhile, for as long as each look is full.

        What was committed late, below, is found by the next look, which begins at the bottom again.
        """
        using = asyncio.Lock()  # the one database connection
        while rows:
            sending = asyncio.create_task(self._send(client, js, database, created, rows, using))
            try:
                ahead: list[tuple[str, Envelope]] = []
                if len(rows) == self._look:
                    async with using:
                        ahead = await outbox.pending(database, self._look, list(created), rows[-1][1].event_id)
                await sending
            finally:
                sending.cancel()
            rows = ahead

    async def _send(
        self,
        client: LeanClient,
        js: JetStreamContext,
        database: asyncpg.Connection,
        created: dict[str, datetime],
        rows: list[tuple[str, Envelope]],
        using: asyncio.Lock,
    ) -> None:
        """While the server stores one batch, the next is on its way and the last is marked."""
        slots = asyncio.Semaphore(_BATCHES_IN_FLIGHT)

        async def send(stream: str, envelopes: list[Envelope]) -> None:
            async with slots:
                sequences = await self._publish(client, js, stream, envelopes)
            _PUBLISHED.reached()
            async with using:
                await self._mark(database, stream, created[stream], envelopes, sequences)

        tasks = [asyncio.create_task(send(stream, envelopes)) for stream, envelopes in self._batches(rows)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _publish(
        self, client: LeanClient, js: JetStreamContext, stream: str, envelopes: list[Envelope]
    ) -> list[int]:
        if len(envelopes) > 1:
            try:
                return await publish_batch(client, envelopes)
            except BatchRefused:
                log.info("relay_batch_refused", stream=stream, count=len(envelopes))
        return await publish_singly(js, stream, envelopes)

    async def _mark(
        self,
        database: asyncpg.Connection,
        stream: str,
        created: datetime,
        envelopes: list[Envelope],
        sequences: list[int],
    ) -> None:
        event_ids = [envelope.event_id for envelope in envelopes]
        self._published.update(event_ids)
        await outbox.mark(database, event_ids, sequences, created)
        self._metrics.relayed.inc(len(envelopes))
        log.debug("relayed", stream=stream, count=len(envelopes))

    async def _compare(self, js: JetStreamContext, database: asyncpg.Connection, stream: str) -> datetime | None:
        """Find out what the stream still has of ours, and unpublish what it lost. None: it is not declared yet."""
        try:
            info = await js.stream_info(stream)
        except NotFoundError:
            return None
        created, first = streams.creation_of(info), info.state.first_seq
        matched = await self._last_match(js, database, stream, created, first)
        lost = await outbox.forget(database, stream, created, matched)
        if lost:
            self._metrics.replayed.inc(lost)
            log.warning("relay_replays", stream=stream, count=lost)
        return created

    async def _last_match(
        self, js: JetStreamContext, database: asyncpg.Connection, stream: str, created: datetime, first: int
    ) -> int:
        """The highest sequence at which the stream holds the event we remember there.

        A restored older copy is a prefix of what was, so stepping back window by
        window ends at the cut; what has aged out below `first` counts as kept.
        """
        below = _HIGHEST
        while True:
            window = await outbox.published(database, stream, created, below, _COMPARE_WINDOW)
            if not window:
                return 0
            lowest = window[-1]
            if lowest.sequence >= first and not await _holds(js, stream, lowest):
                below = lowest.sequence
                continue
            for row in window:
                if row.sequence < first or await _holds(js, stream, row):
                    return row.sequence


async def publish_batch(client: LeanClient, envelopes: list[Envelope]) -> list[int]:
    """Store all or none (NATS ADR-50) and return their sequences.

    Raises:
        BatchRefused: one of them is there already (error 10201) or the batch broke.
    """
    batch_id = uuid.uuid4().hex
    mark = f"{BATCH_ID_HEADER}: {batch_id}\r\n{BATCH_SEQUENCE_HEADER}: %d\r\n".encode()
    await client.publish_together([
        command(envelope.type, envelope.header_lines() + mark % position, envelope.data)
        for position, envelope in enumerate(envelopes[:-1], start=1)
    ])  # fmt: skip
    last = envelopes[-1]
    headers = last.headers() | {
        BATCH_ID_HEADER: batch_id,
        BATCH_SEQUENCE_HEADER: str(len(envelopes)),
        BATCH_COMMIT_HEADER: "1",
    }
    reply = await client.request(last.type, last.data, timeout=_PUBLISH_SECONDS, headers=headers)
    acknowledged = json.loads(reply.data)
    if "error" in acknowledged or acknowledged.get("count") != len(envelopes):
        raise BatchRefused("The batch was refused.")
    end = int(acknowledged["seq"])
    return list(range(end - len(envelopes) + 1, end + 1))


async def publish_singly(js: JetStreamContext, stream: str, envelopes: list[Envelope]) -> list[int]:
    """Store one by one and return their sequences; a duplicate answers where it lies."""
    slots = asyncio.Semaphore(_SINGLES_IN_FLIGHT)

    async def publish(envelope: Envelope) -> int:
        async with slots:
            headers = envelope.headers() | {EXPECTED_STREAM_HEADER: stream}
            stored = await js.publish(envelope.type, envelope.data, timeout=_PUBLISH_SECONDS, headers=headers)
            return stored.seq

    return list(await asyncio.gather(*(publish(envelope) for envelope in envelopes)))


async def _holds(js: JetStreamContext, stream: str, row: outbox.PublishedRow) -> bool:
    try:
        message = await js.get_msg(stream, row.sequence, direct=True)
    except NotFoundError:
        return False
    except JetStreamError as error:
        raise Unavailable("The stream cannot be read.") from error
    return (message.headers or {}).get(MESSAGE_ID_HEADER) == str(row.event_id)
