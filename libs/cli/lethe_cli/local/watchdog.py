"""Where the kernel does not tie children to their parent: a process that does.

It reads `+pid` and `-pid` lines; when its input ends, whoever wrote them is dead,
and it kills what was not taken back.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from typing import Self


class Watchdog:
    """Our end of the pipe."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    @classmethod
    def start(cls) -> Self:
        """Start the watchdog. It ends with our end of the pipe, however we end."""
        process = subprocess.Popen(
            [sys.executable, "-m", "lethe_cli.local.watchdog"], stdin=subprocess.PIPE, text=True, start_new_session=True
        )
        return cls(process)

    def add(self, pid: int) -> None:
        """Kill this process when we are gone."""
        self._say(f"+{pid}")

    def remove(self, pid: int) -> None:
        """It has ended; its number may soon be somebody else's."""
        self._say(f"-{pid}")

    def _say(self, line: str) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()


def watch(lines: Iterable[str]) -> None:
    """Follow the lines to their end, then kill each group that is still ours."""
    children: set[int] = set()
    for line in lines:
        pid = int(line[1:])
        (children.add if line.startswith("+") else children.discard)(pid)
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    watch(sys.stdin)
