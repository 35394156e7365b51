"""What every event has in common: CloudEvents 1.0 in NATS binary mode.

Context attributes travel as `ce-*` headers beside `Nats-Msg-Id` (the event's id)
and `traceparent`; the body is the event's fields as JSON. What one transaction tells
of one type travels together, as an array of such bodies under one id. See the
CloudEvents NATS protocol binding 1.0, section 3.1.
"""

import builtins
import dataclasses
import functools
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import GenericAlias
from typing import Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from lethe_common.catalogue import Kind, declare, each, impersonal
from lethe_common.clock import wall
from lethe_common.errors import LetheError
from lethe_common.identifiers import uuid7
from lethe_common.services import Service

MESSAGE_ID_HEADER = "Nats-Msg-Id"
TRACE_HEADER = "traceparent"
BATCH_ID_HEADER, BATCH_SEQUENCE_HEADER, BATCH_COMMIT_HEADER = (
    "Nats-Batch-Id",
    "Nats-Batch-Sequence",
    "Nats-Batch-Commit",
)
EXPECTED_STREAM_HEADER = "Nats-Expected-Stream"
HEADERS = declare(
    Kind.HEADER,
    {
        **each((MESSAGE_ID_HEADER, "ce-id"), impersonal("random id of an event")),
        **each(("ce-specversion", "ce-datacontenttype"), impersonal("a constant of CloudEvents")),
        "ce-type": impersonal("a type of the event catalogue"),
        "ce-source": impersonal("name of a service"),
        "ce-time": impersonal("when an event was told; whose it is stands in its body only, as a reference"),
        TRACE_HEADER: impersonal("random ids of a trace that began at the gateway"),
        BATCH_ID_HEADER: impersonal("random id of one publish"),
        **each((BATCH_SEQUENCE_HEADER, BATCH_COMMIT_HEADER), impersonal("position in one publish")),
        EXPECTED_STREAM_HEADER: impersonal("a stream's name"),
    },
)
"""All that rides on an event: the envelope, and the relay's atomic batches (NATS ADR-50)."""


ITEMS_MOST = 128
"""What one event tells of many: some 33 kB, of the 64 KiB that an outbox takes and the 1 MiB of a message."""
TOGETHER_MOST, TOGETHER_MOST_BYTES = 32, 48 * 1024
"""How many events travel together. One that cannot be handled keeps those beside it waiting until it is set aside."""


class Undecodable(LetheError):
    """A message that is not the event its subject says. It is parked, never dropped."""

    code = "undecodable"


class Event(BaseModel):
    """A fact about one domain, without direct identifiers and without content.

    `type` is the subject it is published on: `domain.subject.action.vN`.
    `speakers` may publish it, `listeners` consume it; both feed the permissions
    table. `is_stored` is false for what travels on core NATS only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: ClassVar[str]
    speakers: ClassVar[tuple[Service, ...]]
    listeners: ClassVar[tuple[Service, ...]]
    is_stored: ClassVar[bool] = True

    class Part(BaseModel):
        """A value inside an event."""

        model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def domain(cls) -> str:
        """The first word of the type, which is also the stream's name in lower case."""
        return cls.type.partition(".")[0]


E = TypeVar("E", bound=Event)
P = TypeVar("P", bound=Event.Part)


def portions(items: Sequence[P]) -> Iterator[tuple[P, ...]]:
    """Items by as many as fit into one event."""
    return (tuple(items[start : start + ITEMS_MOST]) for start in range(0, len(items), ITEMS_MOST))


def body(event: Event) -> bytes:
    """An event's fields as JSON."""
    return event.__pydantic_serializer__.to_json(event)


def joined(bodies: Sequence[bytes]) -> bytes:
    """The body of what travels together: one alone as it is, several as an array with a line for each."""
    return bodies[0] if len(bodies) == 1 else b"[%b]" % b",\n".join(bodies)


