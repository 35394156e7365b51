"""The porter: a small process that holds the only way out, and whoever asks it for a passage.

A service without a network of its own cannot be talked into sending anything: it
can only hand the porter a passage, over a Unix socket, and the porter checks it by the
same rules in a process that no request of a user ever reaches.

On the wire, each connection is one passage. There: a line of JSON, then the
body's bytes. Back: a line of JSON (`status` and `headers`, or `refused`, or
`away`), then pieces, each after its length in four bytes; the last has length 0.
"""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2

from lethe_common.egress.limits import Limits
from lethe_common.egress.recipients import Passage
from lethe_common.egress.refusals import EgressRefused, Reason
from lethe_common.egress.ways import Way
from lethe_common.errors import Unavailable

_LENGTH_BYTES = 4
_CHUNK_BYTES = 64 * 1024
_HEAD_BYTES = 64 * 1024
_OWNER_AND_GROUP = 0o660
_AWAY = "The egress porter, or the recipient behind it, cannot be reached. Try again later."
Head = dict[str, Any]


class Porter:
    """Serves a Unix socket; what it carries goes by `way`, which checks."""

    def __init__(self, way: Way, path: Path, limits: Limits | None = None) -> None:
        self._way, self._path, self._limits = way, path, limits or Limits()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Who may open the socket's file may ask."""
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self._path, limit=_HEAD_BYTES)
        self._path.chmod(_OWNER_AND_GROUP)

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)
        await self._way.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            try:
                await self._answer(reader, writer)
            except EgressRefused as refused:
                writer.write(_line({"refused": refused.reason, "recipient": refused.recipient}))
            except (Unavailable, httpx2.TransportError):
                writer.write(_line({"away": True}))
            except (ValueError, KeyError, TypeError):
                writer.write(_line({"refused": Reason.BODY, "recipient": "undeclared"}))
            await writer.drain()
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = json.loads(await reader.readline())
        if "tunnel" in head:
            await self._tunnel(head, reader, writer)
            return
        size_bytes = int(head["body_bytes"])
        if not 0 <= size_bytes <= self._limits.body_bytes:
            raise EgressRefused(Reason.TOO_LARGE, "undeclared")
        body = await reader.readexactly(size_bytes)
        passage = Passage(head["recipient"], head["purpose"], head["method"], head["url"], head["headers"], body)
        response = await self._way.carry(passage)
        try:
            writer.write(_line({"status": response.status_code, "headers": dict(response.headers)}))
            async for piece in response.aiter_raw(_CHUNK_BYTES):
                writer.write(len(piece).to_bytes(_LENGTH_BYTES, "big") + piece)
                await writer.drain()
            writer.write(bytes(_LENGTH_BYTES))
        finally:
            await response.aclose()

    async def _tunnel(self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = await self._way.tunnel(head["recipient"], head["tunnel"], int(head["port"]))
        far_reader, far_writer = await asyncio.open_connection(sock=connection)
        writer.write(_line({"status": 0}))
        await writer.drain()
        await asyncio.gather(_pour(reader, far_writer), _pour(far_reader, writer))


class PorterWay:
    """Hands passages to a porter. Nothing is dialled from this process."""

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        self._path, self._limits = path, limits or Limits()

    async def carry(self, passage: Passage) -> httpx2.Response:
        """See `lethe_common.egress.ways.Way`."""
        if len(passage.body) > self._limits.body_bytes:
            raise EgressRefused(Reason.TOO_LARGE, "undeclared")
        head = {
            "recipient": passage.recipient, "purpose": passage.purpose, "method": passage.method, "url": passage.url,
            "headers": dict(passage.headers), "body_bytes": len(passage.body),
        }  # fmt: skip
        try:
            reader, writer = await asyncio.open_unix_connection(self._path, limit=_HEAD_BYTES)
            writer.write(_line(head) + passage.body)
            told = _told(await asyncio.wait_for(reader.readline(), self._limits.total_seconds))
        except (OSError, TimeoutError) as error:
            raise Unavailable(_AWAY) from error
        return httpx2.Response(told["status"], headers=told["headers"], stream=_Pieces(reader, writer))

    async def tunnel(self, recipient: str, host: str, port: int) -> socket.socket:
        """See `lethe_common.egress.ways.Way`."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)  # noqa: FBT003  the standard library's own signature
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(connection, os.fspath(self._path))
            await loop.sock_sendall(connection, _line({"recipient": recipient, "tunnel": host, "port": port}))
            # Byte by byte: what follows the line belongs to the caller.
            line = b""
            while not line.endswith(b"\n"):
                byte = await asyncio.wait_for(loop.sock_recv(connection, 1), self._limits.connect_seconds)
                if not byte:
                    break
                line += byte
            _told(line)
        except (OSError, TimeoutError) as error:
            connection.close()
            raise Unavailable(_AWAY) from error
        except (EgressRefused, Unavailable):
            connection.close()
            raise
        return connection

    async def close(self) -> None:
        """Each passage has closed its own connection."""


class _Pieces(httpx2.AsyncByteStream):
    """An answer's body as it arrives from the porter."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while length := int.from_bytes(await self._reader.readexactly(_LENGTH_BYTES), "big"):
                yield await self._reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Unavailable(_AWAY) from error

    async def aclose(self) -> None:
        self._writer.close()


def _line(head: Head) -> bytes:
    return json.dumps(head).encode() + b"\n"


def _told(line: bytes) -> Head:
    """What the porter said.

    Raises:
        EgressRefused: it refused.
        Unavailable: it could not reach the recipient, or left.
    """
    told: Head = json.loads(line) if line.endswith(b"\n") else {"away": True}
    if "refused" in told:
        raise EgressRefused(Reason(told["refused"]), told["recipient"])
    if "away" in told:
        raise Unavailable(_AWAY)
    return told


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(_CHUNK_BYTES):
            writer.write(piece)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()
