"""Processes of a test, forked from one that has imported what they need, as `lethe up` does it with services (decision 84).

A suite starts in a fifth of the time so. What is forked is the same program by the same way in: `lethe up` forks its services
from a child of its own in either case.
"""

import atexit
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import BinaryIO

from lethe_cli.local.forkserver import ForkServer, can_fork
from lethe_cli.local.programs import Program
from lethe_common.services import Service
from tests.servers import dies_with_parent
from tests.tree import ROOT

_IMPORTED_WITHIN_SECONDS = 240.0


class Forked:
    """What is asked of `subprocess.Popen`, for a child of a fork server."""

    returncode: int | None

    def __init__(self, pid: int, server: ForkServer) -> None:
        self.pid, self.returncode = pid, None
        self._server, self._descriptor = server, os.pidfd_open(pid)

    def poll(self) -> int | None:
        """How it ended; None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float) -> int:
        """The same once it has ended.

        Raises:
            TimeoutExpired: it still runs after so many seconds.
        """
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
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


def forked(
    package: str, arguments: Sequence[str], environment: Mapping[str, str], output: BinaryIO
) -> "Forked | subprocess.Popen[bytes]":
    """`python -m PACKAGE ARGUMENTS`, with this environment; what it says goes to a file. It ends with this process.

    Where nothing can be forked it is started anew.
    """
    if not can_fork():
        return started(package, arguments, environment, output)
    server, command = _server(), (sys.executable, "-m", package, *arguments)
    program = Program(
        package, command, environment, Path.cwd(), _unasked, module=package, parent_death_signal=signal.SIGTERM
    )
    os.umask(umask := os.umask(0))
    pid = server.fork(program, output.fileno(), umask)
    assert pid is not None, "the process that tests fork from is gone"
    return Forked(pid, server)


def started(
    package: str, arguments: Sequence[str], environment: Mapping[str, str], output: BinaryIO
) -> "subprocess.Popen[bytes]":
    """The same in an interpreter of its own, as from a shell."""
    return subprocess.Popen(
        [sys.executable, "-m", package, *arguments],
        env=dict(environment),
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=dies_with_parent(),  # noqa: PLW1509  calls nothing but prctl
    )


class Warm(ForkServer):
    """A fork server in an interpreter of its own, which has imported these packages."""

    def __init__(self, packages: Sequence[str], environment: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.warm", str(theirs.fileno()), *packages],
                env=dict(environment),
                cwd=ROOT,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                preexec_fn=dies_with_parent(),  # noqa: PLW1509  calls nothing but prctl
            )
        super().__init__(self._process.pid, ours)

    def close(self) -> None:
        """End it, and tell the object that speaks for it."""
        super().close()
        self._process.wait()


@cache
def _server() -> Warm:
    server = Warm(["lethe_cli", *(f"lethe_{service}" for service in Service)], {"PATH": os.environ["PATH"]})
    atexit.register(server.close)
    assert server.has_imported(_IMPORTED_WITHIN_SECONDS)
    return server


async def _unasked() -> bool:
    return False
