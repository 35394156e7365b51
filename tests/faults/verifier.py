"""A look of our own with the verifier's credentials, which can only read: what is there of a video, and of an upload."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

import asyncpg
from minio import Minio

from lethe_common.database.roles import DATABASE, KEYS_DATABASE
from tests.suite import RunningSuite

_ROWS = """
    SELECT (SELECT count(*) FROM jobs.runs WHERE generation_id = $1) AS runs,
           (SELECT count(*) FROM jobs.assets WHERE generation_id = $1) AS assets,
           (SELECT count(*) FROM gateway.generations WHERE generation_id = $1) AS generations,
           (SELECT count(*) FROM gateway.uploads WHERE generation_id = $1) AS uploads
"""
_OF_SUBJECT = {
    DATABASE: (
        "gateway.accounts", "gateway.generations", "gateway.uploads", "gateway.mails", "jobs.runs", "jobs.assets",
        "billing.subjects", "retention.deadlines", "retention.plans_held",
    ),
    KEYS_DATABASE: ("keys.item_keys", "keys.class_keys", "keys.login_index"),
}  # fmt: skip
_KEYS = "SELECT count(*) FROM keys.item_keys WHERE item_id = $1"


@dataclass(frozen=True, slots=True)
class Seen:
    """How much of a thing there is: rows by table, keys, versions with delete markers, unfinished multiparts."""

    runs: int = 0
    assets: int = 0
    generations: int = 0
    uploads: int = 0
    keys: int = 0
    versions: int = 0
    markers: int = 0
    multiparts: int = 0


NOTHING = Seen()


def look(suite: RunningSuite, video_id: str, prefix: str) -> Seen:
    """What is there of a video; `prefix` is where its objects lie."""
    return asyncio.run(_look(suite, video_id, video_id, prefix))


def look_at_upload(suite: RunningSuite, video_id: str, upload_id: str, prefix: str) -> Seen:
    """What is there of the reference image of a video: its row, its key, its objects."""
    seen = asyncio.run(_look(suite, video_id, upload_id, prefix))
    return Seen(
        uploads=seen.uploads, keys=seen.keys, versions=seen.versions, markers=seen.markers, multiparts=seen.multiparts
    )


async def rows_of(suite: RunningSuite, subject_ref: str) -> dict[str, int]:
    """How many rows of a person each table has."""
    found = {}
    for database, tables in _OF_SUBJECT.items():
        for table in tables:
            sql = f"SELECT count(*) FROM {table} WHERE subject_ref = $1"
            (found[table],) = await _one(suite.dsn("verifier", database), sql, subject_ref)
    return found


async def transfers(suite: RunningSuite) -> list[UUID]:
    """The ids of all lines of the ledger."""
    connection = await asyncpg.connect(suite.dsn("verifier"))
    try:
        return [row[0] for row in await connection.fetch("SELECT transfer_id FROM billing.transfers")]
    finally:
        await connection.close()


def store(suite: RunningSuite) -> Minio:
    """The object store, as the verifier."""
    key = suite.s3_key("verifier")
    return Minio(suite.s3_endpoint, key.access_key, key.secret_key, secure=False)


async def _look(suite: RunningSuite, video_id: str, key_of: str, prefix: str) -> Seen:
    rows = await _one(suite.dsn("verifier"), _ROWS, video_id)
    keys = await _one(suite.dsn("verifier", KEYS_DATABASE), _KEYS, key_of)
    client, bucket = store(suite), suite.runtime.s3_bucket
    listed = list(client.list_objects(bucket, prefix, recursive=True, include_version=True))
    uploads = client._list_multipart_uploads(bucket, prefix=prefix).uploads
    markers = sum(bool(one.is_delete_marker) for one in listed)
    runs, assets, generations, references = rows
    (held,) = keys
    return Seen(runs, assets, generations, references, held, len(listed) - markers, markers, len(uploads))


async def _one(dsn: str, sql: str, argument: str) -> tuple[int, ...]:
    connection = await asyncpg.connect(dsn)
    try:
        return tuple(await connection.fetchrow(sql, argument))
    finally:
        await connection.close()
