"""The door between users and the gateway: bytes both ways, the caller's address kept, nobody past it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

import httpx2
import pytest
from fastapi import FastAPI, Request, Response

from lethe_common import door
from lethe_gateway.server import Server


@dataclass(frozen=True, slots=True)
class Entry:
    """A server behind a door."""

    outside: int
    inside: int


@pytest.fixture
async def entry() -> AsyncIterator[Entry]:
    app = FastAPI()

    @app.post("/who")
    async def who(request: Request) -> Response:
        assert request.client is not None
        return Response(f"{request.client.host}:{request.client.port} {len(await request.body())}")

    server = Server(app, "127.0.0.1", 0, stop_seconds=0, is_behind_door=True)
    running = asyncio.create_task(server.run())
    opened = await asyncio.start_server(door.serving("127.0.0.1", server.port), "127.0.0.1", 0)
    yield Entry(opened.sockets[0].getsockname()[1], server.port)
    opened.close()
    await server.stop()
    running.cancel()


async def test_requests_pass_with_their_callers_address_on_one_connection(entry: Entry) -> None:
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{entry.outside}", trust_env=False) as http:
        answers = [(await http.post("/who", content=bytes(size))).text for size in (0, 300_000)]

    callers = {answer.split()[0] for answer in answers}
    assert [answer.split()[1] for answer in answers] == ["0", "300000"]
    assert len(callers) == 1
    assert callers.pop().startswith("127.0.0.1:")


@pytest.mark.parametrize(
    "begun",
    [b"POST /who HTTP/1.1\r\nHost: x\r\n\r\n", b"PROXY UNKNOWN\r\n", b"PROXY TCP4 me you 1 2\r\n", b"x" * 200],
)
async def test_a_connection_that_did_not_come_through_the_door_ends(entry: Entry, begun: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", entry.inside)
    writer.write(begun)

    with suppress(ConnectionResetError):
        assert await reader.read() == b""
    assert reader.at_eof() or reader.exception() is not None
    writer.close()


async def test_the_line_may_arrive_in_pieces_and_names_any_address(entry: Entry) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", entry.inside)
    request = b"POST /who HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    for byte in door.proxy_line(("2001:db8::7", 4711), ("::1", 80)) + request:
        writer.write(bytes([byte]))
        await writer.drain()

    assert (await reader.read()).endswith(b"2001:db8::7:4711 0")
    writer.close()
