"""A server outside that writes down every byte it is sent, and answers like an HTTP server by path."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Witness:
    """What arrived, and where it listens."""

    port: int = 0
    heard: bytearray = field(default_factory=bytearray)
    connections: int = 0
    elsewhere: str = ""
    """Where `/moved` leads."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hear one request and answer it; what breaks off is heard as far as it came."""
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._serve(reader, writer)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heard += head
        length = next(
            (line.split(b":")[1] for line in head.splitlines() if line.lower().startswith(b"content-length")), b"0"
        )
        self.heard += await reader.readexactly(int(length))
        writer.write(self._answer(head.split(b" ")[1].decode()))
        await writer.drain()

    def _answer(self, path: str) -> bytes:
        if path == "/moved":
            return f"HTTP/1.1 302 Found\r\nLocation: {self.elsewhere}\r\nContent-Length: 0\r\n\r\n".encode()
        packed = b"Content-Encoding: gzip\r\n" if path == "/packed" else b""
        body = b"x" * 100_000 if path == "/large" else b'{"is_done": true}'
        return b"HTTP/1.1 200 OK\r\n%bContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
            packed,
            len(body),
            body,
        )


@asynccontextmanager
async def witness(tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Witness]:
    """A listening one."""
    seen = Witness()
    server = await asyncio.start_server(seen.serve, host, 0, ssl=tls)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
