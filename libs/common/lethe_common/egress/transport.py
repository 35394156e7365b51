"""The transport that vendors' SDKs are given: they speak as they like, and what may not go out does not."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import httpx2

from lethe_common.egress.client import Egress
from lethe_common.egress.recipients import Passage

T = TypeVar("T")


class EgressTransport(httpx2.AsyncBaseTransport):
    """For an SDK on `httpx2.AsyncClient`. It follows redirects itself: each comes through here again."""

    def __init__(self, egress: Egress, recipient: str, purpose: str, answer_bytes: int | None = None) -> None:
        self._egress, self._recipient, self._purpose, self._answer_bytes = egress, recipient, purpose, answer_bytes

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises:
        EgressRefused: the request may not go out.
        Unavailable: the recipient cannot be reached.
        """
        body = await request.aread()
        passage = Passage(self._recipient, self._purpose, request.method, str(request.url), dict(request.headers), body)
        return await self._egress.carry(passage, self._answer_bytes)


class SyncEgressTransport(httpx2.BaseTransport):
    """The same for an SDK that blocks: it runs in a thread, and the passage on the service's loop."""

    def __init__(
        self,
        egress: Egress,
        recipient: str,
        purpose: str,
        loop: asyncio.AbstractEventLoop,
        answer_bytes: int | None = None,
    ) -> None:
        self._egress, self._recipient, self._purpose, self._loop = egress, recipient, purpose, loop
        self._answer_bytes = answer_bytes

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises as `EgressTransport`."""
        body = request.read()
        passage = Passage(self._recipient, self._purpose, request.method, str(request.url), dict(request.headers), body)
        response = self._wait(self._egress.carry(passage, self._answer_bytes))
        return httpx2.Response(response.status_code, headers=response.headers, stream=_Pulled(response, self._wait))

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class _Pulled(httpx2.SyncByteStream):
    """An answer that arrives on the loop, read in a thread."""

    def __init__(self, response: httpx2.Response, wait: Any) -> None:
        self._response, self._wait = response, wait

    def __iter__(self) -> Iterator[bytes]:
        pieces = self._response.aiter_raw()
        while (piece := self._wait(_next(pieces))) is not None:
            yield piece

    def close(self) -> None:
        self._wait(self._response.aclose())


async def _next(pieces: Any) -> bytes | None:
    piece: bytes | None = await anext(pieces, None)
    return piece
