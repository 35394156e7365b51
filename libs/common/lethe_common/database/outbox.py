"""Events on their way out: written with their cause, published by the relay, kept for some days."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import asyncpg

from lethe_common.events.catalogue import stream_of
from lethe_common.events.envelope import Envelope

if TYPE_CHECKING:
    from lethe_common.database.transaction import Transaction

WRITE = """
    INSERT INTO outbox (event_id, stream, type, source, told_at, traceparent, data)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::bytea[])
"""

# Ids commit out of order: what is read ahead, above an id, is never all there is below it. Index outbox_pending.
PENDING = """
    SELECT event_id, stream, type, source, told_at, traceparent, data
      FROM outbox
     WHERE stream_seq IS NULL AND stream = ANY($2::text[]) AND event_id > $3
     ORDER BY event_id
     LIMIT $1
"""

MARK = """
    UPDATE outbox o
       SET stream_seq = p.seq, stream_created = $3
      FROM unnest($1::uuid[], $2::bigint[]) p(event_id, seq)
     WHERE o.event_id = p.event_id
"""

# Newest first by id, which is publication order but for neighbours; the caller compares by sequence.
PUBLISHED = """
    SELECT event_id, stream_seq
      FROM outbox
     WHERE stream = $1 AND stream_seq IS NOT NULL AND stream_created = $2 AND stream_seq < $3
     ORDER BY event_id DESC
     LIMIT $4
"""

# What went into an earlier incarnation of the stream, or above what it has: a portion of it, the newest below an id.
FORGET = """
    UPDATE outbox SET stream_seq = NULL, stream_created = NULL
     WHERE event_id = ANY(ARRAY(
           SELECT event_id FROM outbox
            WHERE stream = $1 AND (stream_created <> $2 OR stream_seq > $3) AND event_id < $4
            ORDER BY event_id DESC LIMIT $5))
    RETURNING event_id
"""  # the primary key

FORGET_PORTION = 5000
_LOWEST, _HIGHEST = uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)

COUNT_PENDING = "SELECT count(*) FROM (SELECT 1 FROM outbox WHERE stream_seq IS NULL LIMIT 10000) pending"


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """What the relay remembers of a published event."""

    event_id: uuid.UUID
    sequence: int


async def write(tx: "Transaction") -> None:
    """Put what a transaction told into its outbox, in one statement."""
    sent = tx.envelopes(tx.told)
    await insert(tx.connection, sent)
    tx.sent += sent


async def insert(connection: asyncpg.Connection, sent: Sequence[Envelope]) -> None:
    """A row for each envelope."""
    await connection.execute(
        WRITE,
        [envelope.event_id for envelope in sent],
        [stream_of(envelope.type).name for envelope in sent],
        [envelope.type for envelope in sent],
        [envelope.source for envelope in sent],
        [envelope.told_at for envelope in sent],
        [envelope.traceparent for envelope in sent],
        [envelope.data for envelope in sent],
    )


async def pending(
    connection: asyncpg.Connection, limit: int, streams: Sequence[str], above: uuid.UUID = _LOWEST
) -> list[tuple[str, Envelope]]:
    """The oldest unpublished events of some streams, or the oldest above one that is being published."""
    rows = await connection.fetch(PENDING, limit, streams, above)
    return [(row[1], Envelope(row[0], row[2], row[3], row[4], row[6], row[5])) for row in rows]


async def mark(
    connection: asyncpg.Connection, event_ids: Sequence[uuid.UUID], sequences: Sequence[int], stream_created: datetime
) -> None:
    """Remember where events were stored."""
    await connection.execute(MARK, event_ids, sequences, stream_created)


async def published(
    connection: asyncpg.Connection, stream: str, created: datetime, below: int, limit: int
) -> list[PublishedRow]:
    """A window of what this service published into a stream, below a sequence."""
    rows = await connection.fetch(PUBLISHED, stream, created, below, limit)
    return sorted((PublishedRow(row[0], row[1]) for row in rows), key=lambda row: -row.sequence)


async def forget(connection: asyncpg.Connection, stream: str, created: datetime, sequence: int) -> int:
    """Unpublish what the stream lost: all that is not of this incarnation, and what lay above a sequence.

    In portions, each its own commit: an outbox of days takes longer than a statement may, and one that is broken off
    goes on where it was. Newest first, so that what still counts as published meanwhile is older than what does not.
    Returns the rows that will be sent again.
    """
    below, lost = _HIGHEST, 0
    while rows := await connection.fetch(FORGET, stream, created, sequence, below, FORGET_PORTION):
        below = min(row[0] for row in rows)
        lost += len(rows)
    return lost
