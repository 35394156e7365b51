"""Services forked from a process that has imported them: as they would be if each were started anew."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lethe_cli.local.children import Child, Nursery
from lethe_cli.local.programs import Program
from tests.forked import Warm
from tests.tree import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")

SECONDS = 60
# Says what it was given, then does what it is told.
PROGRAM = """
import atexit, json, os, signal, sys, time

if __name__ == "__main__":
    status = open("/proc/self/status").read()
    session = open("/proc/self/autogroup").read().split() if os.path.exists("/proc/self/autogroup") else []
    print(json.dumps({
        "environment": dict(os.environ), "folder": os.getcwd(), "parent": os.getppid(), "session": os.getsid(0),
        "niceness": os.nice(0),
        "session_niceness": (session or ["1"])[-1],
        "descriptors": sorted(os.listdir("/proc/self/fd")), "arguments": sys.argv,
        "tasks": len(os.listdir("/proc/self/task")), "mask": os.umask(0), "name": open("/proc/self/comm").read().strip(),
        "environ": open("/proc/self/environ").read(), "has_numpy": "numpy" in sys.modules,
    }))
    match os.environ["LETHE_DO"]:
        case "wait": time.sleep(60)
        case "fail": raise RuntimeError("as told")
        case "exit": sys.exit(3)
        case "end": atexit.register(print, "at its end")
        case "explain": sys.exit("as told")
        case "die": os.kill(os.getpid(), signal.SIGKILL)
"""

Spawn = Callable[..., Awaitable[Child]]


async def never_ready() -> bool:
    return False


@pytest.fixture
def programs(tmp_path: Path) -> Callable[..., Program]:
    """Makes programs, each of a package of its own. The first of these imports numpy, as jobs does."""
    for name, head in (("lethe_test_one", "import numpy\n"), ("lethe_test_two", "")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        (tmp_path / name / "__main__.py").write_text(head + PROGRAM)

    def program(module: str = "lethe_test_one", do: str = "wait", niceness: int = 0) -> Program:
        # Python adds a variable of its own where the locale is not one of UTF-8.
        plain = {"PYTHONPATH": str(tmp_path), "PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8"}
        environment = {**plain, "LETHE_DO": do, "LETHE_PASSWORD": module}
        arguments = (sys.executable, "-m", module)
        return Program(module, arguments, environment, tmp_path, never_ready, niceness=niceness, module=module)

    return program


@pytest.fixture
async def nursery(programs: Callable[..., Program], tmp_path: Path) -> AsyncIterator[Nursery]:
    made = nursery_of(tmp_path)
    yield made
    made.close()


def nursery_of(folder: Path) -> Nursery:
    environment = {"PYTHONPATH": f"{ROOT}:{folder}", "LANG": "C.UTF-8"}
    return Nursery(Warm(["lethe_test_one", "lethe_test_two"], environment))


async def said(child: Child) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(await asyncio.wait_for(child.lines.readline(), SECONDS))
    return answer


async def end(child: Child) -> None:
    os.kill(child.process.pid, signal.SIGKILL)
    await asyncio.wait_for(child.process.wait(), SECONDS)


async def test_a_forked_service_is_given_what_a_started_one_is(
    nursery: Nursery, programs: Callable[..., Program], tmp_path: Path
) -> None:
    alone = Nursery()
    forked = await nursery.spawn(programs(niceness=1))
    started = await alone.spawn(programs(niceness=1))
    mine, theirs = await said(forked), await said(started)

    assert mine["session"] == forked.process.pid
    assert (theirs["session"], theirs["parent"]) == (started.process.pid, os.getpid())
    assert mine["parent"] != os.getpid()
    for what in ("environment", "folder", "niceness", "session_niceness", "mask", "has_numpy"):
        assert mine[what] == theirs[what], what
    # Where processors are shared out by session, a program's own niceness counts within its session only.
    assert mine["session_niceness"] == "1"
    assert mine["folder"] == str(tmp_path)
    assert mine["has_numpy"]
    assert mine["tasks"] == 1, "a thread does not survive a fork"
    # 0, 1, 2 and that by which they are counted.
    assert len(mine["descriptors"]) == len(theirs["descriptors"])
    assert mine["name"] == "lethe_test_one"
    await end(forked)
    await end(started)


async def test_no_service_can_read_what_another_was_given(nursery: Nursery, programs: Callable[..., Program]) -> None:
    one = await nursery.spawn(programs("lethe_test_one"))
    two = await nursery.spawn(programs("lethe_test_two"))
    first, second = await said(one), await said(two)

    assert (first["environment"]["LETHE_PASSWORD"], second["environment"]["LETHE_PASSWORD"]) == (
        "lethe_test_one",
        "lethe_test_two",
    )
    assert "LETHE_" not in first["environ"] + second["environ"]
    await end(one)
    await end(two)


@pytest.mark.parametrize(
    ("do", "code", "last"),
    [
        ("exit", 3, b""),
        ("end", 0, b"at its end\n"),
        ("explain", 1, b"as told\n"),
        ("die", -9, b""),
        ("fail", 1, b"as told\n"),
    ],
)
async def test_how_a_forked_service_ended_is_known(
    nursery: Nursery, programs: Callable[..., Program], do: str, code: int, last: bytes
) -> None:
    child = await nursery.spawn(programs(do=do))
    await said(child)

    assert await asyncio.wait_for(child.process.wait(), SECONDS) == code
    assert (await asyncio.wait_for(child.lines.read(), SECONDS)).endswith(last)


async def test_one_that_is_killed_takes_nobody_with_it(nursery: Nursery, programs: Callable[..., Program]) -> None:
    one, two = await nursery.spawn(programs("lethe_test_one")), await nursery.spawn(programs("lethe_test_two"))
    server = (await said(two))["parent"]
    await end(one)
    again = await nursery.spawn(programs("lethe_test_one"))

    assert (await said(again))["parent"] == server
    os.kill(two.process.pid, 0)
    await end(again)
    await end(two)


async def test_without_their_server_services_end_and_are_started_anew(
    nursery: Nursery, programs: Callable[..., Program]
) -> None:
    child = await nursery.spawn(programs())
    os.kill((await said(child))["parent"], signal.SIGKILL)
    assert await asyncio.wait_for(child.process.wait(), SECONDS) == -signal.SIGKILL

    anew = await nursery.spawn(programs())
    assert (await said(anew))["parent"] == os.getpid()
    await end(anew)


async def test_what_cannot_be_imported_says_so_where_it_is_started(
    programs: Callable[..., Program], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program = programs()
    (tmp_path / "lethe_test_one" / "__main__.py").write_text("import lethe_that_is_not_there\n")
    nursery = nursery_of(tmp_path)
    child = await nursery.spawn(program)

    assert await asyncio.wait_for(child.process.wait(), SECONDS) == 1
    assert b"lethe_that_is_not_there" in await asyncio.wait_for(child.lines.read(), SECONDS)
    assert "lethe_that_is_not_there" in capfd.readouterr().err
    nursery.close()
