"""The services as children of a fork server, for who waits for them in an event loop."""

import asyncio
import os
import signal
from dataclasses import dataclass

from lethe_cli.local.forkserver import ForkServer
from lethe_cli.local.programs import Program

# As long as a program may take to serve: until then nothing is lost by waiting.
_SERVES_WITHIN_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Forked:
    """What asyncio's `Process` is for a child of ours."""

    pid: int
    _descriptor: int
    _server: ForkServer

    async def wait(self) -> int:
        """Return when it has ended, and how: its status, or the negative number of the signal."""
        try:
            await _readable(self._descriptor)  # a pidfd is, from the process's end on
        finally:
            os.close(self._descriptor)
        return self._server.status_of(self.pid)


class Forks:
    """Forks programs as soon as their server has imported them."""

    def __init__(self, server: ForkServer) -> None:
        self._server = server
        self._serves = asyncio.create_task(self._until_it_serves())

    async def fork(self, program: Program, output: int) -> Forked | None:
        """Start a program; None when the server cannot, and why is on standard error."""
        if not await asyncio.shield(self._serves):
            return None
        pid = self._server.fork(program, output)
        if pid is None:
            return None
        try:
            return Forked(pid, os.pidfd_open(pid), self._server)
        except ProcessLookupError:  # the server died meanwhile, and the child with it
            return None
        except OSError:
            # Of descriptors, say: nobody would see it end, and it must not run beside the next one.
            os.kill(pid, signal.SIGKILL)
            self._server.status_of(pid)
            raise

    def close(self) -> None:
        """Call it when all children have ended: it takes them with it."""
        self._serves.cancel()
        self._server.close()

    async def _until_it_serves(self) -> bool:
        try:
            await asyncio.wait_for(_readable(self._server.fileno()), _SERVES_WITHIN_SECONDS)
        except TimeoutError:
            return False
        return self._server.has_imported()


async def _readable(descriptor: int) -> None:
    loop, is_so = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, is_so.set)
    try:
        await is_so.wait()
    finally:
        loop.remove_reader(descriptor)
