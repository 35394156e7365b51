"""A process that has imported the services once and forks each of them (Linux).

Imports are two thirds of what a start costs, and nearly the same ones in every service.
What is imported holds no secret, no connection and no thread; a child reads its environment
from a file without a name, which the server never opens. When whoever asks is gone, the kernel
ends the server, and with the server its children (PR_SET_PDEATHSIG, prctl(2)).
"""

import atexit
import ctypes
import gc
import importlib
import io
import json
import os
import runpy
import signal
import socket
import sys
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, Self

from lethe_cli.local.programs import Program
from lethe_cli.local.standing_back import stand_back

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
_MESSAGE_BYTES = 16 * 1024
_ANSWER_SECONDS = 30.0
_READY, _NO_ROOM = "ready", "no room"
# numpy's library of linear algebra starts a thread for each processor when it is loaded, and threads do not survive a fork.
_NO_THREADS = {"OPENBLAS_NUM_THREADS": "1"}


def can_fork() -> bool:
    """Whether the end of another's child can be waited for here (Linux since 5.3); elsewhere such a fork may not be safe."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


class Become(BaseException):
    """Raised in a child, so that it leaves all that its parent was in the middle of; then it is to run a module."""

    def __init__(self, module: str) -> None:
        super().__init__(module)
        self.module = module

    def run(self) -> NoReturn:
        """Be the module's program, and end as it does.

        A process that ends well is left at once, when what was registered for its end is done: taking apart an interpreter
        whose pages are shared with the parent copies them all, a tenth of a second for each service that stops.
        """
        status = 0
        try:
            runpy.run_module(self.module, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            status = _status(end.code)
        atexit._run_exitfuncs()  # noqa: SLF001  there is no other way to them but the slow one
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


def _status(code: object) -> int:
    """What `sys.exit` makes of its argument."""
    if code is None or isinstance(code, int):
        return code or 0
    sys.stderr.write(f"{code}\n")
    return 1


class ForkServer:
    """Our end of it. What it is asked, it answers in milliseconds, so answers are waited for on the spot."""

    def __init__(self, pid: int, channel: socket.socket) -> None:
        self._pid, self._channel = pid, channel
        channel.settimeout(_ANSWER_SECONDS)

    @classmethod
    def branch_off(cls, modules: Iterable[str]) -> Self:
        """Fork a server that imports these packages, each with a `__main__` that does nothing when it is imported.

        Call it before there is a secret, a thread or an event loop.

        Raises:
            Become: this is a child of that server.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        us, pid = os.getpid(), os.fork()
        if pid:
            theirs.close()
            return cls(pid, ours)
        ours.close()
        _die_with(us, signal.SIGKILL)
        os.setsid()
        raise Become(served(theirs, modules))

    def fileno(self) -> int:
        """What becomes readable when it has imported everything, or has failed to."""
        return self._channel.fileno()

    def has_imported(self, within_seconds: float = _ANSWER_SECONDS) -> bool:
        """Wait until it has, and can be asked; False when it has failed, and why is on standard error."""
        self._channel.settimeout(within_seconds)
        has_imported = self._answer() == _READY
        self._channel.settimeout(_ANSWER_SECONDS)
        return has_imported

    def fork(self, program: Program, output: int, umask: int = 0o077) -> int | None:
        """Start a program whose module it has; the process's number, or None when the server cannot."""
        with os.fdopen(os.memfd_create("environment"), "w+") as settings:
            json.dump(dict(program.environment), settings)
            settings.flush()
            request = {
                "module": program.module,
                "arguments": program.arguments[2:],
                "folder": str(program.folder),
                "niceness": program.niceness,
                "umask": umask,
                "death_signal": int(program.parent_death_signal),
            }
            answer = self._ask(request, [settings.fileno(), output])
        return int(answer) if answer not in {"", _NO_ROOM} else None

    def status_of(self, pid: int) -> int:
        """How a child that has ended did so, asked once: its status, or the negative number of the signal."""
        # Children are killed with the server; there is then nobody left who saw how.
        return int(self._ask({"ended": pid}, []) or -signal.SIGKILL)

    def close(self) -> None:
        """End the server, which has nothing to finish. Call it when its children have ended: it takes them with it."""
        self._kill()
        os.waitpid(self._pid, 0)
        self._channel.close()

    def _kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)

    def _ask(self, request: Mapping[str, object], descriptors: list[int]) -> str:
        try:
            socket.send_fds(self._channel, [json.dumps(request).encode()], descriptors)
        except ConnectionError:
            return ""
        return self._answer()

    def _answer(self) -> str:
        """What it says; empty when there is no server any more."""
        try:
            return self._channel.recv(_MESSAGE_BYTES).decode()
        except ConnectionError:
            return ""
        except TimeoutError:  # it hangs; a late answer would be taken for that to the next question
            self._kill()
            return ""


def served(channel: socket.socket, modules: Iterable[str]) -> str:
    """Be a server to the end; in each of its children return the module that it is to run."""
    with channel:
        _import(modules)
        try:
            channel.send(_READY.encode())
            while request := _next(channel):
                if "ended" in request:
                    _, status = os.waitpid(request["ended"], 0)
                    channel.send(str(os.waitstatus_to_exitcode(status)).encode())
                    continue
                us, pid = os.getpid(), _forked()
                if pid == 0:
                    _die_with(us, request["death_signal"])
                    _settle(request)
                    return str(request["module"])
                for descriptor in request["descriptors"]:
                    os.close(descriptor)
                channel.send((_NO_ROOM if pid is None else str(pid)).encode())
        except ConnectionError:  # whoever asks is gone
            os._exit(0)
        os._exit(0)


def _next(channel: socket.socket) -> dict[str, Any] | None:
    message, descriptors, _, _ = socket.recv_fds(channel, _MESSAGE_BYTES, 2)
    return json.loads(message) | {"descriptors": descriptors} if message else None


def _forked() -> int | None:
    try:
        return os.fork()
    except OSError:  # of memory or process numbers; the server stays, for the sake of its children
        return None


def _import(modules: Iterable[str]) -> None:
    os.environ.update(_NO_THREADS)
    # A tenth of an import is the collector looking at what only ever grows; frozen, it is never looked at,
    # and its pages stay shared with all children.
    gc.disable()
    for module in modules:
        importlib.import_module(f"{module}.__main__")
        del sys.modules[f"{module}.__main__"]
    gc.freeze()
    gc.enable()


def _die_with(parent: int, death_signal: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:  # it died between the fork and here
        os._exit(1)


def _settle(request: Mapping[str, Any]) -> None:
    """Take on what a program that is started anew would have been given."""
    settings, output = request["descriptors"]
    ctypes.CDLL(None).prctl(_PR_SET_NAME, request["module"].encode(), 0, 0, 0)
    os.setsid()
    stand_back(request["niceness"])
    os.umask(request["umask"])
    os.chdir(request["folder"])
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, place in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, place)
    os.close(nothing)
    os.close(output)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    with os.fdopen(settings) as file:
        file.seek(0)
        environment = json.load(file)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = list(request["arguments"])
