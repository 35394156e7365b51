"""A connection that did not come about is not left open."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Iterator
from urllib.request import urlopen

import nats.errors
import pytest
from pydantic import SecretStr

from lethe_common.bus import Bus
from lethe_common.bus.connection import Login, connect
from lethe_common.services import Service
from lethe_common.telemetry import Metrics
from tests.integration.members import settings_of
from tests.servers import RunningServers

_INFO = b'INFO {"server_id":"x","version":"2.12.0","headers":true,"max_payload":1048576,"proto":1}\r\n'
_REFUSED = b"-ERR 'Authorization Violation'\r\n"


class Porter:
    """A server that lets nobody in, and notices who has left."""

    def __init__(self) -> None:
        self.says = _REFUSED
        self.has_called, self.has_left = asyncio.Event(), asyncio.Event()

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_INFO)
        await reader.readline()
        self.has_called.set()
        writer.write(self.says)
        await reader.read()
        self.has_left.set()
        writer.close()


@pytest.fixture
def nothing_is_collected() -> Iterator[None]:
    """What is left open would be closed when its garbage is collected, some time or other."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
async def porter() -> AsyncIterator[tuple[Porter, Login]]:
    porter = Porter()
    async with await asyncio.start_server(porter.meet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield porter, Login(f"nats://127.0.0.1:{port}", "gateway", SecretStr("wrong"))


@pytest.mark.usefixtures("nothing_is_collected")
async def test_who_is_refused_hangs_up(porter: tuple[Porter, Login]) -> None:
    server, login = porter

    with pytest.raises(nats.errors.Error):
        await connect(login, Service.GATEWAY, "relay", does_reconnect=False)

    async with asyncio.timeout(5):
        await server.has_left.wait()


@pytest.mark.usefixtures("nothing_is_collected")
@pytest.mark.parametrize("does_reconnect", [True, False])
async def test_who_gives_up_waiting_hangs_up(porter: tuple[Porter, Login], *, does_reconnect: bool) -> None:
    server, login = porter
    server.says = b""
    connecting = asyncio.create_task(connect(login, Service.GATEWAY, "main", does_reconnect=does_reconnect))
    await server.has_called.wait()

    connecting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await connecting
    async with asyncio.timeout(5):
        await server.has_left.wait()


@pytest.mark.usefixtures("nothing_is_collected")
async def test_who_cannot_check_the_server_hangs_up(servers: RunningServers) -> None:
    nowhere = settings_of(servers, Service.RETENTION, nats_monitor_url="http://127.0.0.1:9")

    with pytest.raises(OSError, match="refused"):
        await Bus(Service.RETENTION, nowhere, Metrics()).open()

    async with asyncio.timeout(5):
        while "lethe-retention-main" in await asyncio.to_thread(connected, servers):
            await asyncio.sleep(0.02)


def connected(servers: RunningServers) -> list[str]:
    """The names of the server's clients."""
    with urlopen(f"{servers.runtime.nats_monitor_url}/connz", timeout=5) as answer:  # noqa: S310  our own server
        return [one["name"] for one in json.loads(answer.read())["connections"]]
