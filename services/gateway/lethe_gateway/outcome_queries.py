"""The SQL of what other services told, named."""

from collections.abc import Sequence

import asyncpg

from lethe_common.database import Transaction
from lethe_common.events.privacy import StoreCount
from lethe_common.events.retention import ItemsRemoved
from lethe_gateway.outcomes import Outcome

# Locks are taken in the order of the key: two replicas meet on the same rows. A generation's state never goes back.
MOVE = """
    WITH held AS (
        SELECT generation_id FROM gateway.generations WHERE generation_id = ANY($1) ORDER BY generation_id
           FOR NO KEY UPDATE
    ), told AS (
        SELECT t.* FROM held JOIN unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::bigint[], $6::bool[],
                                         $7::timestamptz[], $8::int[], $9::timestamptz[])
            AS t(generation_id, state, completed_at, error_code, credits, is_voided, expires_at, moves, hidden_at)
         USING (generation_id)
    )
    UPDATE gateway.generations g
       SET state = CASE WHEN {advances} THEN told.state ELSE g.state END,
           completed_at = CASE WHEN {advances} THEN told.completed_at ELSE g.completed_at END,
           error_code = CASE WHEN {advances} THEN told.error_code ELSE g.error_code END,
           credits_charged = CASE WHEN {voids} THEN 0 ELSE coalesce(told.credits, g.credits_charged) END,
           expires_at = CASE WHEN {dates} THEN told.expires_at ELSE g.expires_at END,
           expires_moves = CASE WHEN {dates} THEN told.moves ELSE g.expires_moves END,
           hidden_at = CASE WHEN {hides} THEN told.hidden_at ELSE g.hidden_at END,
           rule = CASE WHEN {hides} THEN 'expired' ELSE g.rule END,
           state_version = g.state_version + 1
      FROM told
     WHERE g.generation_id = told.generation_id
       AND ({advances} OR {voids} OR {hides} OR {dates}
            OR told.credits IS NOT NULL AND g.credits_charged IS DISTINCT FROM told.credits)
    RETURNING g.generation_id, g.state_version
""".format(  # noqa: S608  put together from our own conditions
    advances="(told.state IS NOT NULL AND (g.state = 'queued' OR g.state = 'in_progress' AND told.state <> 'in_progress'))",
    voids="(told.is_voided AND told.credits IS NULL AND g.credits_charged IS NULL)",
    dates="""(told.moves >= g.expires_moves
              AND (told.moves, told.expires_at) IS DISTINCT FROM (g.expires_moves, g.expires_at))""",
    hides="(told.hidden_at IS NOT NULL AND g.hidden_at IS NULL)",
)
REMOVED = """
    WITH held AS (
        SELECT generation_id FROM gateway.generations WHERE generation_id = ANY($1) ORDER BY generation_id FOR UPDATE
    ), told AS (
        SELECT t.* FROM held JOIN unnest($1::text[], $2::timestamptz[], $3::text[]) AS t(generation_id, removed_at, rule)
         USING (generation_id)
    ), gone AS (
        DELETE FROM gateway.generations g USING told WHERE g.generation_id = told.generation_id
        RETURNING g.generation_id, g.account_id, told.removed_at, told.rule
    ), keys AS (
        DELETE FROM gateway.idempotency WHERE generation_id = ANY($1)
    )
    INSERT INTO gateway.tombstones (generation_id, account_id, removed_at, rule)
    SELECT generation_id, account_id, removed_at, rule FROM gone
    ON CONFLICT DO NOTHING
"""
DUE_UPLOADS = "UPDATE gateway.uploads SET due_at = LEAST(due_at, $2) WHERE generation_id = ANY($1::text[])"

# What an account has: (table, category). `accounts` comes last: the others refer to it.
ACCOUNT_STORES = (
    ("idempotency", "content.generation"),
    ("tombstones", "content.generation"),
    ("training_records", "training.record"),
    ("uploads", "upload.image"),
    ("generations", "content.prompt"),
    ("exports", "export.archive"),
    ("mails", "mail.queue"),
    ("proof_tokens", "identity.credentials"),
    ("address_changes", "identity.email"),
    ("sessions", "identity.session"),
    ("api_keys", "identity.credentials"),
    ("accounts", "identity.email"),
)
_DELETE = "DELETE FROM gateway.{table} WHERE account_id = $1 RETURNING 1"
_COUNT = "(SELECT count(*) FROM {source}) AS {table}"
_STORED = [table for table, _ in ACCOUNT_STORES]
_GONE = ", ".join(f"{table} AS ({_DELETE.format(table=table)})" for table in _STORED)
_COUNTS = ", ".join(_COUNT.format(source=table, table=table) for table in _STORED)
# Foreign keys are looked at when the whole statement is over. Indexes: account_id of each.
ERASE_ACCOUNT = f"WITH {_GONE} SELECT {_COUNTS}"
LEFT_OF_ACCOUNT = "SELECT " + ", ".join(
    _COUNT.format(source=f"gateway.{table} WHERE account_id = $1", table=table) for table in _STORED
)
UPLOAD_KEYS = "SELECT object_key FROM gateway.uploads WHERE account_id = $1"
SET_CLOSING = "UPDATE gateway.accounts SET state = 'closing' WHERE subject_ref = $1 RETURNING account_id"
LOCK_SUBJECT = "SELECT account_id, storage_ref, state FROM gateway.accounts WHERE subject_ref = $1 FOR UPDATE"


async def move(tx: Transaction, outcomes: Sequence[Outcome]) -> list[asyncpg.Record]:
    """Move generations on; those that changed, with their new versions."""
    columns = zip(*(outcome.row() for outcome in outcomes), strict=True)
    return await tx.fetch(MOVE, *(list(column) for column in columns))


async def remove(tx: Transaction, items: Sequence[ItemsRemoved.Item]) -> None:
    """Leave tombstones where generations were."""
    rules = [str(item.rule) for item in items]
    await tx.execute(REMOVED, [item.generation_id for item in items], [item.removed_at for item in items], rules)


async def erase_account(tx: Transaction, account_id: str) -> tuple[StoreCount, ...]:
    """Delete every row of an account; counts of each store before and after."""
    gone = await tx.fetchone(ERASE_ACCOUNT, account_id)
    left = await tx.fetchone(LEFT_OF_ACCOUNT, account_id)
    return tuple(
        StoreCount(store=f"pg:gateway.{table}", category=category, before=gone[table] + left[table], after=left[table])
        for table, category in ACCOUNT_STORES
    )
