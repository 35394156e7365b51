"""The SQL of accounts, keys, sessions, mailed links and mails, named. Reads take a pool or a transaction alike."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

import asyncpg

from lethe_common.database import Transaction


class Reader(Protocol):
    """A pool or a transaction: something that answers a SELECT."""

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]: ...
    async def fetchrow(self, sql: str, *args: Any) -> asyncpg.Record | None: ...


INSERT_ACCOUNT = """
    INSERT INTO gateway.accounts
           (account_id, subject_ref, email_sealed, password_sealed, key_id, storage_ref, plan, state, created_at, seen_on)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, ($9 AT TIME ZONE 'UTC')::date)
    ON CONFLICT (subject_ref) DO NOTHING
    RETURNING account_id
"""
ACCOUNT_COLUMNS = "account_id, subject_ref, email_sealed, password_sealed, key_id, storage_ref, plan, state, created_at"
ACCOUNT_OF_SUBJECT = f"SELECT {ACCOUNT_COLUMNS} FROM gateway.accounts WHERE subject_ref = $1"  # noqa: S608  fixed names
ACCOUNT_BY_ID = f"SELECT {ACCOUNT_COLUMNS} FROM gateway.accounts WHERE account_id = $1"  # noqa: S608  fixed names
SUBJECT_OF = "SELECT subject_ref FROM gateway.accounts WHERE account_id = $1"
ACCOUNTS_OF_SUBJECTS = "SELECT account_id, subject_ref, state FROM gateway.accounts WHERE subject_ref = ANY($1)"
HAS_ADDRESS = "SELECT email_sealed IS NOT NULL FROM gateway.accounts WHERE account_id = $1"
LOCK_ACCOUNT = "SELECT account_id, state FROM gateway.accounts WHERE account_id = $1 FOR UPDATE"
SET_STATE = "UPDATE gateway.accounts SET state = $2 WHERE account_id = $1 AND state = $3 RETURNING plan"
# Plans may be heard of in another order than they were changed in.
SET_PLAN = """
    UPDATE gateway.accounts SET plan = $2, plan_since = $3
     WHERE subject_ref = $1 AND (plan_since IS NULL OR plan_since <= $3)
"""
SET_PASSWORD = "UPDATE gateway.accounts SET password_sealed = $2, password_set_at = $3 WHERE account_id = $1"  # noqa: S105  a statement

SET_EMAIL = "UPDATE gateway.accounts SET email_sealed = $2 WHERE account_id = $1"

INSERT_KEY = """
    INSERT INTO gateway.api_keys (key_id, account_id, key_hash, created_at) VALUES ($1, $2, $3, $4)
"""
CALLERS_BY_KEY = """
    SELECT k.key_hash AS token, k.key_id, a.account_id, a.subject_ref, a.plan, a.state, a.seen_on
      FROM gateway.api_keys k JOIN gateway.accounts a USING (account_id)
     WHERE k.key_hash = ANY($1)
"""  # unique index on key_hash
CALLERS_BY_SESSION = """
    SELECT s.token_hash AS token, NULL AS key_id, a.account_id, a.subject_ref, a.plan, a.state, a.seen_on
      FROM gateway.sessions s JOIN gateway.accounts a USING (account_id)
     WHERE s.token_hash = ANY($1) AND s.expires_at > $2
"""  # primary key
LIST_KEYS = """
    SELECT key_id, created_at, last_used_on FROM gateway.api_keys WHERE account_id = $1 ORDER BY key_id LIMIT $2
"""
HAS_KEY = "SELECT EXISTS (SELECT 1 FROM gateway.api_keys WHERE key_id = $1 AND account_id = $2)"
DELETE_KEY = "DELETE FROM gateway.api_keys WHERE key_id = $1 AND account_id = $2 RETURNING key_id"
DELETE_KEYS = "DELETE FROM gateway.api_keys WHERE account_id = $1"
TOUCH_KEYS = """
    UPDATE gateway.api_keys SET last_used_on = $2 WHERE key_id = ANY($1) AND last_used_on IS DISTINCT FROM $2
"""
# Skipped is who somebody else is writing: whoever comes again is seen again.
TOUCH_ACCOUNTS = """
    UPDATE gateway.accounts SET seen_on = $2
     WHERE account_id IN (SELECT account_id FROM gateway.accounts
                           WHERE account_id = ANY($1) AND seen_on < $2 FOR UPDATE SKIP LOCKED)
