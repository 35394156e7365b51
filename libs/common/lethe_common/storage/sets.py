"""Many prefixes at once: one walk over the store in the order of its keys, instead of several requests for each.

What goes together mostly lies together, or what lay between has gone: then one page
answers for many prefixes. Where much else lies between, a page passes one of them at
least, and is kept small.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from os.path import commonpath

from minio.datatypes import Object, parse_list_objects
from minio.deleteobjects import DeleteObject

from lethe_common.storage.connection import Connection
from lethe_common.storage.errors import StorageFailed
from lethe_common.storage.removal import Removed, abort_uploads, check_prefix, open_uploads

_FIRST_PAGE = 64
_GROWTH = 4
_FOUND_MOST = 5000
"""What one walk hands back at most; the rest is found by the next one."""


@dataclass(frozen=True, slots=True)
class RemovedSet:
    """What was removed under each prefix, and the prefixes under which something may be left."""

    removed: dict[str, Removed]
    failed: frozenset[str]


async def remove_sets(connection: Connection, prefixes: Collection[str]) -> RemovedSet:
    """Remove everything under these prefixes, a thousand versions a request, until a walk finds nothing."""
    in_order = _ordered(prefixes)
    uploads = await connection.call(lambda: open_uploads(connection, _scope(in_order), in_order))
    aborted = await connection.call(lambda: abort_uploads(connection, uploads))
    versions = dict.fromkeys(in_order, 0)
    failed: set[str] = set()
    for _ in range(connection.limits.removal_rounds):
        found = await connection.call(lambda: _found(connection, [one for one in in_order if one not in failed]))
        if not found:
            removed = {prefix: Removed(count, aborted.get(prefix, 0)) for prefix, count in versions.items()}
            return RemovedSet(removed, frozenset(failed))
        kept = await connection.call(lambda found=found: _delete(connection, found))  # type: ignore[misc]  # bound now
        for prefix, name in found_names(found):
            if name in kept:
                failed.add(prefix)
            else:
                versions[prefix] += 1
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
    uploads = await connection.call(lambda: open_uploads(connection, _scope(in_order), in_order))
    return there | {prefix for prefix, _, _ in uploads}


def found_names(found: dict[str, list[Object]]) -> Iterator[tuple[str, str]]:
    """Each version found, by its prefix and its key."""
    return ((prefix, one.object_name or "") for prefix, versions in found.items() for one in versions)


def _found(connection: Connection, in_order: Sequence[str]) -> dict[str, list[Object]]:
    """The versions under each prefix that has any, in one walk."""
    found: dict[str, list[Object]] = {}
    place, size, total = 0, _FIRST_PAGE, 0
    after = in_order[0] if in_order else ""
    while place < len(in_order) and total < _FOUND_MOST:
        page, is_last = _page(connection, _scope(in_order), after, size)
        hits = 0
        for one in page:
            name = one.object_name or ""
            while place < len(in_order) and name > in_order[place] and not name.startswith(in_order[place]):
                place += 1
            if place < len(in_order) and name.startswith(in_order[place]):
                found.setdefault(in_order[place], []).append(one)
                hits += 1
        total += hits
        if is_last or not page or place == len(in_order):
            return found
        last = page[-1].object_name or ""
        after = last if last.startswith(in_order[place]) else in_order[place]
        size = min(size * _GROWTH, connection.limits.page) if hits == len(page) else _FIRST_PAGE
    return found


def _page(connection: Connection, scope: str, after: str, size: int) -> tuple[list[Object], bool]:
    """One answer of the store in the order of its keys, and whether it is the last one."""
    query: dict[str, str | list[str] | tuple[str]] = {
        "versions": "", "delimiter": "", "prefix": scope, "key-marker": after, "max-keys": str(size),
    }  # fmt: skip
    answer = connection.client._execute("GET", connection.bucket, query_params=query)  # noqa: SLF001 - the SDK's public listing has no pages
    listed, is_truncated, _, _ = parse_list_objects(answer)
    # An answer has all its versions first and all its delete markers after them, which a walk by key would pass.
    return sorted(listed, key=lambda one: one.object_name or ""), not is_truncated


def _delete(connection: Connection, found: dict[str, list[Object]]) -> set[str]:
    """Delete these versions; the keys of which one could not be deleted."""
    wanted = [DeleteObject(one.object_name or "", one.version_id) for versions in found.values() for one in versions]
    return {error.name or "" for error in connection.client.remove_objects(connection.bucket, wanted)}


def _ordered(prefixes: Collection[str]) -> list[str]:
    for prefix in prefixes:
        check_prefix(prefix)
    return sorted(set(prefixes))


def _scope(in_order: Sequence[str]) -> str:
    """The deepest folder that holds them all."""
    common = commonpath(in_order) if in_order else ""
    return f"{common}/" if common else ""
