"""Serves an ASGI application inside the frame's process: uvicorn without its signals, logs and headers."""

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn
from starlette.types import ASGIApp

from lethe_common.errors import ConfigurationError
from lethe_gateway.announced import AnnouncedProtocol

_BACKLOG = 2048
_KEEP_ALIVE_SECONDS = 30


class Server:
    """One application on one port, which is taken at once, so that a taken port is known at start."""

    def __init__(self, app: ASGIApp, host: str, port: int, *, stop_seconds: int, is_behind_door: bool = False) -> None:
        self._socket = _bind(host, port)
        config = uvicorn.Config(
            app,
            http=AnnouncedProtocol if is_behind_door else "httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            # A line with a URL in it is a line about a person.
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            # Open event streams would hold the process up until their clients leave.
            timeout_graceful_shutdown=stop_seconds,
        )
        self._server = _Quiet(config)
        self._ended = asyncio.Event()

    @property
    def port(self) -> int:
        """The port that was taken."""
        number: int = self._socket.getsockname()[1]
        return number

    async def run(self) -> None:
        """Serve until stopped; a worker of the frame."""
        if not self._server.should_exit:
            await self._server.serve([self._socket])
            self._ended.set()
        # The frame starts a worker that returns once more; after a stop there is nothing to start.
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """Take no more requests, finish those under way, cut streams."""
        self._server.should_exit = True
        if self._server.started:
            await self._ended.wait()
        self._socket.close()


class _Quiet(uvicorn.Server):
    """Signals belong to the frame."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        raise ConfigurationError(f"Port {port} is taken. Set LETHE_PORT or LETHE_CONSOLE_PORT to another.") from error
    taken.listen(_BACKLOG)
    taken.setblocking(False)  # noqa: FBT003  the standard library's own signature
    return taken
