"""A service's seat on the bus: what it asks, says and hears."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from lethe_common.bus import connection, streams
from lethe_common.bus.connection import Login
from lethe_common.bus.consumers import Consumer
from lethe_common.bus.dispatcher import BatchHandler, Dispatcher, Handler
from lethe_common.bus.lean import LeanClient
from lethe_common.bus.lost import LostMessages
from lethe_common.bus.relay import Relay
from lethe_common.bus.requests import Answer, Responder, ask
from lethe_common.database import Database, connect
from lethe_common.errors import Unavailable
from lethe_common.events.catalogue import STREAMS, heard_by
from lethe_common.events.envelope import Envelope, Event, Undecodable
from lethe_common.rpc.envelope import Call, Message
from lethe_common.services import Service
from lethe_common.settings import ServiceSettings
from lethe_common.telemetry import Metrics

log = structlog.get_logger()

Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)
CoreListener = Callable[[Any], Awaitable[None]]
_RELAY_STATEMENT_SECONDS = 300.0
"""A comparison may read through an outbox of days, with nobody waiting for it but what leaves afterwards."""
_DECLARE_AGAIN_FIRST_SECONDS, _DECLARE_AGAIN_MOST_SECONDS = 0.5, 5.0


class Bus:
    """One process's connection, its consumers, its relay and its answers."""

    def __init__(self, service: Service, settings: ServiceSettings, metrics: Metrics) -> None:
        self._service, self._settings, self._metrics = service, settings, metrics
        self._login = Login(settings.nats_url, settings.nats_user, settings.nats_password)
        self._client: LeanClient | None = None
        self._readers: list[Consumer | LostMessages] = []
        self._responders: list[Responder] = []
        self._declaring = asyncio.Lock()
        self._redeclaring: asyncio.Task[None] | None = None
        self.relay = Relay(
            service,
            self._connect_relay,
            self._connect_relay_database,
            metrics,
            batch=settings.relay_batch,
            poll_seconds=settings.relay_poll_seconds,
            busy_batch=settings.busy_batch,
            busy_pause_seconds=settings.relay_busy_pause_seconds,
        )
        self.dispatcher: Dispatcher | None = None

    @property
    def client(self) -> LeanClient:
        """The connection, once `open` has returned."""
        if self._client is None:
            raise Unavailable("The bus is not connected yet.")
        return self._client

    @property
    def is_connected(self) -> bool:
        """Whether the server can be reached right now."""
        return self._client is not None and self._client.is_connected

    async def open(self) -> None:
        """Connect, check the server, declare this service's own streams."""
        self._client = await connection.connect(self._login, self._service, "main", on_reconnect=self._on_reconnect)
        try:
            await connection.check_server(self._client, self._settings.nats_monitor_url)
            await self._declare()
        except BaseException:
            # Whoever tries again connects anew. This one would come back for ever, and interrupt the readers each time.
            await self.close()
            raise

    async def ask(self, call: type[Call[Q, A]], question: Q, timeout_seconds: float | None = None) -> A:
        """Ask another service; see `lethe_common.bus.requests.ask` for what it raises."""
        return await ask(self.client, self._service, call, question, timeout_seconds)

    async def say(self, event: Event) -> None:
        """Publish what need not arrive (`is_stored` is false) on core NATS. A lost one is not missed."""
        if event.is_stored:
            raise ValueError("stored events are told in a transaction")
        envelope = Envelope.around(event, self._service)
        try:
            await self.client.publish(envelope.type, envelope.data, headers=envelope.headers())
        except (NatsError, Unavailable):
            log.debug("core_event_dropped", event_type=event.type)

    async def hear(self, kind: type[Event], listener: CoreListener) -> None:
        """Listen to a core event; every replica hears every one."""

        async def on_message(message: Msg) -> None:
            try:
                event = Envelope.from_message(message.subject, message.headers, message.data).open(kind)
            except Undecodable:
                log.warning("core_event_undecodable", event_type=kind.type)
                return
            await listener(event)

        await self.client.subscribe(kind.type, cb=on_message)

    async def answer(self, answers: Mapping[type[Call[Any, Any]], Answer], version: str) -> None:
        """Start answering these calls, beside those that are answered already."""
        responder = Responder(self._service, answers, self._metrics)
        self._responders.append(responder)
        await responder.start(self.client, version)

    async def consume(
        self,
        database: Database,
        handlers: Mapping[type[Event], Handler],
        batch_handlers: Mapping[type[Event], BatchHandler],
    ) -> list[Callable[[], Awaitable[None]]]:
        """Prepare one durable per stream this service hears; returns the workers that run them."""
        dispatcher = self.dispatcher = Dispatcher(
            str(self._service), database, handlers, batch_handlers, self._metrics,
            batch=2 * self._settings.consumer_batch, items=self._settings.consumer_items,
        )  # fmt: skip
        workers: list[Callable[[], Awaitable[None]]] = [dispatcher.run]
        for stream, kinds in heard_by(self._service).items():
            subjects = sorted(kind.type for kind in kinds)
            consumer = Consumer(
                self.client, stream, str(self._service), subjects, dispatcher, database,
                self._metrics, self._settings,
            )  # fmt: skip
            lost = LostMessages(self.client, consumer, database, self._settings)
            await lost.listen()
            self._readers += [consumer, lost]
            workers += [consumer.run, lost.run]
        return workers

    async def drain(self) -> None:
        """Stop answering; what is under way is finished."""
        for responder in self._responders:
            await responder.stop()

    async def close(self) -> None:
        """Leave the bus."""
        if self._redeclaring is not None:
            self._redeclaring.cancel()
        if self._client is not None:
            await self._client.close()

    async def _on_reconnect(self) -> None:
        log.info("bus_reconnected")
        for reader in self._readers:
            reader.reopen()
        if self._redeclaring is not None:
            self._redeclaring.cancel()
        # Declaring waits for answers that arrive on this very connection: not inside its callback.
        self._redeclaring = asyncio.create_task(self._redeclare())

    async def _redeclare(self) -> None:
        # A server may be reachable before it can declare: a cluster without a leader, a disk that is busy.
        delay = _DECLARE_AGAIN_FIRST_SECONDS
        while True:
            try:
                await self._declare()
            except (NatsError, TimeoutError, OSError) as error:
                log.warning("bus_declare_failed", cause=type(error).__name__)
            else:
                return
            await asyncio.sleep(delay)
            delay = min(2 * delay, _DECLARE_AGAIN_MOST_SECONDS)

    async def _declare(self) -> None:
        async with self._declaring:
            if any(stream.owner is self._service for stream in STREAMS.values()):
                js = self.client.jetstream(timeout=5)
                await streams.declare_owned(js, self._service, self._settings.nats_replicas)

    async def _connect_relay(self) -> LeanClient:
        return await connection.connect(self._login, self._service, "relay", does_reconnect=False)

    async def _connect_relay_database(self) -> Any:
        url = self._settings.database_url.get_secret_value()
        # A mark that is lost is followed by publishing once more, as a crash before it is.
        return await connect(
            url, str(self._service), statement_timeout_seconds=_RELAY_STATEMENT_SECONDS, is_flushed=False
        )
