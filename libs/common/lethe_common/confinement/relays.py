"""Carrying bytes between the ports inside and outside. Each connection is a pair of streams."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

from lethe_common.confinement.namespace import Confined

_CHUNK_BYTES = 256 * 1024
_LOOPBACK = "127.0.0.1"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[[], Awaitable[Streams]]


async def outlet(listener: socket.socket, host: str, port: int) -> asyncio.Server:
    """Whoever connects to a listener inside reaches a server outside."""
    listener.setblocking(False)  # noqa: FBT003  the standard library's own signature
    return await asyncio.start_server(_between(lambda: asyncio.open_connection(host, port)), sock=listener)


async def inlet(confined: Confined, port: int, host: str = _LOOPBACK) -> asyncio.Server:
    """Whoever connects to a port outside reaches the same port inside."""
    turns = asyncio.Lock()

    async def dial() -> Streams:
        # One question at a time: the insider answers on one socket.
        async with turns:
            made = await asyncio.to_thread(confined.connection, port)
        return await asyncio.open_connection(sock=made)

    return await asyncio.start_server(_between(dial), host, port)


def _between(dial: Dial) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def carry(near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await dial()
        except OSError:
            near_writer.close()
            return
        await asyncio.gather(_pour(near_reader, far_writer), _pour(far_reader, near_writer))

    return carry


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(_CHUNK_BYTES):
            writer.write(piece)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()