"""

INSERT_SESSION = """
    INSERT INTO gateway.sessions (token_hash, account_id, created_at, expires_at) VALUES ($1, $2, $3, $4)
"""
DELETE_SESSION = "DELETE FROM gateway.sessions WHERE token_hash = $1"
DELETE_SESSIONS = "DELETE FROM gateway.sessions WHERE account_id = $1"

INSERT_TOKEN = "INSERT INTO gateway.proof_tokens (token_hash, account_id, use, expires_at) VALUES ($1, $2, $3, $4)"  # noqa: S105  a statement
TAKE_TOKEN = (
    "DELETE FROM gateway.proof_tokens WHERE token_hash = $1 AND use = $2 AND expires_at > $3 RETURNING account_id"  # noqa: S105  a statement
)
# A link that ends mails works as often as it is used.
DECLINED = """
    SELECT a.subject_ref, split_part(t.use, ':', 2) AS purpose
      FROM gateway.proof_tokens t JOIN gateway.accounts a USING (account_id)
     WHERE t.token_hash = $1 AND t.use LIKE 'unsubscribe:%' AND t.expires_at > $2
"""
DELETE_TOKENS = "DELETE FROM gateway.proof_tokens WHERE account_id = $1 AND use = $2"

INSERT_MAIL = """
    INSERT INTO gateway.mails (mail_id, account_id, subject_ref, template, secret_sealed, key_id, due_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
ASK_FOR_MAIL = "UPDATE gateway.mails SET is_asked = true WHERE mail_id = $1 AND subject_ref = $2"
CLAIM_MAIL = """
    UPDATE gateway.mails SET attempts = attempts + 1, due_at = $1 + make_interval(secs => 30 * 2 ^ LEAST(attempts, 8))
     WHERE mail_id = (SELECT mail_id FROM gateway.mails WHERE is_asked AND due_at <= $1
                       ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING mail_id, account_id, subject_ref, template, secret_sealed, key_id, attempts
"""
OVER_MAILS = "SELECT mail_id, subject_ref FROM gateway.mails WHERE expires_at <= $1 OR attempts >= $2 LIMIT 200"
# index mails_account
MAILS_OF_KIND = "SELECT mail_id FROM gateway.mails WHERE account_id = $1 AND template = $2 LIMIT 200"
DELETE_MAILS = "DELETE FROM gateway.mails WHERE mail_id = ANY($1)"

SWEEP_SESSIONS = "DELETE FROM gateway.sessions WHERE expires_at <= $1"
SWEEP_TOKENS = "DELETE FROM gateway.proof_tokens WHERE expires_at <= $1"


async def add_account(
    tx: Transaction,
    *,
    account_id: str,
    subject_ref: str,
    email_sealed: bytes | None,
    password_sealed: bytes | None,
    key_id: str,
    storage_ref: str,
    plan: str,
    state: str,
    created_at: datetime,
) -> bool:
    """Insert an account; False when its subject has one already."""
    row = (account_id, subject_ref, email_sealed, password_sealed, key_id, storage_ref, plan, state, created_at)
    return await tx.fetchval(INSERT_ACCOUNT, *row) is not None


async def add_key(tx: Transaction, key_id: str, account_id: str, key_hash: bytes, at: datetime) -> None:
    """Insert an API key's digest."""
    await tx.execute(INSERT_KEY, key_id, account_id, key_hash, at)


async def callers_by_key(pool: Reader, digests: Sequence[bytes]) -> list[asyncpg.Record]:
    """Whose keys these are; one row each for those that exist."""
    return await pool.fetch(CALLERS_BY_KEY, list(digests))


async def callers_by_session(pool: Reader, digests: Sequence[bytes], now: datetime) -> list[asyncpg.Record]:
    """Whose sessions these are; one row each for those that exist and have not ended."""
    return await pool.fetch(CALLERS_BY_SESSION, list(digests), now)


async def revoke_all(tx: Transaction, account_id: str) -> None:
    """End all sessions and keys of an account."""
    await tx.execute(DELETE_KEYS, account_id)
    await tx.execute(DELETE_SESSIONS, account_id)
