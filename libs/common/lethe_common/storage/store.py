"""The one door to the object store. Speaks S3 and nothing of one vendor's alone."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence

from lethe_common.storage import bucket, reading, removal, sets, writing
from lethe_common.storage.connection import connect
from lethe_common.storage.limits import Limits
from lethe_common.storage.reading import ObjectFacts
from lethe_common.storage.removal import Found, Remains, Removed
from lethe_common.storage.sets import ObjectVersion, RemovedSet
from lethe_common.storage.writing import Stored

_REGION = "us-east-1"


class Storage:
    """One bucket with one identity. Dials at the first call; never blocks the loop.

    Every method may raise `Unavailable` (the server is away, after bounded retries),
    `StorageRefused` (these credentials may not) and `StorageFailed`.

    Args:
        endpoint: host:port.
        region: named to the store so that it is not asked for it.
        limits: threads, timeouts, retries, sizes.
    """

    def __init__(
        self,
        endpoint: str,
        access_key: str,
        secret_key: str,
        bucket_name: str,
        *,
        is_secure: bool = False,
        region: str = _REGION,
        limits: Limits | None = None,
    ) -> None:
        limits = limits or Limits()
        self._connection = connect(
            endpoint, access_key, secret_key, bucket_name, is_secure=is_secure, region=region, limits=limits
        )
        self._turns = asyncio.Semaphore(limits.open_reads)

    async def ensure_bucket(self, *, is_versioned: bool) -> None:
        """Make the bucket, and its versions, if they are not there. What has versions keeps them."""
        await bucket.ensure_bucket(self._connection, is_versioned=is_versioned)

    async def put_bytes(self, key: str, content: bytes, media_type: str = "application/octet-stream") -> Stored:
        """Write a small object whole."""
        return await writing.put_bytes(self._connection, key, content, media_type)

    async def put_stream(
        self,
        key: str,
        chunks: AsyncIterator[bytes],
        size_bytes: int | None = None,
        media_type: str = "application/octet-stream",
    ) -> Stored:
        """Write a stream of any size with about two parts (2 x 8 MiB) in memory, or nothing of it.

        Raises:
            WrongSize: it was not `size_bytes` long, or longer than any object may be.
        """
        return await writing.put_stream(self._connection, key, chunks, size_bytes, media_type)

    def get_range(self, key: str, offset: int, length: int) -> AsyncGenerator[bytes, None]:
        """The bytes [offset, offset + length) in chunks; fewer where the object ends before.

        Leaving early gives the connection back; use `contextlib.aclosing`.

        Raises:
            ObjectMissing: there is no such object. Raised by the first chunk, as is `Unavailable`
                when too many reads are open.
        """
        return reading.get_range(self._connection, self._turns, key, offset, length)

    async def stat(self, key: str) -> ObjectFacts:
        """Size, tag, media type and version of an object.

        Raises:
            ObjectMissing: there is no such object.
        """
        return await reading.stat(self._connection, key)

    async def list_keys(self, prefix: str, after: str = "") -> list[str]:
        """Up to a page (1000) of keys under a prefix, in their order, after a key. Empty at the end.

        A key is listed as long as any version or delete marker of it is there. A list/read-only identity suffices.
        """
        return await reading.list_keys(self._connection, prefix, after)

    async def find_each(self, prefixes: Collection[str], known_keys: Sequence[str] = ()) -> dict[str, Found]:
        """What there is under each of some prefixes, up to a page (1000) of each kind. A list/read-only identity suffices."""
        return await removal.find_each(self._connection, prefixes, known_keys)

    async def remove_all_versions(
        self, prefix: str, known_keys: Sequence[str] = (), found: Found | None = None
    ) -> Removed:
        """Remove every version, delete marker and unfinished upload under a prefix that ends with `/`.

        `known_keys` are looked up one by one too: MinIO lists unfinished uploads by exact key only. `found` is what
        was found there just now, which is then not looked for again.
        Safe to repeat; what is gone counts nothing. Once this returns, a look has found nothing.
        """
        return await removal.remove_all_versions(self._connection, prefix, known_keys, found)

    async def remove_sets(self, prefixes: Collection[str], noted: Collection[ObjectVersion] = ()) -> RemovedSet:
        """Remove everything under many prefixes, as `remove_all_versions` does, with requests that they share.

        `noted` versions go first, without being looked for, and are not counted: whoever noted them knows how
        many. Where removing some fails, the others are done, and the answer says which may have something left.
        """
        return await sets.remove_sets(self._connection, prefixes, noted)

    async def remains_in(self, prefixes: Collection[str]) -> set[str]:
        """Under which of many prefixes anything is. A list/read-only identity suffices."""
        return await sets.remains_in(self._connection, prefixes)

    async def remove_key(self, key: str) -> int:
        """Remove every version and delete marker of one key; how many there were. What lies beside it stays."""
        return await removal.remove_key(self._connection, key)

    async def remains(self, prefix: str, known_keys: Sequence[str] = ()) -> Remains:
        """What `remove_all_versions` would find. A list/read-only identity suffices."""
        return (await self.find_each([prefix], known_keys))[prefix].remains

    async def close(self) -> None:
        """Wait for what is under way, then drop the connections."""
        await self._connection.close()
