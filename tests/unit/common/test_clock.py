import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lethe_common.clock import VirtualClock, acknowledgements, advance_virtual, write_virtual

START = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "clock.json"
    write_virtual(path, START, 0)
    return path


def step_of(file: Path, process: str) -> str:
    said = acknowledgements(file) / process
    return said.read_text() if said.exists() else "none"


async def acknowledged(file: Path, process: str, step: int) -> None:
    async with asyncio.timeout(5):
        while step_of(file, process) != str(step):
            await asyncio.sleep(0.01)


async def test_virtual_time_stands_still_until_it_is_moved(file: Path) -> None:
    clock = VirtualClock(file, "jobs")

    assert clock.now() == clock.now() == START


async def test_a_move_is_acknowledged_only_after_what_was_due_has_run(file: Path) -> None:
    clock, ran = VirtualClock(file, "jobs"), []

    async def sweep(now: datetime) -> None:
        ran.append((now, step_of(file, "jobs")))

    watching = asyncio.create_task(clock.watch([sweep]))
    await acknowledged(file, "jobs", 0)
    step = advance_virtual(file, timedelta(days=7))
    await acknowledged(file, "jobs", step)
    watching.cancel()

    # At its start too: the clock may have moved while the process was away.
    assert ran == [(START, "none"), (START + timedelta(days=7), "0")]
    assert clock.now() == START + timedelta(days=7)


async def test_who_waits_for_a_time_is_woken_by_a_move(file: Path) -> None:
    clock = VirtualClock(file, "jobs")
    watching = asyncio.create_task(clock.watch([]))
    waiting = asyncio.create_task(clock.wait_for_change(timeout_seconds=60))
    await asyncio.sleep(0)

    advance_virtual(file, timedelta(seconds=1))
    async with asyncio.timeout(5):
        await waiting
    watching.cancel()


@pytest.mark.parametrize("by", [timedelta(0), timedelta(days=-1)])
def test_time_does_not_go_back(file: Path, by: timedelta) -> None:
    with pytest.raises(ValueError, match="forward"):
        advance_virtual(file, by)


async def test_a_move_by_another_process_is_heard_without_a_look(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lethe_common.clock._WATCH_SECONDS", 60)
    clock = VirtualClock(file, "jobs")
    watching = asyncio.create_task(clock.watch([]))
    await acknowledged(file, "jobs", 0)
    # The first look is over then: what comes now is heard by the bell, or in a minute.
    await asyncio.sleep(0.05)
    script = "import sys, pathlib, datetime; from lethe_common.clock import advance_virtual as move; "
    script += "move(pathlib.Path(sys.argv[1]), datetime.timedelta(days=1))"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(file))
    assert await process.wait() == 0
    await acknowledged(file, "jobs", 1)
    watching.cancel()


async def test_pipes_of_processes_that_have_ended_keep_nobody_from_moving_it(file: Path) -> None:
    watching = asyncio.create_task(VirtualClock(file, "jobs").watch([]))
    await acknowledged(file, "jobs", 0)
    watching.cancel()
    await asyncio.wait([watching])

    assert advance_virtual(file, timedelta(days=1)) == 1
    watching = asyncio.create_task(VirtualClock(file, "jobs").watch([]))
    await acknowledged(file, "jobs", 1)
    watching.cancel()
