"""Child processes that never outlive us, not even when we are killed.

On Linux the kernel signals each child when the thread that made it ends
(PR_SET_PDEATHSIG, prctl(2)), so children are made on the main thread only. It is
set after the change of user, which clears it. The services, which import much the
same, are forked there from one child that has it imported. Elsewhere a watchdog process holds
the other end of a pipe and kills what is left when the pipe closes.
"""

import asyncio
import ctypes
import os
import resource
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

from lethe_cli.local.forks import Forked, Forks
from lethe_cli.local.forkserver import ForkServer
from lethe_cli.local.programs import Program
from lethe_cli.local.standing_back import stand_back
from lethe_cli.local.watchdog import Watchdog

_PR_SET_PDEATHSIG = 1
_LINE_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class Child:
    """A running program and what it says.

    The pipe is ours and not asyncio's, whose `wait` returns only when the last
    grandchild has closed it.
    """

    process: asyncio.subprocess.Process | Forked
    lines: asyncio.StreamReader


class Nursery:
    """Starts children; knows how they are tied to this process."""

    def __init__(self, forkserver: ForkServer | None = None) -> None:
        self._is_linux = sys.platform == "linux"
        # Loaded here, since loading a library between fork and exec may deadlock.
        self._libc = ctypes.CDLL(None, use_errno=True) if self._is_linux else None
        self._watchdog = None if self._is_linux else Watchdog.start()
        self._forks = None if forkserver is None else Forks(forkserver)

    def close(self) -> None:
        """Call it when all children have ended."""
        if self._forks is not None:
            self._forks.close()

    async def spawn(self, program: Program) -> Child:
        """Start a program in its own process group, so that Ctrl-C reaches it through us and in order."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("children are made on the main thread, with which the kernel ties them")
        reading, writing = os.pipe()
        try:
            # First: a child that was made when this fails would run on, unheard and beside the next one.
            lines = await _reader(reading)
            process = await self._fork(program, writing) or await self._execute(program, writing)
        finally:
            os.close(writing)  # without a child the reader comes to its end by this, and closes its own
        if self._watchdog is not None:
            self._watchdog.add(process.pid)
        return Child(process, lines)

    async def _fork(self, program: Program, output: int) -> Forked | None:
        if self._forks is None or program.module is None:
            return None
        return await self._forks.fork(program, output)

    async def _execute(self, program: Program, output: int) -> asyncio.subprocess.Process:
        account = program.account
        return await asyncio.create_subprocess_exec(
            *program.arguments,
            env=dict(program.environment),
            cwd=program.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=self._tie(program, os.getpid()),
            umask=0o077,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
        )

    def forget(self, pid: int) -> None:
        """Tell the watchdog that a child has ended."""
        if self._watchdog is not None:
            self._watchdog.remove(pid)

    def _tie(self, program: Program, parent: int) -> Callable[[], None]:
        libc, death_signal, niceness = self._libc, program.parent_death_signal, program.niceness

        def tie() -> None:
            stand_back(niceness)
            if libc is not None:
                libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
                if os.getppid() != parent:  # we died between fork and here
                    os._exit(1)

        return tie


async def _reader(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=_LINE_BYTES)
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    try:
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    except BaseException:
        pipe.close()
        raise
    return reader


def forbid_core_dumps() -> None:
    """A core dump would write keys and prompts to disk in clear. Children inherit the limit."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
