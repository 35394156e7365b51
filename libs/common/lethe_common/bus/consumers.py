"""Consuming events: a batch is one transaction, a failing message is tried alone, then later, then parked.

Every handler runs inside the frame's transaction together with its inbox row
and what it tells. Acknowledgement follows the commit, so a crash in between
delivers again and the inbox makes that harmless.
"""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import nats.errors
import structlog
from nats.aio.msg import Msg
from nats.js.errors import Error as JetStreamError

from lethe_common.bus import parking, streams
from lethe_common.bus.lean import LeanClient, deliveries_of
from lethe_common.bus.parking import Parcel
from lethe_common.bus.pull import ConsumerGone, Pull
from lethe_common.clock import wall
from lethe_common.database import Database, Transaction, inbox
from lethe_common.errors import LetheError, Unavailable
from lethe_common.events.catalogue import EVENTS
from lethe_common.events.envelope import Envelope, Event, Undecodable
from lethe_common.logging import describe, places
from lethe_common.settings import ServiceSettings
from lethe_common.telemetry import Metrics

log = structlog.get_logger()

_REOPEN_SECONDS = 0.2
_AWAY_FIRST_SECONDS, _AWAY_MOST_SECONDS = 0.1, 2.0

Handler = Callable[[Any, Transaction], Awaitable[None]]
"""`on_<event>(event, tx)`: load, decide, write, tell. Never commits."""
BatchHandler = Callable[[Sequence[Any], Transaction], Awaitable[None]]
"""The same for several events of one type at once."""


class NoHandler(LetheError):
    """An event arrived that this service does not handle; it is parked for a newer version."""

    code = "no_handler"


@dataclass(frozen=True, slots=True)
class Received:
    """A decoded message with what is needed to answer it."""

    message: Msg
    envelope: Envelope
    event: Event


class Dispatcher:
    """Applies events: known ones are skipped, new ones go to their handlers, in one transaction."""

    def __init__(
        self,
        database: Database,
        handlers: Mapping[type[Event], Handler],
        batch_handlers: Mapping[type[Event], BatchHandler],
        metrics: Metrics,
        lock: BatchHandler | None = None,
    ) -> None:
        self._database, self._metrics, self._lock = database, metrics, lock
        self._handlers, self._batch_handlers = dict(handlers), dict(batch_handlers)

    def decode(self, subject: str, headers: Mapping[str, str] | None, data: bytes) -> tuple[Envelope, Event]:
        """Open a message.

        Raises:
            Undecodable: it is not a well-formed event.
            NoHandler: it is one nobody here handles.
        """
        kind = EVENTS.get(subject)
        if kind is None or (kind not in self._handlers and kind not in self._batch_handlers):
            raise NoHandler("Nothing here handles this type of event.")
        envelope = Envelope.from_message(subject, headers, data)
        return envelope, envelope.open(kind)

    async def apply(
        self, consumer: str, received: Sequence[tuple[Envelope, Event]], given_up: Sequence[uuid.UUID] = ()
    ) -> None:
        """Apply those events that were not applied before, all or none.

        `given_up` are those that the server will not deliver again: parked meanwhile, they leave the parked messages.
        """
        async with self._database.transaction() as tx:
            fresh = await inbox.enter(tx, consumer, [envelope.event_id for envelope, _ in received])
            by_kind: dict[type[Event], list[Event]] = {}
            for envelope, event in received:
                if envelope.event_id in fresh:
                    fresh.discard(envelope.event_id)
                    by_kind.setdefault(type(event), []).append(event)
            if self._lock is not None and by_kind:
                await self._lock([event for events in by_kind.values() for event in events], tx)
            for kind, events in by_kind.items():
                await self.handle(kind, events, tx)
            if given_up:
                await parking.handled_after_all(tx.connection, consumer, given_up)
        for kind, events in by_kind.items():
            self._metrics.handled.labels(kind.type).inc(len(events))

    async def handle(self, kind: type[Event], events: list[Event], tx: Transaction) -> None:
        """Run the handler of one type, within the transaction given."""
        if kind in self._batch_handlers:
            await self._batch_handlers[kind](events, tx)
            return
        for event in events:
            await self._handlers[kind](event, tx)


