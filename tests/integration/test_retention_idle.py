"""While nothing is due, a sweep reads nothing of all that is kept, however much that is."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

import pytest
import pytest_asyncio

from lethe_common.database import PLANNED_ANEW, Database
from lethe_common.services import Service
from lethe_retention import calendar_queries, hold_queries, pauses, queries
from tests.hand_clock import START
from tests.integration.keepers import Keepers, opened_keepers
from tests.servers import RunningServers

MANY, BATCH = 2000, 500
GENERIC_PLAN_AFTER = 6
"""Executions after which PostgreSQL keeps one plan for all arguments (plancache.c)."""
FEW = 20
YEAR, DAY = timedelta(days=365), timedelta(days=1)
# As many that stay for a year as have gone.
KEPT = """
    INSERT INTO retention.deadlines (item_id, subject_ref, category, started_at, due_at, state, rule, removed_at, closed_at)
    SELECT 'video_' || md5(n::text), 'subj_' || md5(n::text), 'output.video', $1, $2,
           CASE n % 2 WHEN 0 THEN 'open' ELSE 'closed' END,
           CASE n % 2 WHEN 0 THEN NULL ELSE 'expired' END, CASE n % 2 WHEN 0 THEN NULL ELSE $1::timestamptz END,
           CASE n % 2 WHEN 0 THEN NULL ELSE $1::timestamptz END
      FROM generate_series(1, $3) AS n
"""
READ = """
    SELECT coalesce(sum(coalesce(idx_tup_fetch, 0) + seq_tup_read), 0)::int FROM pg_stat_xact_user_tables
     WHERE schemaname = 'retention'
"""
SWEEPS: Mapping[str, tuple[str, tuple[object, ...]]] = {
    "due": (queries.DUE_PAGE, (START, BATCH, [])),
    "due again": (queries.TAKE_DUE_AGAIN, (DAY, BATCH)),
    "notices": (queries.TAKE_NOTICES, (START, START + DAY, BATCH)),
    "overdue": (calendar_queries.OVERDUE, (START, ["output.video"], [DAY], START - DAY, [timedelta(0)])),
    "unsettled": (queries.UNSETTLED, (START,)),
    "behind": (queries.BEHIND, (0, BATCH)),
    "looks": (queries.REMOVED_PAGE, (BATCH,)),
    "closed": (queries.PRUNE_CLOSED, (START - YEAR, BATCH)),
    "fences": (queries.PRUNE_FENCES, (START, BATCH)),
    "ended holds": (hold_queries.TAKE_ENDED, (START, BATCH)),
    "ended pauses": (pauses.PRUNE, (START, BATCH)),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keepers(servers: RunningServers) -> AsyncIterator[Keepers]:
    async with opened_keepers(servers) as opened:
        await opened.outside.execute(KEPT, START, START + YEAR, MANY)
        # As autovacuum does sooner or later; what it knew of the table before may be of other tests.
        await opened.outside.execute("ANALYZE retention.deadlines")
        yield opened
        await opened.database.pool.execute("DELETE FROM deadlines")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("sweep", SWEEPS)
async def test_a_sweep_that_finds_nothing_has_read_nothing(
    keepers: Keepers, servers: RunningServers, sweep: str
) -> None:
    database = await Database.open(servers.dsn("retention"), Service.RETENTION, size=1)
    statement, arguments = SWEEPS[sweep]
    opening = PLANNED_ANEW if statement == queries.TAKE_NOTICES else ""
    read = MANY
    for _ in range(GENERIC_PLAN_AFTER):
        async with database.transaction(opening) as tx:
            before = await tx.fetchval(READ)
            await tx.fetch(statement, *arguments)
            read = await tx.fetchval(READ) - before
    await database.close()

    assert read < FEW
