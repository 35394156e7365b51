"""A process that has imported the services once and forks each of them (Linux).

Imports are two thirds of what a start costs, and nearly the same ones in every service.
What is imported holds no secret, no connection and no thread; a child reads its environment
from a file without a name, which the server never opens. When whoever asks is gone, the kernel
ends the server, and with the server its children (PR_SET_PDEATHSIG, prctl(2)).
"""

import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Self

from lethe_cli.local.programs import Program

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
_MESSAGE_BYTES = 16 * 1024
_ANSWER_SECONDS = 30.0
_READY = "ready"
# numpy's library of linear algebra starts a thread for each processor when it is loaded, and threads do not survive a fork.
_NO_THREADS = {"OPENBLAS_NUM_THREADS": "1"}


class ForkServer:
    """Our end of it. What it is asked, it answers in milliseconds, so answers are waited for on the spot."""

    def __init__(self, process: "subprocess.Popen[bytes]", channel: socket.socket) -> None:
        self._process, self._channel = process, channel

    @classmethod
    def start(
        cls, modules: Iterable[str], environment: Mapping[str, str], folder: Path, tie: Callable[[], None] | None
    ) -> Self:
        """Start a server that imports these packages, each with a `__main__` that does nothing when it is imported.

        `environment`: the interpreter's, nobody's secrets. `tie`: called in the new process before it becomes the server.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(_ANSWER_SECONDS)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "lethe_cli.local.forkserver", str(theirs.fileno()), *modules],
                env={**environment, **_NO_THREADS},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                preexec_fn=tie,  # noqa: PLW1509  calls nothing that takes a lock
            )
        return cls(process, ours)

    def fileno(self) -> int:
        """What becomes readable when it has imported everything, or has failed to."""
        return self._channel.fileno()

    def has_imported(self) -> bool:
        """Wait until it has, and can be asked; False when it has failed, and why is on standard error."""
        return self._answer() == _READY

    def fork(self, program: Program, output: int) -> int | None:
        """Start a program whose module it has; the process's number, or None when there is no server any more."""
        with os.fdopen(os.memfd_create("environment"), "w+") as settings:
            json.dump(dict(program.environment), settings)
            settings.flush()
            request = {
                "module": program.module,
                "folder": str(program.folder),
                "niceness": program.niceness,
                "death_signal": int(program.parent_death_signal),
            }
            answer = self._ask(request, [settings.fileno(), output])
        return int(answer) if answer else None

    def status_of(self, pid: int) -> int:
        """How a child that has ended did so, asked once: its status, or the negative number of the signal."""
        # Children are killed with the server; there is then nobody left who saw how.
        return int(self._ask({"ended": pid}, []) or -signal.SIGKILL)

    def close(self) -> None:
        """End the server, which has nothing to finish. Call it when its children have ended: it takes them with it."""
        self._process.kill()
        self._process.wait()
        self._channel.close()

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
            self._process.kill()
            return ""


def serve(channel: socket.socket) -> str | None:
    """Answer until nobody asks any more. Returns None then, and in each child the module that it is to run."""
    libc = ctypes.CDLL(None)
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, _MESSAGE_BYTES, 2)
        if not message:
            return None
        request = json.loads(message)
        if "ended" in request:
            channel.send(str(os.waitstatus_to_exitcode(os.waitpid(request["ended"], 0)[1])).encode())
            continue
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            channel.close()
            libc.prctl(_PR_SET_PDEATHSIG, request["death_signal"], 0, 0, 0)
            if os.getppid() != server:  # it died between the fork and here
                os._exit(1)
            libc.prctl(_PR_SET_NAME, request["module"].encode(), 0, 0, 0)
            _settle(request, *descriptors)
            return str(request["module"])
        for descriptor in descriptors:
            os.close(descriptor)
        channel.send(str(pid).encode())


def _settle(request: Mapping[str, object], settings: int, output: int) -> None:
    """Take on what a program that is started anew would have been given."""
    os.setsid()
    os.nice(int(str(request["niceness"])))
    os.umask(0o077)
    os.chdir(str(request["folder"]))
    for stream in (sys.stdout, sys.stderr):
        os.dup2(output, stream.fileno())
    os.close(output)
    with os.fdopen(settings) as file:
        file.seek(0)
        environment = json.load(file)
    os.environ.clear()
    os.environ.update(environment)


def _import(modules: Iterable[str]) -> None:
    # A tenth of an import is the collector looking at what only ever grows; frozen, it is never looked at,
    # and its pages stay shared with all children.
    gc.disable()
    for module in modules:
        importlib.import_module(f"{module}.__main__")
        del sys.modules[f"{module}.__main__"]
    gc.freeze()
    gc.enable()


def main() -> None:
    """Import, serve, and in a child be the service."""
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        _import(sys.argv[2:])
        channel.send(_READY.encode())
        module = serve(channel)
    if module is not None:
        sys.argv = [module]
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
