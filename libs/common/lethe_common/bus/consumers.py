"""Consuming events: taken as they arrive, applied in one transaction, retried later when they fail, then parked.

Acknowledgement follows the commit, so a crash in between delivers again and the
inbox makes that harmless.
"""

import asyncio
import random
from dataclasses import dataclass

import asyncpg
import nats.errors
import structlog
from nats.aio.msg import Msg
from nats.js.errors import Error as JetStreamError

from lethe_common.bus import parking, streams
from lethe_common.bus.dispatcher import Delivery, Dispatcher, NoHandler
from lethe_common.bus.lean import LeanClient, deliveries_of
from lethe_common.bus.parking import Parcel
from lethe_common.bus.pull import ConsumerGone, Interrupted, Pull
from lethe_common.clock import wall
from lethe_common.database import Database, inbox
from lethe_common.errors import Unavailable
from lethe_common.events.envelope import Envelope, Event, Undecodable
from lethe_common.logging import describe, places
from lethe_common.settings import ServiceSettings
from lethe_common.telemetry import Metrics

log = structlog.get_logger()

_REOPEN_SECONDS = 0.2
_AWAY_FIRST_SECONDS, _AWAY_MOST_SECONDS = 0.1, 2.0


@dataclass(frozen=True, slots=True)
class Received:
    """A decoded message with what is needed to answer it."""

    message: Msg
    envelope: Envelope
    events: tuple[Event, ...]


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
        self._pull: Pull | None = None

    def reopen(self) -> None:
        """The connection came back: the store may be another one, so declare again."""
        if self._pull is not None:
            self._pull.interrupt()

    async def run(self) -> None:
        """Consume for ever; a lost durable or stream is declared again."""
        while True:
            try:
                await self._consume()
            except Interrupted:
                continue
            except (ConsumerGone, JetStreamError, nats.errors.Error, TimeoutError, OSError) as error:
                log.info("consumer_reopens", stream=self.stream, consumer=self.durable, cause=type(error).__name__)
                await asyncio.sleep(_REOPEN_SECONDS)

    async def _consume(self) -> None:
        info = await streams.wait_for(self._js, self.stream)
        self._created = streams.creation_of(info)
        await streams.declare_durable(self._js, self.stream, self.durable, self.subjects, self._settings)
        pull = self._pull = Pull(self._client, self.stream, self.durable, self._settings.consumer_batch)
        await pull.open()
        try:
            while True:
                batch = await pull.batch()
                count = await self._take(pull, batch)
                if self._settings.busy_batch <= count and len(batch) < self._settings.consumer_batch:
                    # Under load a few more at once cost nearly nothing; a lone event never waits here.
                    await asyncio.sleep(self._settings.busy_pause_seconds)
        finally:
            await pull.close()

    async def _take(self, pull: Pull, messages: list[Msg]) -> int:
        """Handle these messages; how many events were in them."""
        received = [one for message in messages if (one := await self._decode(message)) is not None]
        if not received:
            return 0
        outcomes = await self._apply(pull, received)
        await self._client.acknowledge([
            one.message for one, error in zip(received, outcomes, strict=True) if error is None
        ])  # fmt: skip
        for one, error in zip(received, outcomes, strict=True):
            if error is not None:
                await self._failed(one, error)
        return sum(len(one.events) for one in received)

    async def _apply(self, pull: Pull, received: list[Received]) -> list[Exception | None]:
        """Apply, waiting while the database is away: away is not broken, and uses up no delivery."""
        delay = _AWAY_FIRST_SECONDS
        deliveries = [self._delivery(one) for one in received]
        while True:
            outcomes = await self._dispatcher.apply(deliveries)
            pull.raise_if_interrupted()
            away = next((error for error in outcomes if isinstance(error, Unavailable)), None)
            if away is None:
                return outcomes
            log.info("consumer_waits", stream=self.stream, cause=type(away).__name__, count=len(received))
            for one in received:
                await one.message.in_progress()
            await pull.hold()
            await asyncio.sleep(delay)
            delay = min(delay * 2, _AWAY_MOST_SECONDS)

    def _delivery(self, one: Received) -> Delivery:
        is_last = deliveries_of(one.message) >= self._settings.consumer_max_deliver
        return Delivery(one.envelope.event_id, one.events, is_last)

    async def _decode(self, message: Msg) -> Received | None:
        try:
            envelope, events = self._dispatcher.decode(message.subject, message.headers, message.data)
        except (Undecodable, NoHandler) as error:
            await self.park(self._parcel(message), describe(error))
            await message.ack()
            return None
        return Received(message, envelope, events)

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
            await self._give_up(one, error)
            return
        await one.message.nak(
            delay=retry_delay_seconds(
                deliveries,
                self._settings.consumer_retry_first_seconds,
                self._settings.consumer_retry_most_seconds,
                random.random(),  # noqa: S311  jitter
            )
        )

    async def _give_up(self, one: Received, error: Exception) -> None:
        """Set it aside; of events that were told together only those that fail by themselves too."""
        parcel = self._parcel(one.message)
        try:
            await (self._park_rest(one, parcel) if len(one.events) > 1 else self.park(parcel, describe(error)))
        except asyncpg.UniqueViolationError:
            # Who looks for lost messages parked it whole meanwhile, and nothing of it was handled.
            await self.park(parcel, describe(error))
        await one.message.ack()

    async def _park_rest(self, one: Received, parcel: Parcel) -> None:
        event_id = one.envelope.event_id
        async with self._database.transaction() as tx:
            if not await inbox.enter(tx, self.durable, [event_id]):
                return
            left = await self._dispatcher.handle_apart(one.events, tx)
            await parking.handled_after_all(tx.connection, self.durable, [event_id])
            if left:
                await parking.park_rest(tx.connection, self.durable, parcel, one.envelope, left)
        if left:
            self._count_parked(parcel, describe(left[0].error))

    def _parcel(self, message: Msg) -> Parcel:
        metadata = message.metadata
        return Parcel(
            stream=self.stream,
            stream_created=self._created,
            sequence=metadata.sequence.stream,
            subject=message.subject,
            headers=message.headers or {},
            data=message.data,
            deliveries=metadata.num_delivered,
        )

    async def park(self, parcel: Parcel, error: str) -> None:
        """Set a message aside where operators see it."""
        async with self._database.transaction() as tx:
            await parking.park(tx.connection, self.durable, parcel, error)
        self._count_parked(parcel, error)

    def _count_parked(self, parcel: Parcel, error: str) -> None:
        self._metrics.parked.labels(self.stream).inc()
        log.error("event_parked", stream=self.stream, subject=parcel.subject, sequence=parcel.sequence, error=error)


def retry_delay_seconds(deliveries: int, first_seconds: float, most_seconds: float, jitter: float) -> float:
    """How long to wait after the n-th failed delivery (from 1): four times as long each time, up to a most.

    `jitter` from 0 to 1 takes up to half of it away, so that many failures do not come back at once.
    """
    longest: float = min(first_seconds * 4 ** (deliveries - 1), most_seconds)
    return longest * (1 - jitter / 2)
