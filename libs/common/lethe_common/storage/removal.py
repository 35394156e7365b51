"""Removing all that lies under a prefix, and seeing that nothing is left.

All means every version, every delete marker and every unfinished multipart upload.
Stores differ in how they list the latter: SeaweedFS by prefix; MinIO by the exact key
only, or the whole bucket's from memory when the prefix is empty, which forgets them at
a restart (cmd/erasure-multipart.go: "we do not support prefix based listing"). So the
whole bucket's are asked for, which is all where they fit one page, those by prefix where
they do not, and by key for callers who know theirs. What MinIO forgot it deletes itself
after 24 hours (`stale_uploads_expiry`), and it was sealed.
"""

import asyncio
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, takewhile

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


@dataclass(frozen=True, slots=True)
class Found:
    """What a look found, up to one page of each: uploads as (key, upload id)."""

    versions: Sequence[Object]
    uploads: Collection[tuple[str, str]]

    @property
    def count(self) -> int:
        """How much that is."""
        return len(self.versions) + len(self.uploads)

    @property
    def remains(self) -> Remains:
        """The same without names."""
        return Remains(object_versions=len(self.versions), multiparts=len(self.uploads))


async def find_each(
    connection: Connection, prefixes: Collection[str], known_keys: Sequence[str] = ()
) -> dict[str, Found]:
    """What is under each prefix, at the same time and with one look for all uploads. Needs a listing identity only."""
    in_order = sorted(prefixes)
    for prefix in in_order:
        check_prefix(prefix)
    if not in_order:
        return {}
    uploads, versions = await asyncio.gather(
        connection.call(lambda: open_uploads(connection, in_order, known_keys)),
        asyncio.gather(*(connection.call(partial(_versions_page, connection, prefix)) for prefix in in_order)),
    )
    return {
        prefix: Found(page, [(key, upload_id) for of, key, upload_id in uploads if of == prefix])
        for prefix, page in zip(in_order, versions, strict=True)
    }


async def remove_all_versions(
    connection: Connection, prefix: str, known_keys: Sequence[str], found: Found | None
) -> Removed:
    """Remove what was found, then page after page until none is left. Where a look has found nothing, that was it."""
    check_prefix(prefix)
    aborted, deleted = 0, 0
    if found is not None:
        if not found.count:
            return Removed(0, 0)
        aborted, deleted = await connection.call(
            lambda: (_abort_all(connection, found.uploads), _delete_all(connection, found.versions))
        )
    # The last look for versions comes after the last one for uploads: what is completed in between is among them.
    if found is None or found.uploads:
        aborted += await _until_none_is_left(connection, partial(_abort_page, connection, prefix, known_keys))
    deleted += await _until_none_is_left(connection, partial(_delete_page, connection, prefix))
    return Removed(object_versions=deleted, multiparts=aborted)


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


async def _until_none_is_left(connection: Connection, remove_page: Callable[[], int]) -> int:
    total = 0
    for _ in range(connection.limits.removal_rounds):
        removed = await connection.call(remove_page)
        if not removed:
            return total
        total += removed
    raise StorageFailed("Objects were written as fast as they were removed.")


def _delete_page(connection: Connection, prefix: str) -> int:
    return _delete_all(connection, _versions_page(connection, prefix))


def _delete_all(connection: Connection, found: Sequence[Object]) -> int:
    if not found:
        return 0
    wanted = [DeleteObject(version.object_name or "", version.version_id) for version in found]
    failed = list(connection.client.remove_objects(connection.bucket, wanted))
    if len(failed) == len(found):
        raise StorageFailed(f"The object store removed none of {len(found)} versions ({failed[0].code}).")
    return len(found) - len(failed)


def _abort_page(connection: Connection, prefix: str, known_keys: Sequence[str]) -> int:
    return _abort_all(connection, _uploads_page(connection, prefix, known_keys))


def _abort_all(connection: Connection, uploads: Collection[tuple[str, str]]) -> int:
    return sum(_abort(connection, key, upload_id) for key, upload_id in uploads)


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
    return {(key, upload_id) for _, key, upload_id in open_uploads(connection, [prefix], known_keys)}


def _uploads_in(connection: Connection, scope: str) -> tuple[set[tuple[str, str]], bool]:
    """One page of unfinished uploads, as (key, upload id), and whether there are no others."""
    most = connection.limits.page
    answer = connection.client._list_multipart_uploads(  # noqa: SLF001 - the SDK has no public listing of uploads
        connection.bucket, prefix=scope, max_uploads=most
    )
    found = {(one.object_name, one.upload_id) for one in answer.uploads if one.object_name and one.upload_id}
    return found, not answer.is_truncated and len(answer.uploads) < most


def open_uploads(
    connection: Connection, in_order: Sequence[str], known_keys: Sequence[str] = ()
) -> list[tuple[str, str, str]]:
    """Unfinished uploads under any of these prefixes, as (prefix, key, upload id): one listing for all, where it fits."""
    found, are_all = _uploads_in(connection, "")
    if not are_all:
        some, are_all = _uploads_in(connection, beginning(in_order))
        found |= some
    for scope in known_keys if are_all else (*in_order, *known_keys):
        found |= _uploads_in(connection, scope)[0]
    by_prefix = [(holder(in_order, key), key, upload_id) for key, upload_id in found]
    return [(prefix, key, upload_id) for prefix, key, upload_id in by_prefix if prefix is not None]


def abort_uploads(connection: Connection, uploads: Sequence[tuple[str, str, str]]) -> dict[str, int]:
    """Abort these; how many were there under each prefix."""
    return Counter(prefix for prefix, key, upload_id in uploads if _abort(connection, key, upload_id))


def holder(in_order: Sequence[str], key: str) -> str | None:
    """Which of these prefixes, in their order, a key lies under."""
    place = bisect_right(in_order, key) - 1
    return in_order[place] if place >= 0 and key.startswith(in_order[place]) else None


def beginning(in_order: Sequence[str]) -> str:
    """What all of them begin with: in their order, what the first and the last do."""
    if not in_order:
        return ""
    pairs = zip(in_order[0], in_order[-1], strict=False)
    return "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
