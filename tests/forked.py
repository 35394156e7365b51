"""Services as processes of a test, forked from one that has imported them, as `lethe up` does it (decision 84).

Started once per test process, and gone with it.
"""

import atexit
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from typing import BinaryIO

from lethe_cli.local.forkserver import ForkServer
from lethe_cli.local.programs import Program
from lethe_common.services import Service
from tests.servers import dies_with_parent
from tests.tree import ROOT


class Forked:
    """What is asked of `subprocess.Popen`, for a child of the fork server."""

    def __init__(self, pid: int, server: ForkServer) -> None:
        self.pid, self.returncode = pid, None
        self._server, self._descriptor = server, os.pidfd_open(pid)

    returncode: int | None

    def poll(self) -> int | None:
        """How it ended; None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float) -> int:
        """The same once it has ended.

        Raises:
            TimeoutExpired: it runs after so many seconds.
        """
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("a service", timeout)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to stop."""
        self.send_signal(signal.SIGTERM)

    def _ended(self, timeout: float) -> int | None:
        if self.returncode is None and select.select([self._descriptor], [], [], timeout)[0]:
            self.returncode = self._server.status_of(self.pid)
            os.close(self._descriptor)
        return self.returncode


def forked(service: Service, environment: Mapping[str, str], output: BinaryIO) -> "Forked | subprocess.Popen[bytes]":
    """Start a service with this environment; what it says goes to a file. Where nothing can be forked it is started anew."""
    module = f"lethe_{service}"
    if hasattr(os, "pidfd_open"):
        program = Program(module, (), environment, ROOT, _unasked, module=module)
        server = _server()
        pid = server.fork(program, output.fileno())
        assert pid is not None, "the fork server is gone"
        return Forked(pid, server)
    return subprocess.Popen([sys.executable, "-m", module], env=dict(environment), stdout=output, stderr=output)


@cache
def _server() -> ForkServer:
    modules = [f"lethe_{service}" for service in Service]
    server = ForkServer.start(modules, {"PATH": os.defpath}, ROOT, dies_with_parent())
    atexit.register(server.close)
    assert server.has_imported()
    return server


async def _unasked() -> bool:
    return False
