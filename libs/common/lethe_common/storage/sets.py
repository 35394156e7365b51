"""Many prefixes at once: one walk over the store in the order of its keys, instead of several requests for each.

What goes together mostly lies together, or what lay between has gone: then one page
answers for many prefixes. Where much else lies between, each is asked for by itself.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby

from minio.datatypes import Object, parse_list_objects
from minio.deleteobjects import DeleteObject

from lethe_common.storage.connection import Connection
from lethe_common.storage.errors import StorageFailed
from lethe_common.storage.names import check_prefix
from lethe_common.storage.removal import Removed, abort_uploads, beginning, holder, open_uploads

_UNVERSIONED = "null"
"""How S3 names the only version of an object that was written without versions."""
_FIRST_PAGE = 4
"""Small, since most walks look at what has gone: each key listed beyond it costs as much as one looked for."""
_GROWTH = 4
_PASSED_LEAST = 4
"""A page in which nothing was found has to pass as many prefixes. SeaweedFS looks for versions of each key that it lists,
and reads a folder to its end: a page costs it 1.9 ms where much else lies between, and asking for one prefix 0.6 ms."""
_FOUND_MOST = 5000
"""What one walk hands back at most; the rest is found by the next one."""


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """An object as its writer noted it; `version_id` is None in a bucket without versions."""

    key: str
    version_id: str | None

    @property
    def named(self) -> tuple[str, str]:
        """Key and version as a listing shows them."""
        return self.key, self.version_id or _UNVERSIONED


@dataclass(frozen=True, slots=True)
class RemovedSet:
    """What was removed under each prefix beside what was noted, and the prefixes under which something may be left."""

    removed: dict[str, Removed]
    failed: frozenset[str]


async def remove_sets(
    connection: Connection, prefixes: Collection[str], noted: Collection[ObjectVersion] = ()
) -> RemovedSet:
    """Remove what is noted under these prefixes, then everything else there, until a walk finds nothing.

    Nothing has to be listed to remove what is noted; what of it could not be removed is found by the walk.
    """
    in_order = _ordered(prefixes)
    uploads = await connection.call(lambda: open_uploads(connection, in_order))
    aborted = await connection.call(lambda: abort_uploads(connection, uploads))
    known = {one.named for one in noted if holder(in_order, one.key) is not None}
    await connection.call(lambda: _delete(connection, known))
    versions = dict.fromkeys(in_order, 0)
    failed: set[str] = set()
    for _ in range(connection.limits.removal_rounds):
        found = await connection.call(lambda: _found(connection, [one for one in in_order if one not in failed]))
        if not found:
            removed = {prefix: Removed(count, aborted.get(prefix, 0)) for prefix, count in versions.items()}
            return RemovedSet(removed, frozenset(failed))
        wanted = [_named(one) for versions_of in found.values() for one in versions_of]
        kept = await connection.call(lambda wanted=wanted: _delete(connection, wanted))  # type: ignore[misc]  # bound now
        for prefix, versions_of in found.items():
            for name, version_id in map(_named, versions_of):
                if name in kept:
                    failed.add(prefix)
                else:
                    versions[prefix] += (name, version_id) not in known
    raise StorageFailed("Objects were written as fast as they were removed.")


async def remains_in(connection: Connection, prefixes: Collection[str]) -> set[str]:
    """Under which of these prefixes anything is: a version, a delete marker, an unfinished upload."""
    in_order = _ordered(prefixes)
    if not in_order:
        return set()
    left, there = in_order, set[str]()
    while left:
        found = await connection.call(lambda left=left: _found(connection, left))  # type: ignore[misc]  # bound now
        there |= found.keys()
        if sum(map(len, found.values())) < _FOUND_MOST:
            break
        left = [prefix for prefix in left if prefix > max(found)]
    uploads = await connection.call(lambda: open_uploads(connection, in_order))
    return there | {prefix for prefix, _, _ in uploads}


def _found(connection: Connection, in_order: Sequence[str]) -> dict[str, list[Object]]:
    """The versions under each prefix that has any."""
    found: dict[str, list[Object]] = {}
    for scope, group in _groups(in_order):
        _walk(connection, scope, group, found)
        if sum(map(len, found.values())) >= _FOUND_MOST:
            break
    return found


def _groups(in_order: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Prefixes that lie together, with the longest beginning they share: by folder, or by letter where those are fewer.

    A walk that does not end with its last prefix runs on through all that was removed after it: SeaweedFS keeps the
    folders of what is gone for minutes, and passing one costs as much as passing an object.
    """
    shared = len(beginning(in_order)) + 1
    by_folder, by_letter = (
        [list(group) for _, group in groupby(in_order, key=key)]
        for key in (lambda prefix: prefix.rstrip("/").rpartition("/")[0], lambda prefix: prefix[:shared])
    )
    return [(beginning(group), group) for group in min(by_folder, by_letter, key=len)]


def _walk(connection: Connection, scope: str, in_order: Sequence[str], found: dict[str, list[Object]]) -> None:
    """Add what is under these prefixes, in one walk over what begins with `scope`, for as long as pages pass many."""
    place, size, total = 0, _FIRST_PAGE, 0
    after = in_order[0]
    while place < len(in_order) and total < _FOUND_MOST:
        page, is_last = _page(connection, scope, after, size)
        first, hits = place, 0
        for one in page:
            name = one.object_name or ""
            while place < len(in_order) and name > in_order[place] and not name.startswith(in_order[place]):
                place += 1
            if place < len(in_order) and name.startswith(in_order[place]):
                found.setdefault(in_order[place], []).append(one)
                hits += 1
        total += hits
        if is_last or not page or place == len(in_order):
            return
        if not hits and place - first < _PASSED_LEAST:
            _each(connection, in_order[place:], found)
            return
        last = page[-1].object_name or ""
        after = last if last.startswith(in_order[place]) else in_order[place]
        size = min(size * _GROWTH, connection.limits.page) if hits == len(page) else _FIRST_PAGE


def _each(connection: Connection, in_order: Sequence[str], found: dict[str, list[Object]]) -> None:
    """The same, asking for one after the other."""
    for prefix in in_order:
        _walk(connection, prefix, [prefix], found)
        if sum(map(len, found.values())) >= _FOUND_MOST:
            return


def _page(connection: Connection, scope: str, after: str, size: int) -> tuple[list[Object], bool]:
    """One answer of the store in the order of its keys, and whether it is the last one."""
    query: dict[str, str | list[str] | tuple[str]] = {
        "versions": "", "delimiter": "", "prefix": scope, "key-marker": after, "max-keys": str(size),
    }  # fmt: skip
    answer = connection.client._execute("GET", connection.bucket, query_params=query)  # noqa: SLF001 - the SDK's public listing has no pages
    listed, is_truncated, _, _ = parse_list_objects(answer)
    # An answer has all its versions first and all its delete markers after them, which a walk by key would pass.
    return sorted(listed, key=lambda one: one.object_name or ""), not is_truncated


def _named(one: Object) -> tuple[str, str]:
    return one.object_name or "", one.version_id or _UNVERSIONED


def _delete(connection: Connection, versions: Collection[tuple[str, str]]) -> set[str]:
    """Delete these versions, a thousand a request; the keys of which one could not be deleted."""
    wanted = [DeleteObject(key, version_id) for key, version_id in versions]
    return {error.name or "" for error in connection.client.remove_objects(connection.bucket, wanted)}


def _ordered(prefixes: Collection[str]) -> list[str]:
    for prefix in prefixes:
        check_prefix(prefix)
    return sorted(set(prefixes))
