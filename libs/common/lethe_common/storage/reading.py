"""Reading objects, by range and in chunks."""

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from itertools import islice

from minio.error import S3Error
from urllib3.response import BaseHTTPResponse

from lethe_common.errors import Unavailable
from lethe_common.storage.connection import Connection
from lethe_common.storage.errors import StorageFailed


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What the store knows of an object."""

    key: str
    size_bytes: int
    etag: str
    media_type: str
    version_id: str | None


async def stat(connection: Connection, key: str) -> ObjectFacts:
    """Raises:
    ObjectMissing: there is none.
    """

    def look() -> ObjectFacts:
        found = connection.client.stat_object(connection.bucket, key)
        return ObjectFacts(key, found.size or 0, found.etag or "", found.content_type or "", found.version_id)

    return await connection.call(look)


async def list_keys(connection: Connection, prefix: str, after: str) -> list[str]:
    """One page of keys in their order, those of which only old versions are left included. No key twice."""

    def look() -> list[str]:
        listed = connection.client.list_objects(
            connection.bucket, prefix, recursive=True, include_version=True, start_after=after or None
        )
        return [found.object_name or "" for found in islice(listed, connection.limits.page)]

    return [key for key in dict.fromkeys(await connection.call(look)) if key > after]


async def get_range(
    connection: Connection, turns: asyncio.Semaphore, key: str, offset: int, length: int
) -> AsyncGenerator[bytes, None]:
    """The bytes [offset, offset + length), fewer where the object ends before."""
    if length <= 0:
        return
    await _take(turns, connection.limits.open_read_wait_seconds)
    opening = None
    try:
        opening = connection.start(partial(_open, connection, key, offset, length))
        response = await asyncio.wrap_future(opening)
        while response is not None:
            chunk = await connection.call(partial(response.read, connection.limits.chunk_bytes))
            if not chunk:
                break
            yield chunk
    finally:
        turns.release()
        if opening is not None:
            opening.add_done_callback(lambda done: _close(connection, done))


def _open(connection: Connection, key: str, offset: int, length: int) -> BaseHTTPResponse | None:
    """The answer with its body unread, or None when the object ends before `offset`."""
    try:
        response = connection.client.get_object(connection.bucket, key, offset, length)
    except S3Error as error:
        if error.code == "InvalidRange":
            return None
        raise
    if int(response.headers.get("content-length", length + 1)) > length:
        _release(response)
        raise StorageFailed("The object store answered more than the range asked for.")
    return response


async def _take(turns: asyncio.Semaphore, wait_seconds: float) -> None:
    try:
        await asyncio.wait_for(turns.acquire(), wait_seconds)
    except TimeoutError:
        raise Unavailable("Too many objects are being read. Retry in a moment.") from None


def _close(connection: Connection, opened: Future[BaseHTTPResponse | None]) -> None:
    """Give the connection back in a thread, also when the reader left before the answer came."""
    if opened.cancelled() or opened.exception() is not None:
        return
    response = opened.result()
    if response is not None:
        connection.start(partial(_release, response))


def _release(response: BaseHTTPResponse) -> None:
    response.close()
    response.release_conn()
