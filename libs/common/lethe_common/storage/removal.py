"""Removing all that lies under a prefix, and seeing that nothing is left.

All means every version, every delete marker and every unfinished multipart upload.
Stores differ in how they list the latter: SeaweedFS by prefix; MinIO by the exact key
only, or the whole bucket's from memory when the prefix is empty, which forgets them at
a restart (cmd/erasure-multipart.go: "we do not support prefix based listing"). So all
three are asked; callers who know their keys give them. What MinIO forgot it deletes
itself after 24 hours (`stale_uploads_expiry`), and it was sealed.
"""

import asyncio
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from minio.datatypes import Object
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from lethe_common.storage.connection import Connection
from lethe_common.storage.errors import StorageFailed
from lethe_common.storage.names import check_prefix


@dataclass(frozen=True, slots=True)
class Removed:
    """How much was removed: versions with delete markers, and unfinished uploads."""

    object_versions: int
    multiparts: int


@dataclass(frozen=True, slots=True)
class Remains:
    """How much is there, at least: each is counted up to one page (1000)."""

    object_versions: int
    multiparts: int

    @property
    def is_empty(self) -> bool:
        return not (self.object_versions or self.multiparts)


async def remove_all_versions(connection: Connection, prefix: str, known_keys: Sequence[str]) -> Removed:
    """Remove page after page until none is left."""
    check_prefix(prefix)
    uploads = await _until_none_is_left(connection, partial(_abort_page, connection, prefix, known_keys))
    versions = await _until_none_is_left(connection, partial(_delete_page, connection, prefix))
    return Removed(object_versions=versions, multiparts=uploads)


async def remove_key(connection: Connection, key: str) -> int:
    """Remove every version of one key, whatever else begins like it."""

    def remove() -> int:
        listed = connection.client.list_objects(connection.bucket, key, recursive=True, include_version=True)
        found = [one for one in islice(listed, connection.limits.page) if one.object_name == key]
        wanted = [DeleteObject(key, one.version_id) for one in found]
        failed = list(connection.client.remove_objects(connection.bucket, wanted)) if wanted else []
        if failed:
            raise StorageFailed(f"The object store did not remove {len(failed)} versions ({failed[0].code}).")
        return len(found)

    return await _until_none_is_left(connection, remove)


async def remains(connection: Connection, prefix: str, known_keys: Sequence[str]) -> Remains:
    """Needs a listing identity only."""
    check_prefix(prefix)
    versions, uploads = await asyncio.gather(
        connection.call(lambda: len(_versions_page(connection, prefix))),
        connection.call(lambda: len(_uploads_page(connection, prefix, known_keys))),
    )
    return Remains(object_versions=versions, multiparts=uploads)


async def _until_none_is_left(connection: Connection, remove_page: Callable[[], int]) -> int:
    total = 0
    for _ in range(connection.limits.removal_rounds):
        removed = await connection.call(remove_page)
        if not removed:
            return total
        total += removed
    raise StorageFailed("Objects were written as fast as they were removed.")


def _delete_page(connection: Connection, prefix: str) -> int:
    found = _versions_page(connection, prefix)
    if not found:
        return 0
    wanted = [DeleteObject(version.object_name or "", version.version_id) for version in found]
    failed = list(connection.client.remove_objects(connection.bucket, wanted))
    if len(failed) == len(found):
        raise StorageFailed(f"The object store removed none of {len(found)} versions ({failed[0].code}).")
    return len(found) - len(failed)


def _abort_page(connection: Connection, prefix: str, known_keys: Sequence[str]) -> int:
    return sum(_abort(connection, key, upload_id) for key, upload_id in _uploads_page(connection, prefix, known_keys))


def _abort(connection: Connection, key: str, upload_id: str) -> bool:
    """Whether it was there to be aborted; its writer may have been quicker."""
    try:
        connection.client._abort_multipart_upload(connection.bucket, key, upload_id)  # noqa: SLF001 - no public call
    except S3Error as error:
        if error.code == "NoSuchUpload":
            return False
        raise
    return True


def _versions_page(connection: Connection, prefix: str) -> list[Object]:
    listed = connection.client.list_objects(connection.bucket, prefix, recursive=True, include_version=True)
    return list(islice(listed, connection.limits.page))


def _uploads_page(connection: Connection, prefix: str, known_keys: Sequence[str]) -> set[tuple[str, str]]:
    asked = (prefix, "", *known_keys)
    return {
        (upload.object_name, upload.upload_id)
        for scope in asked
        for upload in connection.client._list_multipart_uploads(  # noqa: SLF001 - the SDK has no public listing of uploads
            connection.bucket, prefix=scope, max_uploads=connection.limits.page
        ).uploads
        if upload.object_name and upload.upload_id and upload.object_name.startswith(prefix)
    }


def open_uploads(connection: Connection, scope: str, prefixes: Sequence[str]) -> list[tuple[str, str, str]]:
    """Unfinished uploads under any of these prefixes, as (prefix, key, upload id): one listing for all, where it fits."""
    found = _uploads_page(connection, scope, ())
    if len(found) >= connection.limits.page:
        return [(prefix, *one) for prefix in prefixes for one in _uploads_page(connection, prefix, ())]
    by_prefix = [(holder(prefixes, key), key, upload_id) for key, upload_id in found]
    return [(prefix, key, upload_id) for prefix, key, upload_id in by_prefix if prefix is not None]


def abort_uploads(connection: Connection, uploads: Sequence[tuple[str, str, str]]) -> dict[str, int]:
    """Abort these; how many were there under each prefix."""
    return Counter(prefix for prefix, key, upload_id in uploads if _abort(connection, key, upload_id))


def holder(in_order: Sequence[str], key: str) -> str | None:
    """Which of these prefixes, in their order, a key lies under."""
    place = bisect_right(in_order, key) - 1
    return in_order[place] if place >= 0 and key.startswith(in_order[place]) else None
