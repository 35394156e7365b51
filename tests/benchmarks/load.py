"""The load client: one process of its own that sends requests and notes when each was sent and answered.

    python -m tests.benchmarks.load result.json < order.json

Closed loop: each connection sends its next request when the last one was answered.
Open loop: requests leave at a rate, whatever the answers do. Every request is
another account's, and every request has an Idempotency-Key of its own.
"""

import asyncio
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import uvloop
from pydantic import BaseModel

_BODY = (
    b'{"model":"noop","prompt":"A calico cat playing a piano on stage, cinematic, 35mm","seconds":4,"size":"1280x720"}'
)
_GIVE_UP_SECONDS = 60.0


class Order(BaseModel):
    """What to send. `rate_per_second` makes it an open loop."""

    port: int
    keys: list[str]
    connections: int
    seconds: float
    rate_per_second: float | None = None


class Sent(BaseModel):
    """One request: its answer's `id`, and when it left and was answered (Unix seconds, this machine's clock)."""

    id: str
    sent_at: float
    answered_at: float


class Result(BaseModel):
    """All requests that were answered with 200, and how many were not."""

    began_at: float
    ended_at: float
    sent: list[Sent]
    refused: int

    def rate(self) -> float:
        """Accepted requests a second, until the last answer."""
        return len(self.sent) / (self.ended_at - self.began_at)

    def latencies_ms(self) -> list[float]:
        """Request times in milliseconds."""
        return [(one.answered_at - one.sent_at) * 1e3 for one in self.sent]


class Connection(asyncio.Protocol):
    """One keep-alive connection, with at most one request under way."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._buffer = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit from it
        self._client.is_free(self)

    def send(self, request: bytes) -> None:
        self._sent_at = time.time()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        self._buffer = b""
        self._client.is_answered(head, body, self._sent_at)
        self._client.is_free(self)

    def close(self) -> None:
        self._transport.close()


class Client:
    """All connections and what became of their requests."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._requests = _requests(order.keys)
        self._answers: list[tuple[bytes, float, float]] = []
        self._refused, self._under_way = 0, 0
        self._is_closed_loop, self._is_over = False, False
        self._free: deque[Connection] = deque()
        self._all_answered = asyncio.Event()

    async def run(self) -> Result:
        """Send for as long as ordered, then wait for the answers that are still to come."""
        loop = asyncio.get_running_loop()
        pairs = [
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", self._order.port)
            for _ in range(self._order.connections)
        ]
        began_at = time.time()
        if self._order.rate_per_second is None:
            self._is_closed_loop = True
            while self._free:
                self._send()
            await asyncio.sleep(self._order.seconds)
        else:
            await self._send_at_rate(self._order.rate_per_second)
        self._is_over = True
        if self._under_way:
            await asyncio.wait_for(self._all_answered.wait(), _GIVE_UP_SECONDS)
        ended_at = time.time()
        for _, connection in pairs:
            connection.close()
        sent = [Sent(id=_id_of(body), sent_at=sent_at, answered_at=at) for body, sent_at, at in self._answers]
        return Result(began_at=began_at, ended_at=ended_at, sent=sent, refused=self._refused)

    def is_free(self, connection: Connection) -> None:
        """A connection may send."""
        self._free.append(connection)
        if self._is_closed_loop and not self._is_over:
            self._send()

    def is_answered(self, head: bytes, body: bytes, sent_at: float) -> None:
        """An answer arrived."""
        self._under_way -= 1
        if head.startswith(b"HTTP/1.1 200"):
            self._answers.append((body, sent_at, time.time()))
        else:
            self._refused += 1
        if self._is_over and not self._under_way:
            self._all_answered.set()

    def _send(self) -> None:
        self._under_way += 1
        self._free.popleft().send(next(self._requests))

    async def _send_at_rate(self, rate_per_second: float) -> None:
        until = time.time() + self._order.seconds
        while time.time() < until:
            if self._free:
                self._send()
            await asyncio.sleep(random.expovariate(rate_per_second))


def drive(order: Order) -> Result:
    """Run the client in a process of its own."""
    with tempfile.NamedTemporaryFile() as result:
        subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.load", result.name],
            input=order.model_dump_json().encode(),
            check=True,
            cwd=Path(__file__).parents[2],
        )
        return Result.model_validate_json(Path(result.name).read_bytes())


def _requests(keys: list[str]) -> Iterator[bytes]:
    run, number = secrets.token_hex(8), 0
    while True:
        for key in keys:
            number += 1
            yield (
                b"POST /v1/videos HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                b"Authorization: Bearer %b\r\nIdempotency-Key: %b-%d\r\nContent-Length: %d\r\n\r\n%b"
                % (key.encode(), run.encode(), number, len(_BODY), _BODY)
            )


def _id_of(body: bytes) -> str:
    return body.partition(b'"id":"')[2].partition(b'"')[0].decode()


if __name__ == "__main__":
    result = uvloop.run(Client(Order.model_validate_json(sys.stdin.buffer.read())).run())
    Path(sys.argv[1]).write_text(result.model_dump_json())
