"""Sealed objects as streams: never whole in memory, and readable from any place.

A cut object always fails when read whole. A range fails wherever it touches what
was cut; a range before the cut opens, if the size was unknown while sealing and
the caller has only the store's word for `sealed_size_bytes`. Callers who keep the
size in their own rows, or seal with a known size, see any cut at once.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from lethe_common.sealing.context import SealContext
from lethe_common.sealing.errors import CannotOpen, CannotSeal
from lethe_common.sealing.layout import (
    CLEAR,
    HEADER_BYTES,
    SEALED_SEGMENT_BYTES,
    SEGMENT_BYTES,
    Header,
    Window,
    plain_size,
)
from lethe_common.sealing.segments import SegmentCipher, cipher_for, open_batch, seal_batch

Fetch = Callable[[int, int], AsyncGenerator[bytes, None]]
"""Sealed bytes from an offset, as many as the length says."""

_BATCH_SEGMENTS = 16
_INLINE_BYTES = 256 * 1024
"""Sealed in the loop up to here, about 0.1 ms; a thread costs as much. Measured on two cores."""


async def seal_stream(
    key: bytes,
    context: SealContext,
    chunks: AsyncIterator[bytes],
    *,
    version: int,
    plain_size_bytes: int | None = None,
) -> AsyncGenerator[bytes, None]:
    """The sealed object, in pieces of about 1 MiB, as the plaintext arrives.

    Raises:
        CannotSeal: the plaintext is not `plain_size_bytes` long. What was yielded must be thrown away.
    """
    header = Header.fresh(version, context.key_id, plain_size_bytes)
    cipher = cipher_for(key, context, header)
    yield header.to_bytes()
    index, total, waiting = 0, 0, bytearray()
    async for chunk in chunks:
        total += len(chunk)
        if plain_size_bytes is not None and total > plain_size_bytes:
            raise CannotSeal("it is longer than announced")
        waiting += chunk
        # One byte more than a batch must be there: the last segment has to be known as the last.
        while len(waiting) > _BATCH_SEGMENTS * SEGMENT_BYTES:
            batch = bytes(waiting[: _BATCH_SEGMENTS * SEGMENT_BYTES])
            del waiting[: len(batch)]
            yield await _seal(cipher, index, batch, ends_object=False)
            index += _BATCH_SEGMENTS
    if plain_size_bytes is not None and total != plain_size_bytes:
        raise CannotSeal("it is shorter than announced")
    yield await _seal(cipher, index, bytes(waiting), ends_object=True)


async def open_range(
    key: bytes,
    context: SealContext,
    sealed_size_bytes: int,
    fetch: Fetch,
    *,
    start: int = 0,
    end: int | None = None,
    may_be_clear: bool = False,
) -> AsyncGenerator[bytes, None]:
    """The plaintext [start, end) of an object, in pieces of at most 1 MiB; to its end when `end` is None.

    Raises:
        CannotOpen: the object was changed, cut or extended, or belongs elsewhere. What was
            yielded before was whole and in its place.
        ValueError: the range is not inside the object.
    """
    size = plain_size(sealed_size_bytes)
    end = size if end is None else end
    if not 0 <= start <= end <= size:
        raise ValueError("the range is not inside the object")
    if start == end and size:
        return
    window = Window.of(sealed_size_bytes, start, end)
    # The header and the segments come in one request when they are neighbours.
    head_length = HEADER_BYTES + (window.length if window.first == 0 else 0)
    pieces = _Pieces(fetch(0, head_length))
    try:
        header = Header.from_bytes(await pieces.take(HEADER_BYTES))
        _check(header, context, size, may_be_clear=may_be_clear)
        if window.first:
            await pieces.close()
            pieces = _Pieces(fetch(window.offset, window.length))
        cipher = cipher_for(key, context, header)
        async for position, plaintext in _open_window(cipher, window, pieces):
            yield plaintext[max(0, start - position) : end - position]
    finally:
        await pieces.close()


async def _open_window(
    cipher: SegmentCipher, window: Window, pieces: "_Pieces"
) -> AsyncGenerator[tuple[int, bytes], None]:
    """Batches of a window: where each begins in the plaintext, and what it holds."""
    index, left = window.first, window.length
    while left:
        sealed = await pieces.take(min(left, _BATCH_SEGMENTS * SEALED_SEGMENT_BYTES))
        left -= len(sealed)
        if len(sealed) > _INLINE_BYTES:
            plaintext = await asyncio.to_thread(open_batch, cipher, index, sealed, window.final)
        else:
            plaintext = open_batch(cipher, index, sealed, window.final)
        yield index * SEGMENT_BYTES, plaintext
        index += _BATCH_SEGMENTS


async def _seal(cipher: SegmentCipher, index: int, plaintext: bytes, *, ends_object: bool) -> bytes:
    if len(plaintext) > _INLINE_BYTES:
        return await asyncio.to_thread(seal_batch, cipher, index, plaintext, ends_object=ends_object)
    return seal_batch(cipher, index, plaintext, ends_object=ends_object)


def _check(header: Header, context: SealContext, size: int, *, may_be_clear: bool) -> None:
    if header.version == CLEAR and not may_be_clear:
        raise CannotOpen("it is in clear, and sealing is on")
    if header.key_id != context.key_id:
        raise CannotOpen("it was sealed under another key")
    if header.plain_size_bytes not in (None, size):
        raise CannotOpen("it was cut or extended")


class _Pieces:
    """Takes exact lengths out of a stream cut anywhere."""

    def __init__(self, stream: AsyncGenerator[bytes, None]) -> None:
        self._stream, self._waiting = stream, bytearray()

    async def take(self, length: int) -> bytes:
        while len(self._waiting) < length:
            piece = await anext(self._stream, None)
            if piece is None:
                raise CannotOpen("it ends too early")
            self._waiting += piece
        taken = bytes(self._waiting[:length])
        del self._waiting[:length]
        return taken

    async def close(self) -> None:
        await self._stream.aclose()


async def with_first(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """A stream whose first piece was taken to see whether there is one."""
    async with aclosing(rest):
        yield first
        async for piece in rest:
            yield piece
