"""Migrations at start: Alembic revisions named `pre_*` run under an advisory lock, then grants are set.

`post_*` revisions remove what an older version still needs; they run only by
`lethe migrate --post`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import structlog
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, MetaData, Table, text
from sqlalchemy.ext.asyncio import create_async_engine

from lethe_common.database import frame_tables

log = structlog.get_logger()

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('migrate:' || :schema, 0))"
_ONE_TURNS = "SELECT pg_advisory_xact_lock(hashtextextended('partitions:' || current_schema(), 0))"


@dataclass(frozen=True, slots=True)
class Schema:
    """One schema to bring up to date: its name, its working role, its revisions, its declared tables."""

    name: str
    role: str
    revisions: Path
    tables: MetaData
    has_frame_tables: bool = True


async def migrate(owner_url: str, schema: Schema, *, include_post: bool = False) -> None:
    """Apply what is pending with the owner role and set the working role's grants."""
    url = owner_url.replace("postgresql://", "postgresql+asyncpg://", 1)
    engine = create_async_engine(
        url, connect_args={"server_settings": {"search_path": schema.name, "lock_timeout": "5s"}}
    )
    try:
        async with engine.begin() as connection:
            await connection.execute(text(_LOCK), {"schema": schema.name})
            if schema.has_frame_tables:
                await _script(connection, frame_tables.CREATE.format(schema=schema.name))
            await connection.run_sync(lambda sync: _upgrade(sync, schema, include_post=include_post))
            await _script(connection, "\n".join(grants(schema)))
    finally:
        await engine.dispose()


def grants(schema: Schema) -> list[str]:
    """What the working role may do: everything but DDL, and no UPDATE or DELETE on what is append only."""
    statements = []
    for table in schema.tables.sorted_tables:
        rights = "SELECT, INSERT" if is_append_only(table) else "SELECT, INSERT, UPDATE, DELETE"
        statements.append(f"REVOKE ALL ON {schema.name}.{table.name} FROM {schema.role};")
        statements.append(f"GRANT {rights} ON {schema.name}.{table.name} TO {schema.role};")
    if schema.has_frame_tables:
        statements.append(frame_tables.GRANT.format(schema=schema.name, role=schema.role))
    return statements


def is_append_only(table: Table) -> bool:
    """Whether rows of a table are never changed or removed by the service."""
    return bool(table.info.get("append_only"))


def _upgrade(connection: Connection, schema: Schema, *, include_post: bool) -> None:
    scripts = ScriptDirectory(str(schema.revisions), version_locations=[str(schema.revisions)])
    target = _target(scripts, include_post=include_post)
    if target is None:
        return

    def steps(revision: Any, _context: Any) -> Any:
        return scripts._upgrade_revs(target.revision, revision)  # noqa: SLF001  Alembic's own env.py calls it so

    with EnvironmentContext(Config(), scripts, fn=steps) as environment:
        environment.configure(connection=connection, version_table_schema=schema.name)
        environment.run_migrations()


def _target(scripts: ScriptDirectory, *, include_post: bool) -> Script | None:
    """The newest revision to apply: all of them, or those before the first `post_`."""
    target: Script | None = None
    for revision in reversed(list(scripts.walk_revisions())):
        if Path(revision.path).name.startswith("post_") and not include_post:
            log.info("post_migration_waits", revision=revision.revision)
            break
        target = revision
    return target


async def _script(connection: Any, sql: str) -> None:
    raw = await connection.get_raw_connection()
    await raw.driver_connection.execute(sql)


async def turn_partitions(pool: asyncpg.Pool, outbox_days: int, inbox_days: int) -> None:
    """Make the coming days' partitions and drop the days that are over."""
    async with pool.acquire() as connection, connection.transaction():
        # Replicas start at the same time, and only one of them can make a day's table.
        await connection.execute(_ONE_TURNS)
        await connection.fetchval(frame_tables.TURN, "outbox", outbox_days)
        await connection.fetchval(frame_tables.TURN, "inbox", inbox_days)
