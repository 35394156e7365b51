"""A pull subscription that keeps asking: what has arrived is one batch, the next is already under way.

nats-py's own `fetch` waits for a batch to fill or a timeout; here a batch is
whatever lies there when the handler is free, so a lone message waits for nothing.
"""

import asyncio
import json
from collections import deque

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from lethe_common.clock import monotonic_seconds
from lethe_common.errors import Unavailable

_EXPIRES_SECONDS = 5.0
_STATUS = "Status"
_REQUEST_OVER = frozenset({"404", "408", "409"})


class ConsumerGone(Unavailable):
    """The durable is not there (any more); declare it again."""

    code = "consumer_gone"


class Interrupted(Unavailable):
    """Somebody asked for a fresh start."""

    code = "interrupted"


class Pull:
    """One standing request after another on a durable consumer, each for `expires_seconds` at most."""

    def __init__(
        self, client: Client, stream: str, durable: str, batch: int, *, expires_seconds: float = _EXPIRES_SECONDS
    ) -> None:
        self._client, self._batch, self._expires_seconds = client, batch, expires_seconds
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._inbox = client.new_inbox()
        self._arrived: deque[Msg] = deque()
        self._event = asyncio.Event()
        self._subscription: Subscription | None = None
        self._asked, self._asked_until = 0, 0.0
        self._is_gone = self._is_interrupted = False

    def interrupt(self) -> None:
        """Let whoever waits for a batch stop waiting."""
        self._is_interrupted = True
        self._event.set()

    def raise_if_interrupted(self) -> None:
        """Ask before anything is said about a message: in another store its sequence is another message's.

        Raises:
            Interrupted: `interrupt` was called. What is not acknowledged comes again, if it is there.
        """
        if self._is_interrupted:
            raise Interrupted("The connection came back.")

    async def open(self) -> None:
        """Subscribe the inbox that deliveries come to."""
        self._subscription = await self._client.subscribe(self._inbox, cb=self._on_message)

    async def close(self) -> None:
        """Take no more; what was delivered and not acknowledged comes again after its wait."""
        if self._subscription is not None and self._client.is_connected:
            await self._subscription.unsubscribe()

    async def batch(self) -> list[Msg]:
        """At least one message, at most a batch.

        Raises:
            ConsumerGone: the server has no such consumer.
            Interrupted: `interrupt` was called.
        """
        while not self._arrived or self._is_interrupted:
            self.raise_if_interrupted()
            if self._is_gone:
                raise ConsumerGone("The consumer is not there.")
            await self._ask()
            self._event.clear()
            try:
                # Not wait_for: before Python 3.12 it loses a cancellation that comes with the event.
                async with asyncio.timeout(max(0.05, self._asked_until - monotonic_seconds())):
                    await self._event.wait()
            except TimeoutError:
                self._asked = 0
        taken = [self._arrived.popleft() for _ in range(min(len(self._arrived), self._batch))]
        await self._ask()
        return taken

    async def hold(self) -> None:
        """Tell the server that what has arrived and not been taken yet is at work, so that it is not sent again."""
        for message in list(self._arrived):
            await message.in_progress()

    async def _ask(self) -> None:
        """Ask for more when less than half a batch is still to come."""
        now = monotonic_seconds()
        if now >= self._asked_until:
            self._asked = 0
        if self._asked * 2 > self._batch or len(self._arrived) >= self._batch:
            return
        wanted = self._batch - self._asked
        expires_nanoseconds = int(self._expires_seconds * 1e9)
        request = json.dumps({"batch": wanted, "expires": expires_nanoseconds}).encode()
        await self._client.publish(self._next, request, reply=self._inbox)
        self._asked += wanted
        self._asked_until = now + self._expires_seconds + 0.5

    async def _on_message(self, message: Msg) -> None:
        status = (message.headers or {}).get(_STATUS) if not message.data else None
        if status is None:
            self._asked = max(0, self._asked - 1)
            self._arrived.append(message)
        elif status == "503":
            self._is_gone = True
        elif status in _REQUEST_OVER:
            self._asked, self._asked_until = 0, 0.0
            self._is_gone = self._is_gone or "Consumer Deleted" in (message.headers or {}).get("Description", "")
        self._event.set()
