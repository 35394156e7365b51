"""All events there are, by type, and the streams that keep them."""

from dataclasses import dataclass
from datetime import timedelta

from lethe_common.catalogue import Kind, declare, each, held, impersonal
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


_PARAMETERS = held("content.generation", is_sealed=False)
_ACCOUNT = held("identity.account", is_sealed=False)
_RECORD = held("erasure.record", is_sealed=False)
_MONEY = held("ledger.transfer", is_sealed=False)
_ARCHIVE = held("export.archive", is_sealed=False)
_REFERENCE = impersonal("random reference; who it is stands sealed in the gateway's accounts")

FIELDS = declare(
    Kind.JSON_KEY,
    {
        **each(("subject_ref", "holds.subject_ref", "items.subject_ref"), _REFERENCE),
        **each(
            (
                "asset_ids", "certificate_id", "changes.generation_id", "items.generation_id", "erasure_id", "export_id", "generation_id", "grant_id",
                "hold_id", "holds.generation_id", "holds.hold_id", "items.export_id", "mail_id", "request_id", "upload_id",
            ),
            impersonal("random id"),
        ),
        **each(("prefixes", "items.prefixes"), impersonal("random object prefixes")),
        **each(("changes.state_version", "counts.records", "items.moves", "items.object_versions", "items.rows", "percent"), impersonal("a count")),
        **each(("counts.owner", "counts.section", "items.category", "owner", "template"), impersonal("a name of ours")),
        **each(("cause", "code", "items.rule", "language", "rule"), impersonal("a word of a fixed list")),
        **each(("plan", "since", "opened_at", "began_at", "ended_at"), _ACCOUNT),
        **each(("credits", "holds.credits", "source"), _MONEY),
        **each(("ready_at", "size_bytes"), _ARCHIVE),
        **each(
            (
                "model", "width_px", "height_px", "seconds", "requested_at", "started_at", "completed_at", "failed_at",
                "cancelled_at", "processed_at", "items.removed_at", "items.verified_at", "items.due_at", "delivered.duration_seconds",
                "delivered.width_px", "delivered.height_px", "delivered.stored_bytes",
            ),
            _PARAMETERS,
        ),
        **each(
            (
                "fenced_at", "placed_at", "lifted_at", "ends_at", "counts.store", "counts.category", "counts.before", "counts.after",
                "counts.retained_ground",
            ),
            _RECORD,
        ),
    },
)  # fmt: skip
"""The fields of all events: what lies in outboxes, streams and parked messages."""

STREAM_PLACES = declare(
    Kind.STREAM,
    each(("IDENTITY", "JOBS", "BILLING", "RETENTION", "PRIVACY", "NOTICE"), held("technical.log", is_sealed=False)),
)
"""Each stream holds references, parameters and amounts, for as long as its `max_age`."""
