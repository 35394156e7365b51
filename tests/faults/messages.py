"""The bus as services see it, for tests: everything the streams hold, and a hand to publish it once more."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import nats
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from lethe_common.bus.permissions import durables
from lethe_common.clock import monotonic_seconds
from lethe_common.events.catalogue import STREAMS, heard_by
from lethe_common.events.envelope import MESSAGE_ID_HEADER
from lethe_common.identifiers import uuid7
from lethe_common.services import Service
from tests.suite import RunningSuite

_SOURCE = "ce-source"
_ID = "ce-id"
_SERVERS = "nats-"


@dataclass(frozen=True, slots=True)
class Said:
    """One stored message."""

    stream: str
    type: str
    headers: dict[str, str]
    data: bytes

    @property
    def speaker(self) -> Service:
        """Who said it."""
        return Service(self.headers[_SOURCE].removeprefix("lethe/"))

    def again(self) -> "Said":
        """The same event a second time; without a message id, so that the server does not filter it."""
        return replace(self, headers=self._own_headers())

    def anew(self) -> "Said":
        """The same words under a new id, as if told again: no inbox knows it."""
        fresh = str(uuid7())
        return replace(self, headers={**self._own_headers(), _ID: fresh, MESSAGE_ID_HEADER: fresh})

    def _own_headers(self) -> dict[str, str]:
        """Without what speaks to the server: message id, place in a batch."""
        return {name: text for name, text in self.headers.items() if not name.lower().startswith(_SERVERS)}


@dataclass(frozen=True, slots=True)
class Bus:
    """Every service's own connection: no more rights than they have."""

    seats: dict[Service, Client]

    async def everything(self) -> list[Said]:
        """All messages of all streams, each stream in its order."""
        said: list[Said] = []
        for stream in STREAMS.values():
            js = self.seats[stream.owner].jetstream(timeout=10)
            state = (await js.stream_info(stream.name)).state
            for sequence in range(state.first_seq, state.last_seq + 1):
                message = await js.get_msg(stream.name, sequence, direct=True)
                said.append(Said(stream.name, message.subject or "", dict(message.headers or {}), message.data or b""))
        return said

    async def publish(self, messages: Sequence[Said]) -> None:
        """Each by its speaker, in this order."""
        for message in messages:
            js = self.seats[message.speaker].jetstream(timeout=10)
            await js.publish(message.type, message.data, headers=message.headers)

    async def wait_until_heard(self, timeout_seconds: float = 60.0) -> None:
        """Return when every service is through with everything in the streams it hears."""
        give_up_at = monotonic_seconds() + timeout_seconds
        while not await self._is_heard():
            assert monotonic_seconds() < give_up_at, "some messages were not handled"
            await asyncio.sleep(0.1)

    async def _is_heard(self) -> bool:
        for service, client in self.seats.items():
            js = client.jetstream(timeout=10)
            for stream in heard_by(service):
                try:
                    info = await js.consumer_info(stream, durables(service)[0])
                except NotFoundError:
                    # The store was lost, and this service has not declared its consumer again yet.
                    return False
                if info.num_pending or info.num_ack_pending:
                    return False
        return True


@asynccontextmanager
async def bus_of(suite: RunningSuite) -> AsyncIterator[Bus]:
    """Connections for a while."""
    seats: dict[Service, Client] = {}
    try:
        for service in Service:
            seats[service] = await nats.connect(
                suite.nats_url, user=service.value, password=suite.nats_password(service),
                inbox_prefix=f"_INBOX.{service}".encode(),
            )  # fmt: skip
        yield Bus(seats)
    finally:
        for client in seats.values():
            await client.close()


def on_the_bus(suite: RunningSuite, deed: Callable[[Bus], Awaitable[None]]) -> None:
    """Do something there, from a test without a loop."""

    async def do() -> None:
        async with bus_of(suite) as bus:
            await deed(bus)

    asyncio.run(do())
