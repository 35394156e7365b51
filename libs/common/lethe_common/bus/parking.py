"""Messages that could not be handled: set aside with their error, shown, and replayed on request."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import asyncpg
import structlog

from lethe_common.events.envelope import Envelope, Event
from lethe_common.logging import describe
from lethe_common.rpc.operators import ParkedMessage

log = structlog.get_logger()

# The server counts deliveries, not effects: what used them all up may have been handled by the last one.
PARK = """
    INSERT INTO parked (parked_id, consumer, stream, stream_created, stream_seq, subject, headers, data,
                        event_id, error, deliveries)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9::uuid, $10, $11
     WHERE NOT EXISTS (SELECT 1 FROM inbox WHERE event_id = $9::uuid AND consumer = $2)
        ON CONFLICT (consumer, stream, stream_created, stream_seq) DO NOTHING
"""
PARK_REST = """
    INSERT INTO parked (parked_id, consumer, stream, stream_created, stream_seq, subject, headers, data,
                        event_id, error, deliveries)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::uuid, $10, $11)
"""
LIST = """
    SELECT parked_id, stream, subject, event_id, error, deliveries, parked_at
      FROM parked ORDER BY parked_at DESC, parked_id LIMIT $1
"""
COUNT = "SELECT count(*) FROM parked"
TAKE = """
    DELETE FROM parked WHERE parked_id = $1
    RETURNING consumer, stream, stream_created, stream_seq, subject, headers, data, deliveries
"""
# Their age is the machine's, as that of outbox and inbox: what the bus forgot long ago replays nothing any more.
FORGET = "DELETE FROM parked WHERE parked_at <= now() - $1::interval"
KNOWN = "SELECT event_id FROM parked WHERE consumer = $2 AND event_id = ANY($1::uuid[])"
HANDLED_AFTER_ALL = "DELETE FROM parked WHERE consumer = $2 AND event_id = ANY($1::uuid[])"


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message as it was on the bus, and where it lay there."""

    stream: str
    stream_created: datetime
    sequence: int
    subject: str
    headers: Mapping[str, str]
    data: bytes
    deliveries: int


@dataclass(frozen=True, slots=True)
class Failed:
    """One event of a message that could not be handled, and why."""

    event: Event
    error: Exception


async def take(connection: asyncpg.Connection, parked_id: uuid.UUID) -> tuple[str, Parcel] | None:
    """Take a message out, and whose it is; None if it is not there."""
    row = await connection.fetchrow(TAKE, parked_id)
    return row and (
        row["consumer"],
        Parcel(
            stream=row["stream"],
            stream_created=row["stream_created"],
            sequence=row["stream_seq"],
            subject=row["subject"],
            headers=json.loads(row["headers"]),
            data=row["data"],
            deliveries=row["deliveries"],
        ),
    )


async def park(connection: asyncpg.Connection, consumer: str, parcel: Parcel, error: str) -> None:
    """Set a message aside; a second time changes nothing."""
    await connection.execute(PARK, *_row(consumer, parcel, error))


async def park_rest(
    connection: asyncpg.Connection, consumer: str, parcel: Parcel, envelope: Envelope, left: Sequence[Failed]
) -> None:
    """Set aside what is left of a message, in the transaction of what was handled of it. It has an id of its own.

    Raises:
        asyncpg.UniqueViolationError: all of it was parked meanwhile by who looks for lost messages.
    """
    rest = envelope.with_others([one.event for one in left])
    held = replace(parcel, headers=rest.headers(), data=rest.data)
    await connection.execute(PARK_REST, *_row(consumer, held, describe(left[0].error)))


def _row(consumer: str, parcel: Parcel, error: str) -> tuple[object, ...]:
    return (
        uuid.uuid4(),
        consumer,
        parcel.stream,
        parcel.stream_created,
        parcel.sequence,
        parcel.subject,
        json.dumps(dict(parcel.headers)),
        parcel.data,
        _event_id(parcel.headers),
        error[:500],
        parcel.deliveries,
    )


async def listing(pool: asyncpg.Pool, limit: int) -> tuple[list[ParkedMessage], int]:
    """The newest parked messages and how many there are in all."""
    async with pool.acquire() as connection:
        rows = await connection.fetch(LIST, limit)
        total = await connection.fetchval(COUNT)
    return [
        ParkedMessage(
            parked_id=row["parked_id"],
            stream=row["stream"],
            subject=row["subject"],
            event_id=str(row["event_id"]) if row["event_id"] else None,
            error=row["error"],
            deliveries=row["deliveries"],
            parked_at=row["parked_at"],
        )
        for row in rows
    ], total


async def forget(pool: asyncpg.Pool, kept: timedelta) -> None:
    """Let messages go that nobody replayed for so long; that is logged, with how many."""
    tag = await pool.execute(FORGET, kept)
    count = int(tag.rpartition(" ")[2])
    if count:
        log.warning("parked_forgotten", count=count)


async def known(connection: asyncpg.Connection, consumer: str, event_ids: list[uuid.UUID]) -> set[uuid.UUID]:
    """Which of these events are parked."""
    return {row[0] for row in await connection.fetch(KNOWN, event_ids, consumer)}


async def handled_after_all(connection: asyncpg.Connection, consumer: str, event_ids: Sequence[uuid.UUID]) -> None:
    """These were slow, and the server gave them up while they were still at work here."""
    await connection.execute(HANDLED_AFTER_ALL, list(event_ids), consumer)


def _event_id(headers: Mapping[str, str]) -> uuid.UUID | None:
    try:
        return uuid.UUID(headers.get("ce-id", ""))
    except ValueError:
        return None
