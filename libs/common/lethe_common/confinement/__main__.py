"""Start a command confined: see `lethe_common.confinement`. Its exit status is the command's."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence

from lethe_common.confinement import namespace
from lethe_common.confinement.relays import inlet, outlet

_LOOPBACK = "127.0.0.1"


def main(arguments: Sequence[str]) -> int:
    """Parse, start, carry, and answer the command's exit status."""
    parser = argparse.ArgumentParser(prog="python -m lethe_common.confinement")
    parser.add_argument("--outlet", type=int, action="append", default=[], help="a port outside that is reached inside")
    parser.add_argument("--inlet", type=int, action="append", default=[], help="a port inside that is reached outside")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args(arguments)
    command = given.command[1:] if given.command[:1] == ["--"] else given.command
    try:
        # Before any loop or thread: the child is a copy of this process.
        confined = namespace.start(command, given.outlet)
    except namespace.NotConfined as error:
        parser.exit(1, f"{error}\n")
    return asyncio.run(_carry(confined, given.inlet))


async def _carry(confined: namespace.Confined, inlets: Sequence[int]) -> int:
    loop = asyncio.get_running_loop()
    for number in namespace.FORWARDED:
        loop.add_signal_handler(number, _forward, confined.pid, number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, namespace.FORWARDED)
    servers = [await outlet(listener, _LOOPBACK, port) for port, listener in confined.listeners.items()]
    servers += [await inlet(confined, port) for port in inlets]
    status = await asyncio.to_thread(os.waitpid, confined.pid, 0)
    for server in servers:
        server.close()
    return os.waitstatus_to_exitcode(status[1])


def _forward(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
