"""The SQL of generations, uploads and tombstones, named, with the index each one uses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from lethe_common.database import Transaction
from lethe_common.events.catalogue import stream_of
from lethe_common.events.envelope import TOGETHER_MOST, Event, body
from lethe_gateway.account_queries import Reader

# One statement, and so one transaction, for all submissions that wait. An account that is closing, a removed id
# and a used Idempotency-Key drop out here; the caller finds out which it was.
ACCEPT = """
    WITH given AS (
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::int[], $7::int[],
                             $8::bigint[], $9::bytea[], $10::text[], $11::text[], $12::text[], $13::bigint[],
                             $14::timestamptz[], $15::text[], $16::text[])
            AS g(generation_id, account_id, subject_ref, model, width_px, height_px, seconds,
                 seed, prompt_sealed, key_id, upload_id, hold_id, credits_held,
                 created_at, key_hmac, body_hmac)
    ), free AS (
        SELECT given.* FROM given JOIN gateway.accounts a USING (account_id)
         WHERE a.state = 'active'
           AND NOT EXISTS (SELECT FROM gateway.tombstones t WHERE t.generation_id = given.generation_id)
    ), keyed AS (
        INSERT INTO gateway.idempotency (account_id, key_hmac, body_hmac, generation_id, created_at)
        SELECT account_id, key_hmac, body_hmac, generation_id, created_at FROM free WHERE key_hmac IS NOT NULL
        ON CONFLICT DO NOTHING
        RETURNING account_id, key_hmac, generation_id
    ), written AS (
    INSERT INTO gateway.generations
           (generation_id, account_id, subject_ref, state, model, width_px, height_px, seconds, seed,
            prompt_sealed, key_id, upload_id, hold_id, credits_held, created_at)
    SELECT DISTINCT ON (generation_id)
           generation_id, account_id, subject_ref, 'queued', model, width_px, height_px, seconds, seed,
           prompt_sealed, key_id, upload_id, hold_id, credits_held, created_at
      FROM free
     WHERE key_hmac IS NULL OR (account_id, key_hmac, generation_id) IN (SELECT account_id, key_hmac, generation_id FROM keyed)
    ON CONFLICT (generation_id) DO NOTHING
    RETURNING generation_id, upload_id
    ), told AS (
    INSERT INTO gateway.outbox (event_id, stream, type, source, told_at, traceparent, data)
    SELECT e.event_id, $19, $20, $21, $22, $23,
           CASE count(*) WHEN 1 THEN string_agg(e.body, '') ELSE '['::bytea || string_agg(e.body, E',\\n') || ']' END
      FROM (SELECT DISTINCT ON (b.generation_id) b.event_id, b.body
              FROM unnest($1::text[], $11::text[], $17::uuid[], $18::bytea[]) AS b(generation_id, upload_id, event_id, body)
              JOIN written w ON w.generation_id = b.generation_id AND w.upload_id IS NOT DISTINCT FROM b.upload_id) e
     GROUP BY e.event_id
    )
    SELECT generation_id, upload_id FROM written
"""
ACCOUNT_STATE = "SELECT state FROM gateway.accounts WHERE account_id = $1"
IDEMPOTENT = "SELECT body_hmac, generation_id FROM gateway.idempotency WHERE account_id = $1 AND key_hmac = $2"

_SHOWN = """
    generation_id, account_id, subject_ref, state, state_version, model, width_px, height_px, seconds, prompt_sealed,
    key_id, credits_held, credits_charged, error_code, created_at, completed_at, expires_at, hidden_at, rule
"""
GET = f"SELECT {_SHOWN} FROM gateway.generations WHERE generation_id = $1 AND account_id = $2"  # noqa: S608  fixed names
TOMBSTONE = "SELECT removed_at, rule FROM gateway.tombstones WHERE generation_id = $1 AND account_id = $2"
PAGE = """
    SELECT {columns} FROM gateway.generations
     WHERE account_id = $1 AND hidden_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
       AND ($3::text IS NULL OR generation_id {after} $3) {state}
     ORDER BY generation_id {order} LIMIT $4
"""  # index generations_account; ids are in the order of creation
VERSIONS = f"SELECT {_SHOWN} FROM gateway.generations WHERE generation_id = ANY($1)"  # noqa: S608  fixed names
SUBJECT_OF = "SELECT subject_ref FROM gateway.generations WHERE generation_id = $1"
ACCOUNT_OF = """
    SELECT account_id FROM gateway.generations WHERE generation_id = $1
    UNION SELECT account_id FROM gateway.tombstones WHERE generation_id = $1
"""
SUBJECT_STORAGE = "SELECT storage_ref FROM gateway.accounts WHERE account_id = $1"

HIDE = """
    UPDATE gateway.generations SET hidden_at = $3, rule = $4, state_version = state_version + 1
     WHERE generation_id = $1 AND account_id = $2 AND hidden_at IS NULL
    RETURNING subject_ref, state_version
"""
# A prompt comes along while those before it take less than $2 bytes; the others are not read, and left empty.
INPUTS = """
    SELECT generation_id, CASE WHEN size_before < $2 THEN prompt_sealed END AS prompt_sealed, key_id, seed,
           upload_id, object_key, media_type, size_bytes
      FROM (SELECT g.generation_id, g.prompt_sealed, g.key_id, g.seed,
                   u.upload_id, u.object_key, u.media_type, u.size_bytes,
                   sum(octet_length(g.prompt_sealed)) OVER (ORDER BY g.generation_id)
                       - octet_length(g.prompt_sealed) AS size_before
              FROM gateway.generations g LEFT JOIN gateway.uploads u ON u.upload_id = g.upload_id
             WHERE g.generation_id = ANY($1) AND g.hidden_at IS NULL
               AND (g.upload_id IS NULL OR u.upload_id IS NOT NULL)) AS sized
