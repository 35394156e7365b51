"""The three times.

*Policy time* is `Clock.now()`: deadlines, holds, quotes, legal clocks. In tests
and on request it is virtual and shared by all processes through a file in the
data folder. *Wall time* names things and ages what the bus keeps. *Monotonic*
time is for timeouts. Nothing else in Lethe may ask the machine what time it is.
"""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, Protocol

from lethe_common.bells import Bell

Sweep = Callable[[datetime], Awaitable[None]]
"""Does everything that is due at the given policy time, and returns when it is done."""

_WATCH_SECONDS = 1.0
"""How often the file is looked at though nobody rang."""
_ROPE = ".bell"


class Clock(Protocol):
    """Policy time, and a way to be woken when it moves."""

    kind: Literal["real", "virtual"]

    def now(self) -> datetime:
        """Policy time, aware, in UTC."""
        ...

    async def wait_for_change(self, timeout_seconds: float) -> None:
        """Return when policy time was moved by hand, or after the timeout."""
        ...


def wall() -> datetime:
    """The machine's time. For names, bus ages and logs, never for a deadline."""
    return datetime.now(UTC)


def monotonic_seconds() -> float:
    """Seconds that only go forward, for timeouts and caches within a process."""
    return time.monotonic()


class RealClock:
    """Policy time is the machine's time."""

    kind: Literal["real", "virtual"] = "real"

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def wait_for_change(self, timeout_seconds: float) -> None:
        await asyncio.sleep(timeout_seconds)


class VirtualClock:
    """Policy time stands still until somebody moves it, for all processes at once.

    The file holds `{"now": ISO 8601, "step": n}`. Each process watches it, runs
    what is due, and then acknowledges the step in `<file>.acks/<process>`. Whoever
    moves it writes a byte into the pipes `<file>.acks/<process>.bell`.
    """

    kind: Literal["real", "virtual"] = "virtual"

    def __init__(self, file: Path, process: str) -> None:
        self._file, self._process = file, process
        self._moved = asyncio.Event()
        self._now, self._step = read_virtual(file)

    def now(self) -> datetime:
        return self._now

    async def wait_for_change(self, timeout_seconds: float) -> None:
        moved = self._moved
        try:
            await asyncio.wait_for(moved.wait(), timeout_seconds)
        except TimeoutError:
            return

    async def watch(self, sweeps: list[Sweep]) -> None:
        """Follow the file for ever: run what is due, acknowledge, wait for the next move.

        A process that starts is no exception: the clock may have moved while it was away.
        """
        with self._rope() as bell:
            while True:
                now, step = self._now, self._step
                for sweep in sweeps:
                    await sweep(now)
                acknowledge(self._file, self._process, step)
                await self._follow(bell)

    async def _follow(self, bell: Bell) -> None:
        """Return when the file has moved."""
        while True:
            now, step = read_virtual(self._file)
            if step != self._step:
                self._now, self._step = now, step
                self._moved.set()
                self._moved = asyncio.Event()
                return
            await bell.wait(_WATCH_SECONDS)

    @contextlib.contextmanager
    def _rope(self) -> Iterator[Bell]:
        """A bell that whoever moves the clock can ring from another process."""
        folder, bell, loop = acknowledgements(self._file), Bell(), asyncio.get_running_loop()
        folder.mkdir(exist_ok=True)
        pipe = folder / f"{self._process}{_ROPE}"
        if not pipe.is_fifo():
            os.mkfifo(pipe, 0o600)
        # Open for writing, too: a pipe that nobody could write to would be at its end all the time.
        descriptor = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)

        def pulled() -> None:
            with contextlib.suppress(BlockingIOError):
                os.read(descriptor, 512)
            bell.ring()

        loop.add_reader(descriptor, pulled)
        try:
            yield bell
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)


def read_virtual(file: Path) -> tuple[datetime, int]:
    """The shared clock's time and step number."""
    content = json.loads(file.read_bytes())
    return datetime.fromisoformat(content["now"]), int(content["step"])


def write_virtual(file: Path, now: datetime, step: int) -> None:
    """Set the shared clock, whole or not at all, and wake who follows it."""
    _replace(file, json.dumps({"now": now.isoformat(), "step": step}))
    for pipe in acknowledgements(file).glob(f"*{_ROPE}"):
        # One that nobody holds open is of a process that has ended; a full one has been rung.
        with contextlib.suppress(OSError):
            descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            try:
                os.write(descriptor, b"!")
            finally:
                os.close(descriptor)


def advance_virtual(file: Path, by: timedelta) -> int:
    """Move the shared clock forward and answer the step to wait for.

    Raises:
        ValueError: `by` is not forward.
    """
    if by <= timedelta(0):
        raise ValueError("policy time only goes forward")
    now, step = read_virtual(file)
    write_virtual(file, now + by, step + 1)
    return step + 1


def acknowledge(file: Path, process: str, step: int) -> None:
    """Say that a process has done everything due at this step."""
    folder = acknowledgements(file)
    folder.mkdir(exist_ok=True)
    _replace(folder / process, str(step))


def acknowledgements(file: Path) -> Path:
    """The folder where processes say how far they are."""
    return file.with_name(file.name + ".acks")


def _replace(file: Path, text: str) -> None:
    fresh = file.with_name(f"{file.name}.{os.getpid()}.new")
    fresh.write_text(text)
    fresh.replace(file)
