"""A PostgreSQL of our own: own cluster, own passwords, nothing in its log that a person wrote.

Only the wheel's programs are used. Its server class trusts every local user,
opens the folders above the data to all, and leaves the server running alone.
"""

import asyncio
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from lethe_cli.errors import NotStarted
from lethe_cli.local.accounts import give, unprivileged
from lethe_cli.local.folder import DataFolder, write_private
from lethe_cli.local.pgfiles import PostgresFiles, locate, postgres_major
from lethe_cli.local.ports import LOOPBACK
from lethe_cli.local.programs import Account, Program
from lethe_cli.local.secrets import Secrets
from lethe_common.catalogue import Kind, declare, impersonal
from lethe_common.database.roles import (
    DATABASE,
    DATABASES,
    database_statements,
    missing_databases,
    role_statements,
    system_statements,
)

_SUPERUSER = "postgres"
_BUILTIN_LOCALE_MAJOR = 17
FRAME_TEMPORARY_FILES = declare(
    Kind.TEMPORARY_FILE,
    {
        "PostgreSQL.*": impersonal(
            "memory its processes share: locks and numbers, no rows, since no query runs in parallel"
        )
    },
)

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # a socket path may have 107 bytes, a data folder's path may not fit
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    # After each checkpoint every page goes into the log whole once more.
    "checkpoint_timeout": "15min",
    "wal_buffers": "16MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",  # no query of ours is worth it, and containers have little /dev/shm
    "autovacuum_naptime": "10s",
    # Statements, parameters and the values in error messages are what people wrote.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_lock_waits": "off",
    "log_checkpoints": "off",
    "log_autovacuum_min_duration": "-1",
}
_ACCESS = f"host all all {LOOPBACK}/32 scram-sha-256\n"

RESTORED, BEFORE = "lethe_restored", "lethe_before"
LEFT_BY_RESTORES = frozenset({RESTORED, BEFORE})
"""Databases that only a restore that was killed leaves: people's data that nothing would ever end."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """One cluster on one port."""

    files: PostgresFiles
    account: Account | None
    port: int
    secrets: Secrets
    tmp: Path

    @classmethod
    def prepare(cls, folder: DataFolder, secrets: Secrets, port: int) -> "Postgres":
        """Find the programs and make the folders; the cluster itself is made by `initialise`."""
        account = unprivileged()
        return cls(locate(folder, account), account, port, secrets, folder.tmp)

    def url(self, role: str, database: str = DATABASE) -> str:
        """How a role connects."""
        password = self.secrets.postgres_superuser if role == _SUPERUSER else self.secrets.postgres[role]
        return f"postgresql://{role}:{password}@{LOOPBACK}:{self.port}/{database}"

    def superuser_url(self, database: str = "postgres") -> str:
        """How the runner itself connects; no service does."""
        return self.url(_SUPERUSER, database)

    async def initialise(self) -> None:
        """Make the cluster on the first use, whole or not at all.

        Raises:
            NotStarted: initdb failed.
        """
        if self.files.data.exists():
            return
        password = self.files.home / "password"
        write_private(password, self.secrets.postgres_superuser.encode())
        fresh = self.files.home / "data.new"
        try:
            if self.account is not None:
                give(password, self.account)
            await self._run("rm", "-rf", str(fresh))  # what an interrupted start left
            await self._run(str(self.files.programs / "initdb"), *self._initdb_options(fresh, password))
        finally:
            password.unlink()
        (fresh / "pg_hba.conf").write_text(_ACCESS)
        fresh.rename(self.files.data)

    def program(self) -> Program:
        """The server as a child in the foreground. It ends at once when we do (SIGQUIT), taking its backends along."""
        settings = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
        return Program(
            name="postgres",
            arguments=(str(self.files.programs / "postgres"), "-D", str(self.files.data), f"-p{self.port}", *settings),
            environment=self._environment(),
            folder=self.files.home,
            is_ready=self._is_ready,
            on_ready=self._create_roles,
            account=self.account,
            stop_signal=signal.SIGINT,  # fast shutdown: rolls back, writes a checkpoint
            parent_death_signal=signal.SIGQUIT,
            stop_timeout_seconds=30.0,
            is_chatty=True,
        )

    def _initdb_options(self, data: Path, password: Path) -> list[str]:
        is_new = postgres_major(self.files.programs) >= _BUILTIN_LOCALE_MAJOR
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"] if is_new else ["--locale=C"]
        return [
            f"--pgdata={data}", f"--username={_SUPERUSER}", f"--pwfile={password}", "--auth=scram-sha-256",
            "--encoding=UTF8", *locale, "--no-instructions", "--data-checksums",
        ]  # fmt: skip

    def _environment(self) -> dict[str, str]:
        tmp = self.tmp if self.account is None else self.files.home
        return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "TMPDIR": str(tmp)}

    async def _run(self, *arguments: str) -> None:
        account = self.account
        process = await asyncio.create_subprocess_exec(
            *arguments,
            env=self._environment(),
            cwd=self.files.home,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            umask=0o077,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
        )
        try:
            said, _ = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            raise
        if process.returncode:
            last = said.decode(errors="replace").strip().splitlines()[-3:]
            raise NotStarted(f"{Path(arguments[0]).name} failed: {' '.join(last)}")

    async def _is_ready(self) -> bool:
        connection = await asyncpg.connect(self.superuser_url(), timeout=5)
        await connection.close()
        return True

    async def _create_roles(self) -> None:
        connection = await asyncpg.connect(self.superuser_url(), timeout=5)
        try:
            for statement in [*role_statements(self.secrets.postgres), *system_statements()]:
                await connection.execute(statement)
            existing = [row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")]
            for left in LEFT_BY_RESTORES.intersection(existing):
                await connection.execute(f"DROP DATABASE {left}")
            for statement in missing_databases(existing):
                await connection.execute(statement)
        finally:
            await connection.close()
        for database in DATABASES:
            await self._apply(database, database_statements(database))

    async def _apply(self, database: str, statements: list[str]) -> None:
        connection = await asyncpg.connect(self.superuser_url(database), timeout=5)
        try:
            async with connection.transaction():
                for statement in statements:
                    await connection.execute(statement)
        finally:
            await connection.close()
