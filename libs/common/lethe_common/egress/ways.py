"""How a passage gets out: dialled from here, or handed to a porter (`porter`). Nothing else may dial."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import date
from typing import Protocol

import httpx2

from lethe_common.egress.addresses import resolved
from lethe_common.egress.limits import Limits
from lethe_common.egress.recipients import Passage, Recipients, passed_headers
from lethe_common.egress.refusals import EgressRefused, Reason
from lethe_common.errors import Unavailable

_AWAY = "A recipient cannot be reached. Try again later."


class Way(Protocol):
    """Carries what was admitted."""

    async def carry(self, passage: Passage) -> httpx2.Response:
        """The answer, its body not read yet.

        Raises:
            EgressRefused: it may not go out.
            Unavailable: the recipient cannot be reached.
        """
        ...

    async def tunnel(self, recipient: str, host: str, port: int) -> socket.socket:
        """A connection on which the caller speaks a protocol of its own; raises as `carry`."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class DirectWay:
    """Dials from this process, always the address that was checked and never the name again."""

    def __init__(
        self,
        recipients: Recipients,
        today: Callable[[], date],
        limits: Limits | None = None,
        verify: ssl.SSLContext | bool = True,  # noqa: FBT001, FBT002  the vendor's own parameter
    ) -> None:
        self._recipients, self._today, self._limits, self._verify = recipients, today, limits or Limits(), verify
        # One for each host: connections are pooled by address, and a certificate is checked for one name.
        self._transports: dict[str, httpx2.AsyncHTTPTransport] = {}

    async def carry(self, passage: Passage) -> httpx2.Response:
        """See `Way`. What is checked here is checked again for whoever handed it over."""
        recipient = self._recipients.admit(passage, self._today())
        if len(passage.body) > self._limits.body_bytes:
            raise EgressRefused(Reason.TOO_LARGE, recipient.id)
        url = httpx2.URL(passage.url)
        address = await resolved(
            url.host, url.port or (443 if url.scheme == "https" else 80), recipient.id, is_private=recipient.is_private
        )
        seconds = {"connect": self._limits.connect_seconds, "pool": self._limits.connect_seconds}
        request = httpx2.Request(
            passage.method,
            url.copy_with(host=address),
            headers=passed_headers(recipient, passage.headers)
            # A packed answer of a few bytes can unpack to more than any limit on what was read.
            | {"host": url.netloc.decode(), "accept-encoding": "identity"},
            content=passage.body,
            extensions={
                "sni_hostname": url.host,
                "timeout": {**seconds, "read": self._limits.read_seconds, "write": self._limits.read_seconds},
            },
        )
        try:
            return await asyncio.wait_for(
                self._transport(url.host).handle_async_request(request), self._limits.total_seconds
            )
        except (httpx2.TransportError, TimeoutError) as error:
            raise Unavailable(_AWAY) from error

    async def tunnel(self, recipient: str, host: str, port: int) -> socket.socket:
        """See `Way`."""
        admitted = self._recipients.admit_tunnel(recipient, host, port, self._today())
        address = await resolved(host, port, recipient, is_private=admitted.is_private)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)  # noqa: FBT003  the standard library's own signature
        try:
            dialling = asyncio.get_running_loop().sock_connect(connection, (address, port))
            await asyncio.wait_for(dialling, self._limits.connect_seconds)
        except (OSError, TimeoutError) as error:
            connection.close()
            raise Unavailable(_AWAY) from error
        return connection

    async def close(self) -> None:
        """See `Way`."""
        for transport in self._transports.values():
            await transport.aclose()

    def _transport(self, host: str) -> httpx2.AsyncHTTPTransport:
        if host not in self._transports:
            self._transports[host] = httpx2.AsyncHTTPTransport(verify=self._verify, trust_env=False)
        return self._transports[host]


class Bounded(httpx2.AsyncByteStream):
    """A stream that ends with an error where it becomes longer than allowed, or takes longer in all."""

    def __init__(self, inner: httpx2.Response, recipient: str, most_bytes: int, most_seconds: float) -> None:
        self._inner, self._recipient = inner, recipient
        self._most_bytes, self._most_seconds = most_bytes, most_seconds

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read_bytes = 0
        try:
            async with asyncio.timeout(self._most_seconds):
                async for chunk in self._inner.aiter_raw():
                    read_bytes += len(chunk)
                    if read_bytes > self._most_bytes:
                        raise EgressRefused(Reason.TOO_LARGE, self._recipient)
                    yield chunk
        except (httpx2.TransportError, TimeoutError) as error:
            raise Unavailable(_AWAY) from error

    async def aclose(self) -> None:
        await self._inner.aclose()
