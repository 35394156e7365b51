"""Dumping and restoring a database with PostgreSQL's own programs."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from lethe_cli.errors import BackupRefused
from lethe_cli.local.pgfiles import postgres_programs
from lethe_cli.local.ports import LOOPBACK

_LOOK_SECONDS = 0.2
_LAST_LINES = 3


async def dump(port: int, password: str, database: str, file: Path, progress: Callable[[int], None]) -> None:
    """Write a database as it is at one moment, in the custom format; `progress` is told the bytes written so far.

    Raises:
        BackupRefused: pg_dump failed; says what it said last.
    """
    arguments = [*_at(port), "--format=custom", f"--file={file}", database]
    working = asyncio.create_task(_run("pg_dump", password, arguments))
    while not working.done():
        await asyncio.wait({working}, timeout=_LOOK_SECONDS)
        progress(_size(file))
    await working


async def restore(port: int, password: str, database: str, file: Path) -> None:
    """Fill an empty database with a dump.

    Raises:
        BackupRefused: pg_restore failed; says what it said last.
    """
    await _run("pg_restore", password, [*_at(port), "--exit-on-error", f"--dbname={database}", str(file)])


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _at(port: int) -> list[str]:
    return [f"--host={LOOPBACK}", f"--port={port}", "--username=postgres", "--no-password"]


async def _run(program: str, password: str, arguments: list[str]) -> None:
    process = await asyncio.create_subprocess_exec(
        str(postgres_programs() / program),
        *arguments,
        # Not among the arguments, which everybody on the machine may read.
        env={"PATH": os.defpath, "LC_ALL": "C", "PGPASSWORD": password},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        umask=0o077,
    )
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    if process.returncode:
        last = said.decode(errors="replace").strip().splitlines()[-_LAST_LINES:]
        raise BackupRefused(f"{program} failed: {' '.join(last)}")
