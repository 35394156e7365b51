"""Looking at the stores themselves, past every service: all tables as the superuser, all object versions."""

import re
from dataclasses import dataclass

import asyncpg
from minio import Minio

from lethe_common.database.roles import DATABASES
from tests.suite import RunningSuite

_TABLES = """
    SELECT n.nspname AS schema, c.relname AS name
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
     ORDER BY 1, 2
"""
_PARTITION = re.compile(r"_(\d{8}|rest)$")
_ID = re.compile(r"[a-z]+_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})")
# What passes through every service's frame: refs only, and gone by its own age.
FRAME = ("outbox", "inbox")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One version of one object."""

    name: str
    version: str | None
    size_bytes: int
    is_marker: bool


async def _tables(connection: asyncpg.Connection) -> list[tuple[str, str]]:
    return [(row["schema"], row["name"]) for row in await connection.fetch(_TABLES)]


async def _each_table(suite: RunningSuite, sql: str, *arguments: object) -> dict[str, int]:
    """`sql` counted over every table of every database; partitions added up under their parent's name."""
    found: dict[str, int] = {}
    for database in DATABASES:
        connection = await asyncpg.connect(suite.superuser_dsn(database))
        try:
            for schema, name in await _tables(connection):
                place = f"{schema}.{_PARTITION.sub('', name)}"
                count = await connection.fetchval(sql.format(table=f'"{schema}"."{name}"'), *arguments)
                found[place] = found.get(place, 0) + count
        finally:
            await connection.close()
    return found


async def row_counts(suite: RunningSuite) -> dict[str, int]:
    """How many rows each table of each service has, the frame's own aside."""
    counts = await _each_table(suite, "SELECT count(*) FROM {table}")
    return {place: count for place, count in counts.items() if not place.endswith(FRAME)}


async def places_of(suite: RunningSuite, value: str) -> dict[str, int]:
    """Each table in which a value stands, in any column, in clear, in hex or as a bare UUID: rows per table."""
    bare = _ID.fullmatch(value)
    spellings = [value, value.encode().hex(), "-".join(bare.groups()) if bare else value]
    sql = "SELECT count(*) FROM {table} t WHERE strpos(t::text, $1) + strpos(t::text, $2) + strpos(t::text, $3) > 0"
    return {place: count for place, count in (await _each_table(suite, sql, *spellings)).items() if count}


async def places_beyond_frame(suite: RunningSuite, value: str) -> dict[str, int]:
    """The same without outboxes and inboxes."""
    return {place: count for place, count in (await places_of(suite, value)).items() if not place.endswith(FRAME)}


def store(suite: RunningSuite) -> Minio:
    """The object store, as its administrator."""
    key = suite.s3_key("admin")
    return Minio(suite.s3_endpoint, key.access_key, key.secret_key, secure=False)


def objects(suite: RunningSuite, prefix: str = "") -> list[StoredObject]:
    """All versions of all objects, delete markers included."""
    listed = store(suite).list_objects(suite.runtime.s3_bucket, prefix, recursive=True, include_version=True)
    return [
        StoredObject(str(item.object_name), item.version_id, item.size or 0, bool(item.is_delete_marker))
        for item in listed
    ]
