"""Fills a suite's tables as a large service's are: everything there is of one person who really used it, many times over.

Each copy has ids of its own, derived from the original's by its number, so that rows of all
tables and databases belong together as the original's do. New columns come along by themselves.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import asyncpg

from lethe_common.database.roles import DATABASE, KEYS_DATABASE
from tests.suite import Account, RunningSuite

_CHUNK = 50_000
_AT_ONCE = 2
_IDS = frozenset({
    "account_id", "subject_ref", "storage_ref", "key_id", "key_hash", "token_hash", "generation_id", "hold_id", "key_hmac",
    "wallet_id", "grant_id", "cause_ref", "transfer_id", "key", "run_id", "asset_id", "object_random", "item_id",
    "index_digest", "holder_ref",
})  # fmt: skip
"""Columns in which copies differ, in whatever table."""
# Text keeps its form (a prefix and 32 hex digits, or hex digits alone) and, as ids by time do, its order.
_COPIES = {
    "text": "left({0}, length({0}) - 16) || lpad(to_hex(n), 16, '0')",
    "uuid": "(left({0}::text, 24) || lpad(to_hex(n), 12, '0'))::uuid",
    "bytea": "sha256({0} || int8send(n))",
}
_COLUMNS = """
    SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attidentity = '' AND attgenerated = ''
"""
_GROWING = ("max_wal_size = '16GB'", "checkpoint_timeout = '30min'")


@dataclass(frozen=True, slots=True)
class Kind:
    """Rows of one table that are one person's."""

    database: str
    table: str
    of: str
    """The condition that finds them, with the names of `_keys` in braces."""


_SCHEMAS: Sequence[tuple[str, str, Sequence[tuple[str, str]]]] = (
    (DATABASE, "gateway", [
        (table, "account_id = '{account_id}'") for table in ("accounts", "api_keys", "sessions", "generations", "idempotency")
    ]),
    (DATABASE, "jobs", [
        *((table, "subject_ref = '{subject_ref}'") for table in ("subjects", "runs", "assets")),
        ("attempts", "generation_id IN (SELECT generation_id FROM jobs.runs WHERE subject_ref = '{subject_ref}')"),
    ]),
    (DATABASE, "billing", [
        (table, "wallet_id = '{wallet_id}'") for table in ("wallets", "subjects", "grants", "holds", "transfers")
    ]),
    (DATABASE, "retention", [(table, "subject_ref = '{subject_ref}'") for table in ("deadlines", "plans_held")]),
    (KEYS_DATABASE, "keys", [
        *((table, "subject_ref = '{subject_ref}'") for table in ("subjects", "class_keys", "item_keys", "login_index")),
        ("consents", "holder_ref = '{holder_ref}'"),
    ]),
)  # fmt: skip
KINDS = [Kind(database, f"{schema}.{name}", of) for database, schema, tables in _SCHEMAS for name, of in tables]
Say = Callable[[str], None]


async def multiply(suite: RunningSuite, original: Account, copies: int, say: Say) -> int:
    """So many more people like this one, in every table that has anything of them; how many rows each has."""
    keys = await _keys(suite, original)
    await _tell_postgres(suite, [f"ALTER SYSTEM SET {setting}" for setting in _GROWING])
    slots = asyncio.Semaphore(_AT_ONCE)

    async def fill(kind: Kind) -> int:
        async with slots:
            connection = await asyncpg.connect(suite.superuser_dsn(kind.database))
            try:
                each = await _fill(connection, kind.table, kind.of.format(**keys), copies)
            finally:
                await connection.close()
        say(f"{kind.table}: {copies * each:,} rows")
        return each

    each = await asyncio.gather(*(fill(kind) for kind in KINDS))
    await _tell_postgres(suite, [f"ALTER SYSTEM RESET {setting.partition(' ')[0]}" for setting in _GROWING])
    return sum(each)


async def _keys(suite: RunningSuite, original: Account) -> dict[str, str]:
    ref = original.subject_ref
    wallet = await suite.fetch("SELECT wallet_id::text FROM billing.subjects WHERE subject_ref = $1", ref)
    holder = await suite.fetch(
        "SELECT holder_ref FROM keys.subjects WHERE subject_ref = $1", ref, database=KEYS_DATABASE
    )
    return {
        "account_id": original.account_id,
        "subject_ref": ref,
        "wallet_id": wallet[0][0],
        "holder_ref": holder[0][0] or "",
    }


async def _fill(connection: asyncpg.Connection, table: str, of: str, copies: int) -> int:
    columns = {row["attname"]: row["type"] for row in await connection.fetch(_COLUMNS, table)}
    values = [_COPIES[kind].format(f"t.{name}") if name in _IDS else f"t.{name}" for name, kind in columns.items()]
    each: int = await connection.fetchval(f"SELECT count(*) FROM {table} WHERE {of}")
    insert = (
        f"INSERT INTO {table} ({', '.join(columns)}) "
        f"SELECT {', '.join(values)} FROM (SELECT * FROM {table} WHERE {of}) t, generate_series($1::bigint, $2::bigint) n"
    )
    # Rows that refer to one another are copied table by table: nothing is checked until all are there.
    await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
    for first, last in _chunks(copies if each else 0):
        await connection.execute(insert, first, last)
    return each


def _chunks(copies: int) -> Iterator[tuple[int, int]]:
    for first in range(1, copies + 1, _CHUNK):
        yield first, min(first + _CHUNK - 1, copies)


async def _tell_postgres(suite: RunningSuite, statements: Sequence[str]) -> None:
    for statement in (*statements, "SELECT pg_reload_conf()"):
        await suite.fetch(statement)
