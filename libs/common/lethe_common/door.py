"""The door: takes connections from outside and hands each to one server on a network that leads nowhere else.

`python -m lethe_common.door 8080:gateway:8080` listens on 8080. So the gateway is
reached by users and reaches nobody. Who is calling is said before the first byte,
in a line of the PROXY protocol (version 1, haproxy.org/download/1.8/doc/proxy-protocol.txt).
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence

_CHUNK_BYTES = 256 * 1024
_DIAL_SECONDS = 5.0
_EVERYWHERE = "0.0.0.0"  # noqa: S104  a container's own network; what is published is the host's choice
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def proxy_line(caller: tuple[str, int], door: tuple[str, int]) -> bytes:
    """Who calls, and where, as the PROXY protocol has it."""
    family = "TCP6" if ":" in caller[0] else "TCP4"
    return f"PROXY {family} {caller[0]} {door[0]} {caller[1]} {door[1]}\r\n".encode()


def serving(host: str, port: int) -> Serve:
    """Carries a connection to a server, with the line about the caller before it."""

    async def serve(near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        caller, door = near_writer.get_extra_info("peername"), near_writer.get_extra_info("sockname")
        try:
            far_reader, far_writer = await asyncio.wait_for(asyncio.open_connection(host, port), _DIAL_SECONDS)
        except (OSError, TimeoutError):
            near_writer.close()
            return
        far_writer.write(proxy_line(caller[:2], door[:2]))
        await asyncio.gather(_pour(near_reader, far_writer), _pour(far_reader, near_writer))

    return serve


async def run(ways: Sequence[str]) -> None:
    """Serve `port:host:port`, each, until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    servers: list[asyncio.Server] = []
    for way in ways:
        listen, host, port = way.split(":")
        servers.append(await asyncio.start_server(serving(host, int(port)), _EVERYWHERE, int(listen)))
    await stopping.wait()
    for server in servers:
        server.close()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(_CHUNK_BYTES):
            writer.write(piece)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1:]))
