"""PostgreSQL alone, on a data folder whose suite stands still: for whoever puts one database in the place of another."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg

from lethe_cli.errors import BackupRefused
from lethe_cli.local import dumps, ports, secrets
from lethe_cli.local.children import Nursery, forbid_core_dumps
from lethe_cli.local.folder import DataFolder
from lethe_cli.local.logbook import Logbook
from lethe_cli.local.postgres import BEFORE, RESTORED, Postgres
from lethe_cli.local.supervisor import Supervisor
from lethe_common.clock import wall


@contextlib.asynccontextmanager
async def postgres_alone(data: DataFolder, otherwise: str) -> AsyncIterator[Postgres]:
    """The server without anything that uses it. The caller holds the folder's lock.

    Raises:
        BackupRefused: there are no databases on this folder; says what `otherwise` says.
    """
    data.prepare()
    postgres = Postgres.prepare(data, secrets.load_or_make(data), ports.free_ports(1)[0])
    if not postgres.files.data.exists():
        raise BackupRefused(otherwise)
    forbid_core_dumps()
    with contextlib.closing(Logbook(data.logs, wall, is_verbose=False)) as log:
        supervisor = Supervisor(Nursery(), log, lambda: None)
        try:
            await supervisor.start([postgres.program()])
            yield postgres
        finally:
            await supervisor.stop()


@contextlib.asynccontextmanager
async def connected(postgres: Postgres, database: str = "postgres") -> AsyncIterator[asyncpg.Connection]:
    """A connection of the superuser's."""
    connection = await asyncpg.connect(postgres.superuser_url(database), timeout=10)
    try:
        yield connection
    finally:
        await connection.close(timeout=10)


async def fill(postgres: Postgres, dump: Path) -> None:
    """Restore a dump into a database beside the present ones."""
    async with connected(postgres) as connection:
        await connection.execute(f"CREATE DATABASE {RESTORED}")
    await dumps.restore(postgres.port, postgres.secrets.postgres_superuser, RESTORED, dump)


async def drop_filled(postgres: Postgres) -> None:
    """Take back what was filled."""
    async with connected(postgres) as connection:
        await connection.execute(f"DROP DATABASE {RESTORED}")


async def change_places(postgres: Postgres, database: str) -> None:
    """Put what was filled in the place of a database, which is gone then."""
    async with connected(postgres) as connection:
        # Both or neither: after a kill in between the next start would begin with no data at all.
        async with connection.transaction():
            await connection.execute(f"ALTER DATABASE {database} RENAME TO {BEFORE}")
            await connection.execute(f"ALTER DATABASE {RESTORED} RENAME TO {database}")
        await connection.execute(f"DROP DATABASE {BEFORE}")
