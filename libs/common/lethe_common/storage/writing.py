"""Putting objects: small ones in one request, large ones in parts, nothing half done left behind."""

import io
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

import structlog
from minio.datatypes import Part as UploadedPart

from lethe_common.errors import LetheError
from lethe_common.storage.connection import Connection
from lethe_common.storage.streams import parts_of

_SDK_PART_MIN_BYTES = 5 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Stored:
    """What was written. `version_id` is None in a bucket without versions."""

    key: str
    size_bytes: int
    etag: str
    version_id: str | None


async def put_bytes(connection: Connection, key: str, content: bytes, media_type: str) -> Stored:
    """One request, whole or not at all."""

    def put() -> Stored:
        # The SDK splits what is above `part_size`, in threads of its own.
        result = connection.client.put_object(
            connection.bucket,
            key,
            io.BytesIO(content),
            len(content),
            content_type=media_type,
            part_size=max(len(content), _SDK_PART_MIN_BYTES),
            num_parallel_uploads=1,
        )
        return Stored(key, len(content), result.etag or "", result.version_id)

    return await connection.call(put)


async def put_stream(
    connection: Connection, key: str, chunks: AsyncIterator[bytes], size_bytes: int | None, media_type: str
) -> Stored:
    """One request if it fits in one part, else a multipart upload that is aborted on any failure."""
    limits = connection.limits
    upload = _Multipart(connection, key, media_type)
    try:
        async with aclosing(parts_of(chunks, limits.part_bytes, size_bytes, limits.max_object_bytes)) as parts:
            async for part in parts:
                if part.is_last and not upload.is_open:
                    return await put_bytes(connection, key, part.content, media_type)
                await upload.add(part.content)
        return await upload.complete()
    except BaseException:
        await upload.abort()
        raise


class _Multipart:
    """A multipart upload. The SDK's public `put_object` reads in its own thread, which a stream of ours would block."""

    def __init__(self, connection: Connection, key: str, media_type: str) -> None:
        self._connection, self._key, self._media_type = connection, key, media_type
        self._upload_id: str | None = None
        self._parts: list[UploadedPart] = []
        self._size_bytes = 0

    @property
    def is_open(self) -> bool:
        return self._upload_id is not None

    async def add(self, content: bytes) -> None:
        await self._connection.call(partial(self._send, content))

    async def complete(self) -> Stored:
        stored = await self._connection.call(self._complete)
        self._upload_id = None
        return stored

    async def abort(self) -> None:
        """Leave no part behind. When the store is away too, `remove_all_versions` finds the rest later."""
        if self.is_open:
            try:
                await self._connection.call(self._abort)
            except LetheError as error:
                structlog.get_logger().warning("storage.multipart_left_open", error_code=error.code)

    def _send(self, content: bytes) -> None:
        client, bucket = self._connection.client, self._connection.bucket
        # Kept by the thread itself: a cancelled caller must still be able to abort what was created.
        upload_id = self._upload_id or client._create_multipart_upload(  # noqa: SLF001 - the SDK offers no other way
            bucket, self._key, {"Content-Type": self._media_type}
        )
        self._upload_id = upload_id
        number = len(self._parts) + 1
        etag = client._upload_part(bucket, self._key, content, None, upload_id, number)  # noqa: SLF001 - as above
        self._parts.append(UploadedPart(number, etag))
        self._size_bytes += len(content)

    def _complete(self) -> Stored:
        result = self._connection.client._complete_multipart_upload(  # noqa: SLF001 - as above
            self._connection.bucket, self._key, self._upload_id or "", self._parts
        )
        return Stored(self._key, self._size_bytes, result.etag or "", result.version_id)

    def _abort(self) -> None:
        self._connection.client._abort_multipart_upload(  # noqa: SLF001 - as above
            self._connection.bucket, self._key, self._upload_id or ""
        )
        self._upload_id = None
