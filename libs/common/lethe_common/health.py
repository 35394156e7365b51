"""/healthz, /readyz and /metrics for services without a web server of their own."""

import asyncio
import json
from collections.abc import Callable

from prometheus_client import CollectorRegistry, generate_latest

from lethe_common.catalogue import Kind, declare, each, impersonal

_REQUEST_SECONDS = 5.0
_REASONS = {200: "OK", 404: "Not Found", 503: "Service Unavailable"}
HEADERS = declare(
    Kind.HEADER, each(("Content-Type", "Content-Length", "Connection"), impersonal("form of an operator's page"))
)


class HealthServer:
    """Answers three GET paths; everything else is 404.

    `readiness` gives what is compared across replicas (policy hash, policy time)
    and `is_ready`.
    """

    def __init__(self, registry: CollectorRegistry, readiness: Callable[[], dict[str, object]]) -> None:
        self._registry, self._readiness = registry, readiness
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=8192)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _REQUEST_SECONDS)
            words = head.split(b" ", 2)
            status, kind, body = self.answer(words[1].decode("ascii", "replace") if len(words) > 1 else "")
            lines = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\n"
            lines += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write(lines.encode() + body)
            await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            return
        finally:
            writer.close()

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, media type and body of a path."""
        if path == "/healthz":
            return 200, "text/plain", b"alive\n"
        if path == "/readyz":
            state = self._readiness()
            return 200 if state["is_ready"] else 503, "application/json", json.dumps(state, default=str).encode()
        if path == "/metrics":
            return 200, "text/plain; version=0.0.4", generate_latest(self._registry)
        return 404, "text/plain", b"There is /healthz, /readyz and /metrics.\n"