"""
ACCEPTED = """
    SELECT generation_id FROM gateway.generations WHERE generation_id = ANY($1)
    UNION SELECT generation_id FROM gateway.tombstones WHERE generation_id = ANY($1)
"""

INSERT_UPLOAD = """
    INSERT INTO gateway.uploads (upload_id, account_id, subject_ref, generation_id, object_key, key_id, media_type,
                                 size_bytes, created_at, due_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
ATTACH_UPLOADS = """
    UPDATE gateway.uploads SET is_attached = true, due_at = NULL WHERE upload_id = ANY($1)
"""  # its clock starts when its run is done
KNOWN_UPLOADS = "SELECT object_key FROM gateway.uploads WHERE object_key = ANY($1)"  # unique index on object_key
HAS_UPLOAD = "SELECT EXISTS (SELECT FROM gateway.uploads WHERE upload_id = $1)"
UPLOADS_OF_ACCOUNT = """
    SELECT upload_id, due_at, size_bytes FROM gateway.uploads WHERE account_id = $1 ORDER BY upload_id LIMIT $2
"""  # index uploads_account
DUE_UPLOAD = "UPDATE gateway.uploads SET due_at = LEAST(due_at, $3) WHERE upload_id = $1 AND subject_ref = $2"
UPLOADS_OVER = """
    SELECT upload_id, subject_ref, generation_id, object_key FROM gateway.uploads WHERE due_at <= $1 ORDER BY due_at LIMIT 50
       FOR UPDATE SKIP LOCKED
"""  # index uploads_due
HOLD_UPLOADS_BACK = "UPDATE gateway.uploads SET due_at = $2 WHERE upload_id = ANY($1)"
DELETE_UPLOADS = "DELETE FROM gateway.uploads WHERE upload_id = ANY($1)"

SWEEP_IDEMPOTENCY = "DELETE FROM gateway.idempotency WHERE created_at <= $1"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One submission that has its hold and its key, ready to be written."""

    generation_id: str
    account_id: str
    subject_ref: str
    model: str
    width_px: int
    height_px: int
    seconds: int
    seed: int
    prompt_sealed: bytes
    key_id: str
    upload_id: str | None
    hold_id: str
    credits_held: int
    created_at: datetime
    key_hmac: str | None
    body_hmac: str

    def row(self) -> tuple[object, ...]:
        """The values in the statement's order."""
        return (
            self.generation_id, self.account_id, self.subject_ref, self.model, self.width_px, self.height_px,
            self.seconds, self.seed, self.prompt_sealed, self.key_id, self.upload_id, self.hold_id,
            self.credits_held, self.created_at, self.key_hmac, self.body_hmac,
        )  # fmt: skip


async def accept(tx: Transaction, items: Sequence[Acceptance], told: Sequence[Event]) -> set[tuple[str, str | None]]:
    """Write the generations that are new, and tell of those; (generation_id, upload_id) of each.

    `told` says of each item what is told of it; as many as travel together share an envelope.
    """
    sent, event_ids = [], []
    for start in range(0, len(told), TOGETHER_MOST):
        together = told[start : start + TOGETHER_MOST]
        (envelope,) = tx.envelopes(together)
        sent.append(envelope)
        event_ids += [envelope.event_id] * len(together)
    columns = zip(*(item.row() for item in items), strict=True)
    rows = await tx.fetch(
        ACCEPT, *(list(column) for column in columns), event_ids, [body(event) for event in told],
        stream_of(sent[0].type).name, sent[0].type, sent[0].source, sent[0].told_at, sent[0].traceparent,
    )  # fmt: skip
    written = {(row["generation_id"], row["upload_id"]) for row in rows}
    # Of envelopes that hold less than was meant for them the outbox has the contents.
    told_of = {(item.generation_id, item.upload_id): event for item, event in zip(items, told, strict=True)}
    tx.was_told([told_of[key] for key in written], sent if len(written) == len(items) else [])
    return written


async def find(pool: Reader, generation_id: str, account_id: str) -> asyncpg.Record | None:
    """One generation of this account."""
    return await pool.fetchrow(GET, generation_id, account_id)


async def tombstone(pool: Reader, generation_id: str, account_id: str) -> asyncpg.Record | None:
    """What is left of a removed generation of this account."""
    return await pool.fetchrow(TOMBSTONE, generation_id, account_id)


async def page(
    pool: Reader,
    account_id: str,
    now: datetime,
    after: str | None,
    limit: int,
    *,
    is_ascending: bool,
    state: str | None,
) -> list[asyncpg.Record]:
    """One page of an account's generations that are served at `now`, newest first unless ascending."""
    sql = PAGE.format(
        columns=_SHOWN,
        after=">" if is_ascending else "<",
        order="ASC" if is_ascending else "DESC",
        state="AND state = $5" if state else "",
    )
    return await pool.fetch(sql, account_id, now, after, limit, *([state] if state else []))


async def versions(pool: Reader, generation_ids: Sequence[str]) -> list[asyncpg.Record]:
    """The present rows of these generations, whoever owns them: for watchers who were checked before."""
    return await pool.fetch(VERSIONS, list(generation_ids))
