"""Finding what ran out of deliveries: by the server's advisory, and by a slow second look in case that was lost.

A process that dies in the middle of a delivery never gets to park the message
itself; after `max_deliver` the server stops delivering and says so once, on core
NATS, to whoever listens at that moment.
"""

import asyncio
import json
import uuid
from datetime import datetime, timedelta

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError

from lethe_common.bus import parking, streams
from lethe_common.bus.consumers import Consumer
from lethe_common.bus.parking import Parcel
from lethe_common.bus.pull import ConsumerGone, Pull
from lethe_common.clock import monotonic_seconds, wall
from lethe_common.database import Database, inbox
from lethe_common.errors import Unavailable
from lethe_common.settings import ServiceSettings

log = structlog.get_logger()

_ADVISORY = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES"
_LOOK_SECONDS = 5.0
# A look that begins this much later, after a store was lost, is still long before its horizon.
_EXPIRES_SECONDS = 30.0


class LostMessages:
    """Parks what one consumer's server gave up on."""

    def __init__(self, client: Client, consumer: Consumer, database: Database, settings: ServiceSettings) -> None:
        self._client, self._js = client, client.jetstream(timeout=5)
        self._consumer, self._database, self._settings = consumer, database, settings
        self._durable = f"{consumer.durable}-sweep"
        self._pull: Pull | None = None

    def reopen(self) -> None:
        """The connection came back: the store may be another one, with other messages at the sequences looked at."""
        if self._pull is not None:
            self._pull.interrupt()

    async def listen(self) -> None:
        """Hear the server's advisories from now on."""
        subject = f"{_ADVISORY}.{self._consumer.stream}.{self._consumer.durable}"
        await self._client.subscribe(subject, queue=self._consumer.durable, cb=self._on_advisory)

    async def run(self) -> None:
        """Look through the stream for ever, behind the longest time a delivery may take."""
        while True:
            try:
                await self._look()
            except (ConsumerGone, JetStreamError, nats.errors.Error, Unavailable, TimeoutError, OSError) as error:
                log.debug("lost_message_look_failed", cause=type(error).__name__)
            await asyncio.sleep(_LOOK_SECONDS)

    def horizon(self) -> timedelta:
        """After this long a message was handled, parked, or given up by the server."""
        one = self._settings.consumer_ack_wait_seconds + self._settings.consumer_retry_most_seconds
        return timedelta(seconds=one * self._settings.consumer_max_deliver + _LOOK_SECONDS)

    async def _on_advisory(self, message: Msg) -> None:
        advisory = json.loads(message.data)
        try:
            await self._park(int(advisory["stream_seq"]), int(advisory["deliveries"]))
        except (Unavailable, NotFoundError, nats.errors.Error, TimeoutError) as error:
            log.info("advisory_waits_for_sweep", stream=self._consumer.stream, cause=type(error).__name__)

    async def _look(self) -> None:
        info = await streams.wait_for(self._js, self._consumer.stream)
        await streams.declare_sweep(
            self._js, info.config.name or "", self._durable, self._consumer.subjects, self._settings.nats_replicas
        )
        pull = self._pull = Pull(
            self._client,
            self._consumer.stream,
            self._durable,
            self._settings.consumer_batch,
            expires_seconds=_EXPIRES_SECONDS,
        )
        await pull.open()
        try:
            while True:
                batch = await pull.batch()
                await self._wait_until_old(batch[-1].metadata.timestamp)
                await self._wait_until_left(pull, batch[-1].metadata.sequence.stream)
                await self._park_forgotten(batch)
                await batch[-1].ack()
        finally:
            await pull.close()

    async def _wait_until_old(self, stored_at: datetime) -> None:
        remaining = (stored_at + self.horizon() - wall()).total_seconds()
        if remaining > 0:
            await asyncio.sleep(remaining)

    async def _wait_until_left(self, pull: Pull, sequence: int) -> None:
        """Wait until the working consumer is through with everything up to here.

        A message can be old without ever having been tried: its service, or the database, was away.
        """
        give_up_at = monotonic_seconds() + self.horizon().total_seconds()
        while True:
            pull.raise_if_interrupted()
            info = await self._js.consumer_info(self._consumer.stream, self._consumer.durable)
            reached = info.delivered.stream_seq if info.delivered else 0
            floor = info.ack_floor.stream_seq if info.ack_floor else 0
            if reached < sequence:
                give_up_at = monotonic_seconds() + self.horizon().total_seconds()
            elif floor >= sequence or not info.num_ack_pending or monotonic_seconds() > give_up_at:
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def _park_forgotten(self, batch: list[Msg]) -> None:
        by_id = {event_id: message for message in batch if (event_id := _event_id(message)) is not None}
        async with self._database.pool.acquire() as connection:
            ids = list(by_id)
            settled = await inbox.known(connection, self._consumer.durable, ids)
            settled |= await parking.known(connection, self._consumer.durable, ids)
        for event_id, message in by_id.items():
            if event_id not in settled:
                await self._park(message.metadata.sequence.stream, self._settings.consumer_max_deliver)

    async def _park(self, sequence: int, deliveries: int) -> None:
        info = await self._js.stream_info(self._consumer.stream)
        message = await self._js.get_msg(self._consumer.stream, sequence, direct=True)
        parcel = Parcel(
            stream=self._consumer.stream,
            stream_created=streams.creation_of(info),
            sequence=sequence,
            subject=message.subject or "",
            headers=message.headers or {},
            data=message.data or b"",
            deliveries=deliveries,
        )
        await self._consumer.park(parcel, "deliveries_used_up")


def _event_id(message: Msg) -> uuid.UUID | None:
    try:
        return uuid.UUID((message.headers or {}).get("ce-id", ""))
    except ValueError:
        return None
