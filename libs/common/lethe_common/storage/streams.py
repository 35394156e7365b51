"""Between streams of chunks and what storage sends."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import BinaryIO

from lethe_common.storage.errors import WrongSize

_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """A slice of a stream; only the last may be shorter than the others, or empty when it is the only one."""

    content: bytes
    is_last: bool


async def parts_of(
    chunks: AsyncIterator[bytes], part_bytes: int, size_bytes: int | None, max_bytes: int
) -> AsyncGenerator[Part, None]:
    """The stream in parts of `part_bytes`; never more than one of them is held.

    Raises:
        WrongSize: the stream is not `size_bytes` long, or longer than `max_bytes`.
            The last part is not given then, so nothing was completed with it.
    """
    waiting, total = bytearray(), 0
    allowed = max_bytes if size_bytes is None else min(size_bytes, max_bytes)
    async for chunk in chunks:
        total += len(chunk)
        if total > allowed:
            raise WrongSize("The stream is longer than announced or allowed.")
        waiting += chunk
        while len(waiting) > part_bytes:
            content = bytes(waiting[:part_bytes])
            del waiting[:part_bytes]
            yield Part(content, is_last=False)
    if size_bytes is not None and total != size_bytes:
        raise WrongSize("The stream is shorter than announced.")
    yield Part(bytes(waiting), is_last=True)


async def file_chunks(file: BinaryIO, chunk_bytes: int = _CHUNK_BYTES) -> AsyncGenerator[bytes, None]:
    """An open file from where it stands, read in threads."""
    while chunk := await asyncio.to_thread(file.read, chunk_bytes):
        yield chunk


async def whole(chunks: AsyncIterator[bytes], max_bytes: int) -> bytes:
    """A small stream in memory.

    Raises:
        WrongSize: it is longer than `max_bytes`.
    """
    collected = bytearray()
    async for chunk in chunks:
        collected += chunk
        if len(collected) > max_bytes:
            raise WrongSize("The stream is longer than allowed here.")
    return bytes(collected)
