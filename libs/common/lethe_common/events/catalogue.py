"""All events there are, by type, and the streams that keep them."""

from dataclasses import dataclass
from datetime import timedelta

from lethe_common.events import billing, gateway, identity, jobs, notice, privacy, retention
from lethe_common.events.envelope import Event
from lethe_common.services import Service


def _events_of(module: object) -> list[type[Event]]:
    members = vars(module).values()
    return [
        member for member in members if isinstance(member, type) and issubclass(member, Event) and member is not Event
    ]


EVENTS: dict[str, type[Event]] = {
    kind.type: kind
    for module in (identity, jobs, billing, retention, privacy, notice, gateway)
    for kind in _events_of(module)
}


@dataclass(frozen=True, slots=True)
class Stream:
    """One JetStream stream: a domain's stored events, kept for a short while.

    Limits retention, so that several services read the same facts; `max_age` is
    a backstop (Postgres is the truth) and a stated residual of every erasure.
    """

    name: str
    owner: Service
    subjects: tuple[str, ...]
    max_age: timedelta = timedelta(days=3)
    max_bytes: int = 2 * 1024**3


def _stream(domain: str, owner: Service) -> Stream:
    subjects = sorted(kind.type for kind in EVENTS.values() if kind.is_stored and kind.domain() == domain)
    return Stream(domain.upper(), owner, tuple(subjects))


STREAMS: dict[str, Stream] = {
    stream.name: stream
    for stream in (
        _stream("identity", Service.GATEWAY),
        _stream("jobs", Service.JOBS),
        _stream("billing", Service.BILLING),
        _stream("retention", Service.RETENTION),
        _stream("privacy", Service.PRIVACY),
        _stream("notice", Service.GATEWAY),
    )
}


def stream_of(event_type: str) -> Stream:
    """The stream that keeps an event type."""
    return STREAMS[event_type.partition(".")[0].upper()]


def heard_by(service: Service) -> dict[str, list[type[Event]]]:
    """The stored events a service consumes, grouped by stream."""
    heard: dict[str, list[type[Event]]] = {}
    for kind in EVENTS.values():
        if kind.is_stored and service in kind.listeners:
            heard.setdefault(stream_of(kind.type).name, []).append(kind)
    return heard
