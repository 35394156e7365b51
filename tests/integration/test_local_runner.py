"""`lethe up` on real servers: it refuses clearly, restarts what dies, and leaves nothing behind."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest

from lethe_cli.local import control
from lethe_cli.local.folder import DataFolder
from lethe_cli.local.postgres import LEFT_BY_RESTORES
from lethe_cli.local.programs import BACKGROUND
from lethe_cli.local.supervisor import State
from lethe_common.clock import monotonic_seconds
from tests.servers import RunningServers, running_servers, said_by, spawn_suite, temporary_data_folder, wait_until_ready

_GONE_SECONDS = 5.0


def lethe(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "lethe_cli", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def data() -> Iterator[Path]:
    with temporary_data_folder() as folder:
        yield folder


@contextlib.contextmanager
def listener() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


class Running(NamedTuple):
    """A process, told apart from a later one with its number by when it started."""

    pid: int
    parent: int
    started: int


def processes() -> list[Running]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent, *rest = stat.read_text().rpartition(")")[2].split()
            if state != "Z":
                found.append(Running(int(stat.parent.name), int(parent), int(rest[17])))
    return found


def descendants(pid: int) -> set[Running]:
    """Children, their children, and so on: the database's backends are among them."""
    everybody = processes()
    found = {process for process in everybody if process.parent == pid}
    while more := {process for process in everybody if process.parent in {one.pid for one in found}} - found:
        found |= more
    return found


def still_there(known: set[Running]) -> set[tuple[int, int]]:
    return {(one.pid, one.started) for one in known} & {(one.pid, one.started) for one in processes()}


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_five_seconds_after_a_kill_nothing_is_left(data: Path) -> None:
    process = spawn_suite(data, "--servers-only")
    runtime = wait_until_ready(process, data)
    before = descendants(process.pid)
    process.kill()
    process.wait()
    give_up_at = monotonic_seconds() + _GONE_SECONDS
    while (left := still_there(before)) and monotonic_seconds() < give_up_at:
        time.sleep(0.05)
    assert set(runtime.pids.values()) < {one.pid for one in before}
    assert not left


async def test_data_is_there_after_a_restart_and_two_suites_run_side_by_side(
    servers: RunningServers, data: Path
) -> None:
    for attempt in range(2):
        with running_servers(data) as other:
            assert other.runtime.postgres_port != servers.runtime.postgres_port
            connection = await asyncpg.connect(other.dsn("billing_owner"))
            try:
                if attempt == 0:
                    await connection.execute("CREATE TABLE billing.kept AS SELECT 7 AS number")
                assert await connection.fetchval("SELECT number FROM billing.kept") == 7
            finally:
                await connection.close()


async def test_what_a_killed_restore_has_left_goes_at_the_next_start(data: Path) -> None:
    for attempt in range(2):
        with running_servers(data) as suite:
            connection = await asyncpg.connect(suite.superuser_dsn())
            try:
                if attempt == 0:
                    for name in LEFT_BY_RESTORES:
                        await connection.execute(f"CREATE DATABASE {name}")
                left = await connection.fetch(
                    "SELECT datname FROM pg_database WHERE datname = ANY($1)", list(LEFT_BY_RESTORES)
                )
            finally:
                await connection.close()
        assert len(left) == (2 if attempt == 0 else 0)


@pytest.mark.parametrize(("option", "other"), [("--port", "--console-port"), ("--console-port", "--port")])
def test_a_taken_port_is_refused_with_the_option_that_helps(data: Path, option: str, other: str) -> None:
    with listener() as taken, socket.socket() as spare:
        spare.bind(("127.0.0.1", 0))
        free = spare.getsockname()[1]
        spare.close()
        refused = lethe("up", "--data", str(data), option, str(taken), other, str(free))
    assert refused.returncode == 1
    assert f"Port {taken}" in refused.stderr
    assert option in refused.stderr
    assert not data.exists()


def test_a_second_suite_on_the_same_folder_is_refused(servers: RunningServers) -> None:
    refused = lethe("up", "--servers-only", "--data", str(servers.data))
    assert refused.returncode == 1
    assert "already runs" in refused.stderr
    assert DataFolder(servers.data).runtime.exists()


