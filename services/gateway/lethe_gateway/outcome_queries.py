"""The SQL of what other services told, named. No statement moves a generation's state backwards."""

from collections.abc import Collection, Sequence
from datetime import datetime

import asyncpg

from lethe_common.database import Transaction
from lethe_common.events.privacy import StoreCount

# Consumers of several streams meet on the same rows: locks are taken in the order of the key, always.
LOCK = """
    SELECT generation_id FROM gateway.generations WHERE generation_id = ANY($1) ORDER BY generation_id
       FOR NO KEY UPDATE
"""
STARTED = """
    UPDATE gateway.generations SET state = 'in_progress', state_version = state_version + 1
     WHERE generation_id = ANY($1) AND state = 'queued'
    RETURNING generation_id, state_version
"""
COMPLETED = """
    UPDATE gateway.generations g
       SET state = 'completed', completed_at = told.at, state_version = state_version + 1
      FROM unnest($1::text[], $2::timestamptz[]) AS told(generation_id, at)
     WHERE g.generation_id = told.generation_id AND g.state IN ('queued', 'in_progress')
    RETURNING g.generation_id, g.state_version
"""
ENDED = """
    UPDATE gateway.generations SET state = $2, error_code = $3, state_version = state_version + 1
     WHERE generation_id = $1 AND state IN ('queued', 'in_progress')
    RETURNING generation_id, state_version
"""
CHARGED = """
    UPDATE gateway.generations g
       SET credits_charged = told.credits, state_version = state_version + 1
      FROM unnest($1::text[], $2::bigint[]) AS told(generation_id, credits)
     WHERE g.generation_id = told.generation_id AND g.credits_charged IS DISTINCT FROM told.credits
    RETURNING g.generation_id, g.state_version
"""
UNCHARGED = """
    UPDATE gateway.generations SET credits_charged = 0, state_version = state_version + 1
     WHERE generation_id = $1 AND credits_charged IS NULL
    RETURNING generation_id, state_version
"""
SCHEDULED = """
    UPDATE gateway.generations g SET expires_at = told.due_at, state_version = state_version + 1
      FROM unnest($1::text[], $2::timestamptz[]) AS told(generation_id, due_at)
     WHERE g.generation_id = told.generation_id AND g.expires_at IS DISTINCT FROM told.due_at
    RETURNING g.generation_id, g.state_version
"""
DUE = """
    UPDATE gateway.generations SET hidden_at = $2, rule = 'expired', state_version = state_version + 1
     WHERE generation_id = $1 AND hidden_at IS NULL
    RETURNING generation_id, state_version
"""
REMOVED = """
    WITH gone AS (DELETE FROM gateway.generations WHERE generation_id = $1 RETURNING generation_id, account_id),
         keys AS (DELETE FROM gateway.idempotency WHERE generation_id = $1)
    INSERT INTO gateway.tombstones (generation_id, account_id, removed_at, rule)
    SELECT generation_id, account_id, $2, $3 FROM gone
    ON CONFLICT DO NOTHING
    RETURNING generation_id
"""
DUE_UPLOADS = "UPDATE gateway.uploads SET due_at = LEAST(due_at, $2) WHERE generation_id = $1"

# What an account has, in the order in which foreign keys let it go: (table, category).
ACCOUNT_STORES = (
    ("idempotency", "content.generation"),
    ("tombstones", "content.generation"),
    ("uploads", "upload.image"),
    ("generations", "content.prompt"),
    ("mails", "mail.queue"),
    ("proof_tokens", "identity.credentials"),
    ("sessions", "identity.session"),
    ("api_keys", "identity.credentials"),
    ("accounts", "identity.email"),
)
COUNT = "SELECT count(*) FROM gateway.{table} WHERE account_id = $1"
DELETE = "DELETE FROM gateway.{table} WHERE account_id = $1"
UPLOAD_KEYS = "SELECT object_key FROM gateway.uploads WHERE account_id = $1"
SET_CLOSING = "UPDATE gateway.accounts SET state = 'closing' WHERE subject_ref = $1 RETURNING account_id"
LOCK_SUBJECT = "SELECT account_id, storage_ref FROM gateway.accounts WHERE subject_ref = $1 FOR UPDATE"


async def lock(tx: Transaction, ids: Collection[str]) -> None:
    """Lock these generations until the transaction ends."""
    await tx.execute(LOCK, list(ids))


async def completed(tx: Transaction, ids: Sequence[str], at: Sequence[datetime]) -> list[asyncpg.Record]:
    """Mark these generations as completed."""
    return await tx.fetch(COMPLETED, list(ids), list(at))


async def charged(tx: Transaction, ids: Sequence[str], credits_: Sequence[int]) -> list[asyncpg.Record]:
    """Note what these generations cost."""
    return await tx.fetch(CHARGED, list(ids), list(credits_))


async def scheduled(tx: Transaction, ids: Sequence[str], due_at: Sequence[datetime]) -> list[asyncpg.Record]:
    """Note until when these generations are served."""
    return await tx.fetch(SCHEDULED, list(ids), list(due_at))


async def erase_account(tx: Transaction, account_id: str) -> tuple[StoreCount, ...]:
    """Delete every row of an account; counts of each store before and after."""
    before = {table: await tx.fetchval(COUNT.format(table=table), account_id) for table, _ in ACCOUNT_STORES}
    for table, _ in ACCOUNT_STORES:
        await tx.execute(DELETE.format(table=table), account_id)
    after = {table: await tx.fetchval(COUNT.format(table=table), account_id) for table, _ in ACCOUNT_STORES}
    return tuple(
        StoreCount(store=f"pg:gateway.{table}", category=category, before=before[table], after=after[table])
        for table, category in ACCOUNT_STORES
    )
