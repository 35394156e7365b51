"""How long the API takes to answer those whose items stay, at a rate that strains nothing by itself.

Lists, retrievals and submissions in turn, at random moments, over kept-alive
connections; a request leaves on time whatever the answers before it do.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from statistics import median, quantiles
from typing import Any, Self

import httpx2

from lethe_common.clock import monotonic_seconds

_RATE_PER_SECOND = 20.0
_GIVE_UP_SECONDS = 60.0
_ORDER = {"model": "noop", "prompt": "A calico cat playing a piano on stage", "seconds": 4, "size": "1280x720"}


@dataclass(frozen=True, slots=True)
class Answers:
    """Milliseconds from sending a request to having its answer."""

    p50_ms: float
    p95_ms: float
    count: int


class Living:
    """Accounts, by their API keys, that go on using the service, each with a video that it asks for."""

    def __init__(self, url: str, videos: Sequence[tuple[str, str]]) -> None:
        self._url, self._videos = url, videos

    @classmethod
    async def begin(cls, url: str, keys: Sequence[str]) -> Self:
        """Order the videos, one after the other."""
        async with _client(url) as client:
            return cls(url, [(key, str((await _ask(client, "POST", "/v1/videos", key))["id"])) for key in keys])

    async def answers(self, meanwhile: "asyncio.Future[Any]") -> Answers:
        """Ask until `meanwhile` is done. Every request has to be answered with 200, else the bench fails."""
        took_ms: list[float] = []
        async with _client(self._url) as client:

            async def timed(method: str, path: str, key: str) -> None:
                began = monotonic_seconds()
                await _ask(client, method, path, key)
                took_ms.append((monotonic_seconds() - began) * 1e3)

            async with asyncio.TaskGroup() as asked:
                for number, (key, video_id) in enumerate(cycle(self._videos)):
                    if meanwhile.done():
                        break
                    method, path = (
                        ("GET", "/v1/videos?limit=20"), ("GET", f"/v1/videos/{video_id}"), ("POST", "/v1/videos")
                    )[number % 3]  # fmt: skip
                    asked.create_task(timed(method, path, key))
                    await asyncio.sleep(random.expovariate(_RATE_PER_SECOND))
        return Answers(median(took_ms), quantiles(took_ms, n=20)[-1], len(took_ms))


def _client(url: str) -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=None)
    return httpx2.AsyncClient(base_url=url, timeout=_GIVE_UP_SECONDS, trust_env=False, limits=limits)


async def _ask(client: httpx2.AsyncClient, method: str, path: str, key: str) -> dict[str, Any]:
    order = _ORDER if method == "POST" else None
    response = await client.request(method, path, json=order, headers={"Authorization": f"Bearer {key}"})
    assert response.status_code == httpx2.codes.OK, response.text
    body: dict[str, Any] = response.json()
    return body