@pytest.mark.parametrize("name", ["postgres", "nats", "s3"])
def test_a_killed_server_is_restarted(servers: RunningServers, name: str) -> None:
    before = {program.name: program for program in control.ask(servers.data, "status")}[name]
    servers.kill(name)
    killed = {program.name: program for program in control.ask(servers.data, "status")}[name]
    servers.start(name)
    after = {program.name: program for program in control.ask(servers.data, "status")}[name]
    assert (killed.pid, killed.state) != (before.pid, State.READY)
    assert after.state is State.READY
    assert after.pid != before.pid
    assert after.restarts == before.restarts + 1


def test_the_store_stands_back_where_processors_are_short(servers: RunningServers) -> None:
    niceness = {
        program.name: os.getpriority(os.PRIO_PROCESS, program.pid)
        for program in control.ask(servers.data, "status")
        if program.pid is not None
    }
    # 19 is the most; the tests themselves may be run with it.
    assert niceness["s3"] == min(niceness["postgres"] + BACKGROUND, 19)


def test_a_stopped_server_stays_stopped_until_it_is_started(servers: RunningServers) -> None:
    servers.stop("nats")
    stopped = {program.name: program.state for program in control.ask(servers.data, "status")}
    servers.start("nats")
    started = {program.name: program.state for program in control.ask(servers.data, "status")}
    assert (stopped["nats"], started["nats"]) == (State.STOPPED, State.READY)


def test_an_unknown_program_is_refused_by_name_of_those_there_are(servers: RunningServers) -> None:
    refused = lethe("service", "stop", "nobody", "--data", str(servers.data))
    assert refused.returncode == 1
    assert "postgres, nats, s3" in refused.stderr


def test_commands_say_when_nothing_runs(data: Path) -> None:
    for arguments in (("service", "status"), ("clock", "show"), ("clock", "advance", "P1D")):
        refused = lethe(*arguments, "--data", str(data))
        assert refused.returncode == 1
        assert "lethe up" in refused.stderr


def test_a_real_clock_is_never_moved(servers: RunningServers) -> None:
    refused = lethe("clock", "advance", "P7D", "--data", str(servers.data))
    assert refused.returncode == 1
    assert "--virtual-clock" in refused.stderr


async def test_the_database_log_never_shows_what_a_statement_carried(servers: RunningServers) -> None:
    canary = "canary-of-a-person"
    connection = await asyncpg.connect(servers.dsn("billing"))
    try:
        for statement in (f"SELECT '{canary}'::int", f'SELECT 1 FROM "{canary}"', f"RAISE '{canary}'"):
            with pytest.raises(asyncpg.PostgresError):
                await connection.execute(statement)
        with pytest.raises(asyncpg.PostgresError):
            await connection.fetchval("SELECT ($1::text)::int", canary)
    finally:
        await connection.close()
    assert canary not in "".join(file.read_text() for file in DataFolder(servers.data).logs.glob("postgres-*.log"))


def test_secrets_are_closed_to_others(servers: RunningServers) -> None:
    folder = DataFolder(servers.data)
    for file in (folder.secrets, folder.signing_key, folder.runtime, folder.nats / "nats.conf"):
        assert file.stat().st_mode & 0o077 == 0
    for inner in (folder.postgres, folder.nats, folder.s3, folder.keyring, folder.logs, folder.tmp):
        assert inner.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_as_root_below_a_closed_folder_the_database_finds_a_place_it_can_reach() -> None:
    with tempfile.TemporaryDirectory() as closed:  # mode 0700
        data = Path(closed) / "data"
        with running_servers(data) as running:
            home = Path(running.runtime.postgres_folder)
            assert (data / "postgres").resolve() == home
            assert not str(home).startswith(closed)
            assert Path(closed).stat().st_mode & 0o077 == 0
        remove_as_root(home)


def remove_as_root(home: Path) -> None:
    subprocess.run(["rm", "-rf", str(home)], check=True)


def test_ctrl_c_stops_in_order_and_cleanly(data: Path) -> None:
    process = spawn_suite(data, "--servers-only")
    wait_until_ready(process, data)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=30)
    assert process.returncode == 0
    assert said_by(data).rstrip().endswith("stopped")
    assert "killed" not in said_by(data), "a stop as it always goes is no accident"
    assert not DataFolder(data).runtime.exists()
    assert not DataFolder(data).control.exists()
