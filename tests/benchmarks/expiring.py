"""How quickly what is over goes: rows of a log in day partitions, and items that are told due in bounded memory."""

import re
from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path

import asyncpg

import lethe_retention.migrations
from lethe_common.clock import monotonic_seconds, wall
from lethe_common.database import Database
from lethe_common.database.migration import Schema, migrate, turn_partitions
from lethe_common.identifiers import SubjectRef
from lethe_common.policy import load_profile
from lethe_common.services import Service
from lethe_common.telemetry import Metrics
from lethe_retention.due_items import DueItems
from lethe_retention.gauges import Gauges
from lethe_retention.models import Table
from lethe_retention.sweeps import Sweeps
from tests.servers import RunningServers
from tests.tree import ROOT

_DAYS, _FIRST_DAY = 10, 20
"""The log's days, all of them over: as many days ago as it takes."""
_INBOX_DAYS, _OUTBOX_DAYS = 7, 3
_DELETE_BATCH = 5000
_DUE_BATCH = 500

# As `turn_partitions` makes them, for days that it would not make any more.
_PARTITION = """
    CREATE TABLE IF NOT EXISTS inbox_{name} PARTITION OF inbox
       FOR VALUES FROM (first_uuid('{day}')) TO (first_uuid('{day}'::date + 1))
"""
_FILL = """
    INSERT INTO inbox (event_id, consumer)
    SELECT (left(first_uuid($1::date)::text, 14) || '7' || substr(md5(n::text), 2, 3) || '-8'
            || substr(md5(n::text), 6, 3) || '-' || substr(md5(n::text), 9, 12))::uuid, 'bench'
      FROM generate_series(1, $2) n
"""
_DELETE = """
    DELETE FROM inbox WHERE (event_id, consumer) IN (
        SELECT event_id, consumer FROM inbox WHERE event_id < first_uuid($1::date) LIMIT $2)
"""
_ITEMS = """
    INSERT INTO deadlines (item_id, subject_ref, category, started_at, due_at)
    SELECT 'video_' || md5('item' || n), 'subj_' || md5((n % 10000)::text), 'output.video',
           $2::timestamptz - interval '8 days', $2::timestamptz - interval '1 day'
      FROM generate_series(1, $1) n
"""


async def prepare(servers: RunningServers) -> None:
    """Retention's schema."""
    revisions = Path(lethe_retention.migrations.__path__[0])
    await migrate(servers.dsn("retention_owner"), Schema("retention", "retention", revisions, Table.metadata))


async def dropped(servers: RunningServers, rows: int) -> float:
    """Rows a second when the days that are over are dropped whole, as every service does each hour."""
    await _fill_log(servers, rows)
    database = await Database.open(servers.dsn("retention"), Service.RETENTION)
    try:
        began = monotonic_seconds()
        await turn_partitions(database.pool, _OUTBOX_DAYS, _INBOX_DAYS)
        took = monotonic_seconds() - began
        assert await database.pool.fetchval("SELECT count(*) FROM inbox") == 0
    finally:
        await database.close()
    return rows / took


async def deleted(servers: RunningServers, rows: int) -> float:
    """Rows a second when the same rows are deleted in batches of 5000, a transaction each."""
    await _fill_log(servers, rows)
    connection = await _owner(servers)
    try:
        over = wall().date() - timedelta(days=_INBOX_DAYS)
        began = monotonic_seconds()
        while await connection.execute(_DELETE, over, _DELETE_BATCH) != "DELETE 0":
            pass
        took = monotonic_seconds() - began
        assert await connection.fetchval("SELECT count(*) FROM inbox") == 0
    finally:
        await connection.close()
    return rows / took


async def told(servers: RunningServers, items: int) -> tuple[float, float]:
    """Items a second that are told due, and by how many MiB the process grew at most meanwhile."""
    database = await Database.open(servers.dsn("retention"), Service.RETENTION)
    profile = load_profile(ROOT / "deploy/profiles/aisora2")
    gauges = Gauges(Metrics())
    due_items = DueItems(database, _nobody_changed, gauges, batch=_DUE_BATCH)
    sweeps = Sweeps(
        database, profile.book, due_items, gauges, batch=_DUE_BATCH, due_again=timedelta(hours=1),
        closed_period=timedelta(days=8), fence_period=timedelta(days=14), settle_seconds=1, settle_poll_seconds=0.1,
    )  # fmt: skip
    now = wall()
    try:
        await database.pool.execute(_ITEMS, items, now, timeout=600)
        before = forget_peak()
        began = monotonic_seconds()
        await sweeps.tell_due(now)
        took, peak = monotonic_seconds() - began, memory_mib("VmHWM")
        assert await database.pool.fetchval("SELECT count(*) FROM deadlines WHERE state = 'due'") == items
    finally:
        await database.close()
    return items / took, peak - before


async def _nobody_changed(subject_refs: Collection[SubjectRef]) -> Mapping[str, int]:
    """Billing's part is a look by primary key; here it knows nobody."""
    return {}


async def _fill_log(servers: RunningServers, rows: int) -> None:
    connection = await _owner(servers)
    try:
        for number in range(_DAYS):
            day = wall().date() - timedelta(days=_FIRST_DAY - number)
            await connection.execute(_PARTITION.format(name=f"{day:%Y%m%d}", day=day))
            await connection.execute(_FILL, day, rows // _DAYS)
        await connection.execute("ANALYZE inbox")
    finally:
        await connection.close()


async def _owner(servers: RunningServers) -> asyncpg.Connection:
    return await asyncpg.connect(servers.dsn("retention_owner"), server_settings={"search_path": "retention"})


def forget_peak() -> float:
    """Start measuring the process's peak anew; what it takes now, in MiB."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory_mib("VmRSS")


def memory_mib(name: str, pid: str = "self") -> float:
    """A line of what the kernel says of a process's memory; 0 where it has none, as one that has just ended.

    Raises:
        OSError: it is gone.
    """
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return 0.0 if found is None else int(found[1]) / 1024
