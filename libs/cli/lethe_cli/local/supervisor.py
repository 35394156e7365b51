"""Keeps programs running: starts them in order, waits until they serve, restarts what dies, stops them in reverse."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from lethe_cli.errors import NotStarted
from lethe_cli.local.children import Nursery
from lethe_cli.local.logbook import Logbook
from lethe_cli.local.programs import Program
from lethe_common.clock import monotonic_seconds

_DELAY_FIRST_SECONDS = 0.2
_DELAY_MOST_SECONDS = 10.0
_STEADY_SECONDS = 10.0
_PROBE_SECONDS = 0.1
_LAST_LINES_SECONDS = 2.0
_EARLY_DEATHS_MOST = 4


class State(StrEnum):
    """How a program is."""

    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting to restart"
    STOPPED = "stopped"


@dataclass(slots=True)
class Report:
    """One line of `lethe service status`."""

    name: str
    state: State
    pid: int | None
    restarts: int


class Keeper:
    """Keeps one program running while it is wanted."""

    def __init__(self, program: Program, nursery: Nursery, log: Logbook, on_change: Callable[[], None]) -> None:
        self.program = program
        self.state = State.STOPPED
        self.restarts = 0
        self.pid: int | None = None
        self._nursery, self._log, self._on_change = nursery, log, on_change
        self._ready, self._ended, self._unwanted = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._early_deaths, self._hopeless = 0, asyncio.Event()
        self._last_refusal = "none"
        self._task: asyncio.Task[None] | None = None

    @property
    def is_wanted(self) -> bool:
        return self._task is not None and not self._task.done() and not self._unwanted.is_set()

    def report(self) -> Report:
        return Report(self.program.name, self.state, self.pid, self.restarts)

    async def start(self) -> None:
        """Start the program and return when it serves.

        Raises:
            NotStarted: it did not within its time, or kept dying; its last lines are in the message.
        """
        if not self.is_wanted:
            self._unwanted, self._hopeless, self._early_deaths = asyncio.Event(), asyncio.Event(), 0
            self._task = asyncio.create_task(self._keep(), name=f"keep {self.program.name}")
        failure = asyncio.create_task(self._wait_for_failure())
        ready = asyncio.create_task(self._ready.wait())
        try:
            done, _ = await asyncio.wait({failure, ready}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            failure.cancel()
            ready.cancel()
        if ready not in done:
            last = "\n".join(f"    {line}" for line in self._log.tail(self.program.name))
            refusal = self._last_refusal
            raise NotStarted(f"{self.program.name} did not come up (last refusal: {refusal}). Its last lines:\n{last}")

    async def stop(self) -> None:
        """End the program and return when it is gone: first asked, then killed."""
        task = self._task
        if task is None:
            return
        self._unwanted.set()
        self._signal(self.program.stop_signal)
        await asyncio.wait({task}, timeout=self.program.stop_timeout_seconds)
        if not task.done():
            if not self.program.ends_by_kill:
                self._log.say(f"{self.program.name} did not stop in time and is killed")
            await self.kill()
            await asyncio.wait({task})
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.say(f"{self.program.name} was not looked after any more: {error!r}")

    async def kill(self) -> None:
        """SIGKILL, as an accident would; returns when the process is gone. It is restarted if it is wanted."""
        killed = self.pid
        self._signal(signal.SIGKILL)
        if killed is not None:
            await self._ended.wait()

    async def _keep(self) -> None:
        delay = _DELAY_FIRST_SECONDS
        while not self._unwanted.is_set():
            started = monotonic_seconds()
            ending = await self._life()
            if self._unwanted.is_set():
                break
            delay = _DELAY_FIRST_SECONDS if monotonic_seconds() - started > _STEADY_SECONDS else delay
            self._log.say(f"{self.program.name} {ending}; restarting in {delay:.1f} s")
            self._change(State.WAITING)
            self.restarts += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._unwanted.wait(), delay)
            delay = min(delay * 2, _DELAY_MOST_SECONDS)
        self._change(State.STOPPED)

    async def _life(self) -> str:
        """One life of the program, and how it ended, in words."""
        try:
            return f"ended with {_ending(await self._live_once())}"
        except OSError as error:
            # Of processes, memory or descriptors: what the machine lacks now may be there again in a moment.
            self._count_early_death()
            return f"could not be run ({error.strerror or error})"

    async def _live_once(self) -> int:
        """One life of the program, from fork to its last line.

        Raises:
            OSError: the machine cannot run it now; nothing of it is left.
        """
        child = await self._nursery.spawn(self.program)
        process = child.process
        self.pid = process.pid
        self._ended.clear()
        copying = asyncio.create_task(self._copy_lines(child.lines))
        probing = asyncio.create_task(self._probe())
        try:
            self._change(State.STARTING)
            if self._unwanted.is_set():  # asked to stop while it was being made
                self._signal(self.program.stop_signal)
            code = await process.wait()
        finally:
            probing.cancel()
            try:
                with contextlib.suppress(asyncio.CancelledError):
                    await probing
            finally:
                self._after(process.pid)
        with contextlib.suppress(TimeoutError):  # a grandchild in a group of its own may still hold the pipe
            await asyncio.wait_for(copying, _LAST_LINES_SECONDS)
        return code

    def _after(self, pid: int) -> None:
        if not self._ready.is_set():
            self._count_early_death()
        self._ready.clear()
        self.pid, self.state = None, State.WAITING
        self._ended.set()
        self._nursery.forget(pid)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)  # what it started itself and left behind
        if self.program.on_exit is not None:
            self.program.on_exit()

    def _count_early_death(self) -> None:
        self._early_deaths += 1
        if self._early_deaths >= _EARLY_DEATHS_MOST:
            self._hopeless.set()

    async def _copy_lines(self, stream: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await stream.readline()
            except ValueError:  # longer than the reader's limit; asyncio has dropped what it held
                continue
            if not line:
                return
            self._log.line(self.program.name, line, is_chatty=self.program.is_chatty)

    async def _probe(self) -> None:
        """Ask until the program serves. Any failure of the question means: not yet."""
        program = self.program
        while True:
            try:
                if await program.is_ready():
                    if program.on_ready is not None:
                        await program.on_ready()
                    break
            except Exception as error:  # noqa: BLE001  drivers raise many kinds before a server is up; shown if it lasts
                self._last_refusal = type(error).__name__
            await asyncio.sleep(_PROBE_SECONDS)
        self._early_deaths = 0
        self._ready.set()
        self._change(State.READY)

    async def _wait_for_failure(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hopeless.wait(), self.program.ready_timeout_seconds)

    def _signal(self, number: signal.Signals) -> None:
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _change(self, state: State) -> None:
        self.state = state
        self._on_change()


class Supervisor:
    """All programs of one suite."""

    def __init__(self, nursery: Nursery, log: Logbook, on_change: Callable[[], None]) -> None:
        self._nursery, self._log, self._on_change = nursery, log, on_change
        self._keepers: dict[str, Keeper] = {}

    async def start(self, programs: Iterable[Program]) -> None:
        """Start these side by side and return when all of them serve."""
        keepers = [Keeper(program, self._nursery, self._log, self._on_change) for program in programs]
        self._keepers |= {keeper.program.name: keeper for keeper in keepers}
        await asyncio.gather(*(keeper.start() for keeper in keepers))

    async def stop(self) -> None:
        """Stop everything, the last started first; services together, since they started together.

        One that cannot be stopped keeps no other from it; what it failed with is raised when all have been gone through.
        """
        failures: list[BaseException] = []
        for group in _groups(list(self._keepers.values())):
            ends = await asyncio.gather(*(keeper.stop() for keeper in group), return_exceptions=True)
            failures += [end for end in ends if end is not None]
        if failures:
            raise failures[0]

    def keeper(self, name: str) -> Keeper | None:
        return self._keepers.get(name)

    def reports(self) -> list[Report]:
        return [keeper.report() for keeper in self._keepers.values()]


def _groups(keepers: list[Keeper]) -> list[list[Keeper]]:
    services = [keeper for keeper in keepers if not keeper.program.is_chatty]
    servers = [keeper for keeper in keepers if keeper.program.is_chatty]
    return [services, servers]


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"status {code}"
