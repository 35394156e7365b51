"""What every event has in common: CloudEvents 1.0 in NATS binary mode.

Context attributes travel as `ce-*` headers beside `Nats-Msg-Id` (the event's id)
and `traceparent`; the body is the event's fields as JSON. See the CloudEvents
NATS protocol binding 1.0, section 3.1.
"""

import builtins
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

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


ITEMS_MOST = 256
"""What one event tells of many: some 80 kB of the server's limit of 1 MiB a message."""


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


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event on its way: who said it, when, and under which id it is known for ever."""

    event_id: uuid.UUID
    type: str
    source: str
    told_at: datetime
    data: bytes
    traceparent: str | None = None

    @classmethod
    def around(cls, event: Event, source: Service, traceparent: str | None = None) -> Self:
        """Put a fresh event into its envelope."""
        body = event.__pydantic_serializer__.to_json(event)
        return cls(uuid7(), event.type, source, wall(), body, traceparent)

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
        """The event inside.

        Raises:
            Undecodable: the body does not fit the type's schema.
        """
        try:
            return kind.model_validate_json(self.data)
        except ValidationError as error:
            raise Undecodable("The message's body does not fit its type.") from error