class Consumer:
    """One durable on one stream."""

    def __init__(
        self,
        client: LeanClient,
        stream: str,
        durable: str,
        subjects: list[str],
        dispatcher: Dispatcher,
        database: Database,
        metrics: Metrics,
        settings: ServiceSettings,
    ) -> None:
        self._client, self._js = client, client.jetstream(timeout=5)
        self.stream, self.durable, self.subjects = stream, durable, subjects
        self._dispatcher, self._database, self._metrics, self._settings = dispatcher, database, metrics, settings
        self._created = wall()
        self._reopened = asyncio.Event()
        self._pull: Pull | None = None

    def reopen(self) -> None:
        """The connection came back: the store may be another one, so declare again."""
        self._reopened.set()

    async def run(self) -> None:
        """Consume for ever; a lost durable or stream is declared again."""
        while True:
            try:
                await self._consume()
            except (ConsumerGone, JetStreamError, nats.errors.Error, TimeoutError, OSError) as error:
                log.info("consumer_reopens", stream=self.stream, consumer=self.durable, cause=type(error).__name__)
                await asyncio.sleep(_REOPEN_SECONDS)

    async def _consume(self) -> None:
        info = await streams.wait_for(self._js, self.stream)
        self._created = streams.creation_of(info)
        await streams.declare_durable(self._js, self.stream, self.durable, self.subjects, self._settings)
        self._reopened.clear()
        pull = self._pull = Pull(self._client, self.stream, self.durable, self._settings.consumer_batch)
        await pull.open()
        try:
            while not self._reopened.is_set():
                batch = asyncio.ensure_future(pull.batch())
                reopened = asyncio.ensure_future(self._reopened.wait())
                await asyncio.wait({batch, reopened}, return_when=asyncio.FIRST_COMPLETED)
                reopened.cancel()
                if not batch.done():
                    batch.cancel()
                    return
                await self._take(batch.result())
                if self._settings.busy_batch <= len(batch.result()) < self._settings.consumer_batch:
                    # Under load a few more at once cost nearly nothing; a lone event never waits here.
                    await asyncio.sleep(self._settings.busy_pause_seconds)
        finally:
            await pull.close()

    async def _take(self, messages: list[Msg]) -> None:
        received = [one for message in messages if (one := await self._decode(message)) is not None]
        if not received:
            return
        try:
            await self._apply(received)
        except Exception as error:  # noqa: BLE001  the frame: each message is tried alone and answered by itself
            if len(received) == 1:
                await self._failed(received[0], error)
                return
            for one in received:
                await self._take_alone(one)
            return
        await self._client.acknowledge([one.message for one in received])

    async def _take_alone(self, one: Received) -> None:
        try:
            await self._apply([one])
        except Exception as error:  # noqa: BLE001  the frame: retried, then parked
            await self._failed(one, error)
            return
        await one.message.ack()

    async def _apply(self, received: list[Received]) -> None:
        """Apply, waiting while the database is away: away is not broken, and uses up no delivery."""
        delay, most = _AWAY_FIRST_SECONDS, self._settings.consumer_max_deliver
        given_up = [one.envelope.event_id for one in received if deliveries_of(one.message) >= most]
        while True:
            try:
                await self._dispatcher.apply(self.durable, [(one.envelope, one.event) for one in received], given_up)
            except Unavailable as error:
                log.info("consumer_waits", stream=self.stream, cause=type(error).__name__, count=len(received))
                for one in received:
                    await one.message.in_progress()
                if self._pull is not None:
                    await self._pull.hold()
                await asyncio.sleep(delay)
                delay = min(delay * 2, _AWAY_MOST_SECONDS)
            else:
                return

    async def _decode(self, message: Msg) -> Received | None:
        try:
            envelope, event = self._dispatcher.decode(message.subject, message.headers, message.data)
        except (Undecodable, NoHandler) as error:
            await self._park(message, error)
            return None
        return Received(message, envelope, event)

    async def _failed(self, one: Received, error: Exception) -> None:
        deliveries = one.message.metadata.num_delivered
        self._metrics.retried.labels(one.envelope.type).inc()
        log.warning(
            "event_failed",
            event_type=one.envelope.type,
            event_id=str(one.envelope.event_id),
            deliveries=deliveries,
            error=describe(error),
            where=places(error),
        )
        if deliveries >= self._settings.consumer_max_deliver:
            await self._park(one.message, error)
            return
        await one.message.nak(
            delay=retry_delay_seconds(
                deliveries,
                self._settings.consumer_retry_first_seconds,
                self._settings.consumer_retry_most_seconds,
                random.random(),  # noqa: S311  jitter
            )
        )

    async def _park(self, message: Msg, error: Exception) -> None:
        metadata = message.metadata
        parcel = Parcel(
            stream=self.stream,
            stream_created=self._created,
            sequence=metadata.sequence.stream,
            subject=message.subject,
            headers=message.headers or {},
            data=message.data,
            deliveries=metadata.num_delivered,
        )
        await self.park(parcel, describe(error))
        await message.ack()

    async def park(self, parcel: Parcel, error: str) -> None:
        """Set a message aside where operators see it."""
        async with self._database.transaction() as tx:
            await parking.park(tx.connection, self.durable, parcel, error)
        self._metrics.parked.labels(self.stream).inc()
        log.error("event_parked", stream=self.stream, subject=parcel.subject, sequence=parcel.sequence, error=error)


def retry_delay_seconds(deliveries: int, first_seconds: float, most_seconds: float, jitter: float) -> float:
    """How long to wait after the n-th failed delivery (from 1): four times as long each time, up to a most.

    `jitter` from 0 to 1 takes up to half of it away, so that many failures do not come back at once.
    """
    longest: float = min(first_seconds * 4 ** (deliveries - 1), most_seconds)
    return longest * (1 - jitter / 2)
