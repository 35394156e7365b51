"""Applying events: what has arrived, from whatever stream, is one transaction with its effects and its inbox rows."""

import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lethe_common import crashes
from lethe_common.bus import parking
from lethe_common.coalescer import Coalescer
from lethe_common.database import AWAY, Database, Transaction, inbox
from lethe_common.errors import LetheError, Unavailable
from lethe_common.events.catalogue import EVENTS
from lethe_common.events.envelope import Envelope, Event
from lethe_common.telemetry import Metrics

Handler = Callable[[Any, Transaction], Awaitable[None]]
"""`on_<event>(event, tx)`: load, decide, write, tell. Never commits."""
BatchHandler = Callable[[Sequence[Any], Transaction], Awaitable[None]]
"""The same for several events at once; it is given those of all types it is named for, in the order they came."""

_HANDLED = crashes.point("frame.handled")
_COMMITTED = crashes.point("frame.committed")


class NoHandler(LetheError):
    """An event arrived that this service does not handle; it is parked for a newer version."""

    code = "no_handler"


class _SomeKnown(Exception):
    """Of a few events some were handled before; which ones has to be asked."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message's events as they were delivered; the last time, the server will not deliver them again."""

    event_id: uuid.UUID
    events: tuple[Event, ...]
    is_last: bool = False


def _items(delivery: Delivery) -> int:
    """How many things are told: a batch of messages that tell of many would keep everybody else waiting."""
    return sum(len(getattr(event, "items", ())) or 1 for event in delivery.events)


class Dispatcher:
    """Hands new events to their handlers; those that were handled before are skipped.

    One transaction at a time for all streams: consumers of one service meet on the same rows.
    """

    def __init__(
        self,
        consumer: str,
        database: Database,
        handlers: Mapping[type[Event], Handler],
        batch_handlers: Mapping[type[Event], BatchHandler],
        metrics: Metrics,
        batch: int,
        items: int,
    ) -> None:
        self._consumer, self._database, self._metrics = consumer, database, metrics
        self._handlers, self._batch_handlers = dict(handlers), dict(batch_handlers)
        self._applying: Coalescer[Delivery, None] = Coalescer(
            self._apply, max_batch=batch, weigh=_items, max_weight=items
        )
        self.run = self._applying.run
        self.apply = self._applying.put_all

    def decode(
        self, subject: str, headers: Mapping[str, str] | None, data: bytes
    ) -> tuple[Envelope, tuple[Event, ...]]:
        """Open a message.

        Raises:
            Undecodable: it is not a well-formed event.
            NoHandler: it is one nobody here handles.
        """
        kind = EVENTS.get(subject)
        if kind is None or (kind not in self._handlers and kind not in self._batch_handlers):
            raise NoHandler("Nothing here handles this type of event.")
        envelope = Envelope.from_message(subject, headers, data)
        return envelope, envelope.open_all(kind)

    async def handle(self, events: Sequence[Event], tx: Transaction) -> None:
        """Run the handlers of these events, within the transaction given."""
        together: dict[BatchHandler, list[Event]] = {}
        for event in events:
            batch_handler = self._batch_handlers.get(type(event))
            if batch_handler is None:
                await self._handlers[type(event)](event, tx)
            else:
                together.setdefault(batch_handler, []).append(event)
        for batch_handler, several in together.items():
            await batch_handler(several, tx)

    async def handle_apart(self, events: Sequence[Event], tx: Transaction) -> list[parking.Failed]:
        """Handle each of what was told together by itself; those that cannot be, and why.

        Raises:
            Unavailable: something is away, which is no event's fault.
        """
        left: list[parking.Failed] = []
        for event in events:
            try:
                async with tx.attempt():
                    await self.handle([event], tx)
            except (Unavailable, *AWAY):
                raise
            except Exception as error:  # noqa: BLE001  the frame: the caller sets it aside with its error
                left.append(parking.Failed(event, error))
        return left

    async def _apply(self, deliveries: Sequence[Delivery]) -> list[None]:
        """Apply those that were not applied before, all or none."""
        ids = {delivery.event_id for delivery in deliveries}
        is_few = len(deliveries) == len(ids) < inbox.FEW
        try:
            async with self._database.transaction(inbox.entering(self._consumer, list(ids)) if is_few else "") as tx:
                if is_few and tx.opened < len(ids):
                    raise _SomeKnown
                fresh = ids if is_few else await inbox.enter(tx, self._consumer, list(ids))
                events = await self._handle_fresh(deliveries, fresh, tx)
        except _SomeKnown:
            async with self._database.transaction() as tx:
                fresh = await inbox.enter(tx, self._consumer, list(ids))
                events = await self._handle_fresh(deliveries, fresh, tx)
        if events:
            _COMMITTED.reached()
        for kind, count in Counter(event.type for event in events).items():
            self._metrics.handled.labels(kind).inc(count)
        return [None] * len(deliveries)

    async def _handle_fresh(
        self, deliveries: Sequence[Delivery], fresh: set[uuid.UUID], tx: Transaction
    ) -> list[Event]:
        events: list[Event] = []
        for delivery in deliveries:
            if delivery.event_id in fresh:
                fresh.discard(delivery.event_id)
                events += delivery.events
        await self.handle(events, tx)
        if events:
            _HANDLED.reached()
        # Parked while they were at work here, they leave the parked messages.
        if given_up := [delivery.event_id for delivery in deliveries if delivery.is_last]:
            await parking.handled_after_all(tx.connection, self._consumer, given_up)
        return events
