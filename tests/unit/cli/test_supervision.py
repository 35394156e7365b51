"""Programs are looked after whatever the machine runs out of: descriptors, processes, room on its disk."""

import asyncio
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lethe_cli.errors import NotStarted
from lethe_cli.local.children import Nursery
from lethe_cli.local.logbook import Logbook
from lethe_cli.local.programs import Program
from lethe_cli.local.supervisor import Keeper, State, Supervisor
from tests.hand_clock import HandClock

SECONDS = 30
NOW = datetime(2026, 1, 31, tzinfo=UTC)
# More than a pipe holds: whoever writes it waits until somebody has read.
TALKS = "import pathlib, time; print('word ' * 40_000, flush=True); pathlib.Path('up').touch(); time.sleep(60)"
WAITS = "import pathlib, time; pathlib.Path('up').touch(); time.sleep(60)"


def logbook(folder: Path) -> Logbook:
    return Logbook(folder, HandClock(NOW).now)


def program(
    folder: Path, text: str = WAITS, *, is_chatty: bool = False, on_exit: Callable[[], None] | None = None
) -> Program:
    """A program that serves as soon as it has made a file in its folder."""

    async def is_up() -> bool:
        return (folder / "up").exists()

    return Program(
        folder.name, (sys.executable, "-c", text), dict(os.environ), folder, is_up, on_exit=on_exit, is_chatty=is_chatty
    )


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not is_so():
            await asyncio.sleep(0.02)


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_what_could_not_be_started_is_tried_again(tmp_path: Path) -> None:
    log = logbook(tmp_path)
    keeper = Keeper(program(tmp_path / "one"), Nursery(), log, lambda: None)
    starting = asyncio.create_task(keeper.start())
    await until(lambda: keeper.restarts > 0)

    (tmp_path / "one").mkdir()
    await asyncio.wait_for(starting, SECONDS)

    assert keeper.state is State.READY
    assert "one could not be run (No such file or directory); restarting" in "\n".join(log.tail("lethe"))
    await keeper.stop()
    log.close()


async def test_what_cannot_be_started_at_all_is_said_soon(tmp_path: Path) -> None:
    log = logbook(tmp_path)
    keeper = Keeper(program(tmp_path / "nowhere"), Nursery(), log, lambda: None)

    with pytest.raises(NotStarted):
        await asyncio.wait_for(keeper.start(), SECONDS)

    await keeper.stop()
    assert not keeper.is_wanted
    log.close()


async def test_a_program_goes_on_while_its_log_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one").mkdir()
    log = logbook(tmp_path / "logs")  # not there, which is refused as a full disk is
    keeper = Keeper(program(tmp_path / "one", TALKS), Nursery(), log, lambda: None)

    await asyncio.wait_for(keeper.start(), SECONDS)
    (tmp_path / "logs").mkdir()
    await keeper.stop()
    log.line("one", b"the last word", is_chatty=True)
    log.close()

    assert (tmp_path / "logs" / f"one-{NOW.date()}.log").read_text() == "the last word\n"
    assert "lines are missing in the log" in (tmp_path / "logs" / f"lethe-{NOW.date()}.log").read_text()
    assert capsys.readouterr().out.count("the log cannot be written") == 1


async def test_a_life_that_cannot_be_noted_ends_and_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    refusals = [OSError(28, "No space left on device")]
    pids: list[int] = []

    def note() -> None:
        pids.extend(pid for pid in (keeper.pid,) if pid is not None)
        if refusals:
            raise refusals.pop()

    log = logbook(tmp_path)
    keeper = Keeper(program(tmp_path / "one"), Nursery(), log, note)
    await asyncio.wait_for(keeper.start(), SECONDS)

    assert keeper.pid == pids[-1] != pids[0]
    await until(lambda: not is_there(pids[0]))
    await keeper.stop()
    log.close()


async def test_all_are_stopped_though_the_supervision_of_one_has_failed(tmp_path: Path) -> None:
    def fail() -> None:
        raise RuntimeError("as told")

    for name in ("one", "server"):
        (tmp_path / name).mkdir()
    log = logbook(tmp_path)
    supervisor = Supervisor(Nursery(), log, lambda: None)
    await supervisor.start([program(tmp_path / "server", is_chatty=True), program(tmp_path / "one", on_exit=fail)])
    pids = [report.pid for report in supervisor.reports() if report.pid is not None]

    await asyncio.wait_for(supervisor.stop(), SECONDS)

    assert len(pids) == 2
    assert [pid for pid in pids if is_there(pid)] == []
    assert "one was not looked after any more: RuntimeError('as told')" in "\n".join(log.tail("lethe"))
    log.close()


async def test_a_program_whose_supervision_failed_can_be_started_again(tmp_path: Path) -> None:
    ends = [RuntimeError("as told")]

    def fail_once() -> None:
        if ends:
            raise ends.pop()

    (tmp_path / "one").mkdir()
    log = logbook(tmp_path)
    keeper = Keeper(program(tmp_path / "one", on_exit=fail_once), Nursery(), log, lambda: None)
    await keeper.start()
    await keeper.kill()
    await until(lambda: not keeper.is_wanted)

    await asyncio.wait_for(keeper.start(), SECONDS)

    assert keeper.state is State.READY
    await keeper.stop()
    log.close()
