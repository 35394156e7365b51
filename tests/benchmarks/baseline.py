"""Runs the procrastinate application on the suite's own PostgreSQL while Lethe's processes stand still."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import procrastinate

from lethe_cli.local.ports import free_ports
from lethe_common.services import Service
from tests.servers import dies_with_parent
from tests.suite import RunningSuite

DATABASE = "deferring"
_READY_SECONDS = 30.0


async def prepare(suite: RunningSuite, keys: Sequence[str]) -> Path:
    """Its database with procrastinate's schema; returns the file with the digests of the keys."""
    connection = await asyncpg.connect(suite.superuser_dsn())
    try:
        await connection.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        await connection.close()
    queue = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=suite.superuser_dsn(DATABASE)))
    async with queue.open_async():
        await queue.schema_manager.apply_schema_async()
    digests = suite.data.with_name("digests")
    digests.write_text("\n".join(hashlib.sha256(key.encode()).hexdigest() for key in keys))
    return digests


@contextmanager
def serving(suite: RunningSuite, digests: Path) -> Iterator[int]:
    """One uvicorn process, tuned as the gateway's is; yields its port."""
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [
            sys.executable, "-m", "uvicorn", "tests.benchmarks.deferring:app", "--factory", "--port", str(port),
            "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning",
            "--no-proxy-headers", "--no-server-header", "--backlog", "2048",
        ],
        env={**os.environ, "DEFER_DSN": suite.superuser_dsn(DATABASE), "DEFER_KEYS": str(digests)},
        cwd=Path(__file__).parents[2],
        preexec_fn=dies_with_parent(),  # noqa: PLW1509  calls nothing but prctl
    )  # fmt: skip
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)


@contextmanager
def standing_still(suite: RunningSuite) -> Iterator[None]:
    """Lethe's processes use no time while another one is measured."""
    pids = [pid for service in Service if (pid := suite.pid(service)) is not None]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def _wait_for(port: int) -> None:
    give_up_at = time.monotonic() + _READY_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
        except OSError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.05)
        else:
            return