@functools.cache
def _array(kind: type[Event]) -> TypeAdapter[tuple[Any, ...]]:
    return TypeAdapter[tuple[Any, ...]](GenericAlias(tuple, (kind, ...)))  # type: ignore[arg-type]  # it stands for a type


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message on its way: who said it, when, and under which id it is known for ever.

    Inside is one event, or several of one type that were told together.
    """

    event_id: uuid.UUID
    type: str
    source: str
    told_at: datetime
    data: bytes
    traceparent: str | None = None

    @classmethod
    def around(cls, event: Event, source: Service, traceparent: str | None = None) -> Self:
        """Put a fresh event into its envelope."""
        return cls(uuid7(), event.type, source, wall(), body(event), traceparent)

    @classmethod
    def around_all(cls, events: Iterable[Event], source: Service, traceparent: str | None = None) -> Iterator[Self]:
        """Put fresh events into as few envelopes as they fit into, types in the order in which each came first."""
        bodies: dict[str, list[bytes]] = {}
        for event in events:
            bodies.setdefault(event.type, []).append(body(event))
        for kind, all_of_it in bodies.items():
            for some in _portions_of(all_of_it):
                yield cls(uuid7(), kind, source, wall(), joined(some), traceparent)

    @property
    def count(self) -> int:
        """How many events are inside: each has a line of its own, and JSON within a line has no other break."""
        return self.data.count(b"\n") + 1

    def headers(self) -> dict[str, str]:
        """The NATS headers of the binary mode."""
        headers = {
            MESSAGE_ID_HEADER: str(self.event_id),
            "ce-specversion": "1.0",
            "ce-id": str(self.event_id),
            "ce-type": self.type,
            "ce-source": f"lethe/{self.source}",
            "ce-time": self.told_at.isoformat(),
            "ce-datacontenttype": "application/json",
        }
        if self.traceparent:
            headers[TRACE_HEADER] = self.traceparent
        return headers

    def header_lines(self) -> bytes:
        """The same as they stand on the wire, a line each. Nothing in them was chosen by anybody outside."""
        trace = f"{TRACE_HEADER}: {self.traceparent}\r\n" if self.traceparent else ""
        return (
            f"{MESSAGE_ID_HEADER}: {self.event_id}\r\nce-specversion: 1.0\r\nce-id: {self.event_id}\r\n"
            f"ce-type: {self.type}\r\nce-source: lethe/{self.source}\r\nce-time: {self.told_at.isoformat()}\r\n"
            f"ce-datacontenttype: application/json\r\n{trace}"
        ).encode()

    @classmethod
    def from_message(cls, subject: str, headers: Mapping[str, str] | None, data: bytes) -> Self:
        """Read an envelope back.

        Raises:
            Undecodable: a required attribute is missing, malformed or contradicts the subject.
        """
        try:
            given = headers or {}
            if given["ce-type"] != subject:
                raise Undecodable("The message's type is not its subject.")
            return cls(
                event_id=uuid.UUID(given["ce-id"]),
                type=given["ce-type"],
                source=given["ce-source"].removeprefix("lethe/"),
                told_at=datetime.fromisoformat(given["ce-time"]),
                data=data,
                traceparent=given.get(TRACE_HEADER),
            )
        except (KeyError, ValueError) as error:
            raise Undecodable("The message lacks a well-formed event envelope.") from error

    def open(self, kind: "builtins.type[E]") -> E:
        """The one event inside.

        Raises:
            Undecodable: the body does not fit the type's schema.
        """
        try:
            return kind.model_validate_json(self.data)
        except ValidationError as error:
            raise Undecodable("The message's body does not fit its type.") from error

    def open_all(self, kind: "builtins.type[E]") -> tuple[E, ...]:
        """The events inside, in the order in which they were told.

        Raises:
            Undecodable: one of them does not fit the type's schema, or they are too many.
        """
        if not self.data.startswith(b"["):
            return (self.open(kind),)
        try:
            events = _array(kind).validate_json(self.data)
        except ValidationError as error:
            raise Undecodable("The message's body does not fit its type.") from error
        if not 0 < len(events) <= TOGETHER_MOST:
            raise Undecodable("The message holds no event, or more than travel together.")
        return events

    def with_others(self, events: Sequence[Event]) -> Self:
        """The same told with other contents, under an id of its own."""
        return dataclasses.replace(self, event_id=uuid7(), data=joined([body(event) for event in events]))


def _portions_of(bodies: Sequence[bytes]) -> Iterator[list[bytes]]:
    some: list[bytes] = []
    size = 0
    for one in bodies:
        if some and (len(some) == TOGETHER_MOST or size + len(one) > TOGETHER_MOST_BYTES):
            yield some
            some, size = [], 0
        some.append(one)
        size += len(one)
    yield some
