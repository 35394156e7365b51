"""The SQL of simulations, named."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import asyncpg

from lethe_common.database import Transaction
from lethe_retention import queries
from lethe_retention.simulation import Group

OPENING = "SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = '220s'"
_PREFETCH = 500

# An item's place in time is the stretch its start falls into; an owner's story is, for each plan, whether it was held
# at the start, and by which versions it was heard of. With one plan neither matters. One pass, one snapshot.
GROUPS = f"""
    WITH histories AS MATERIALIZED (
        SELECT subject_ref, array_agg(plan ORDER BY since) AS plans, array_agg(since ORDER BY since) AS sinces
          FROM plans_held GROUP BY subject_ref
    ), groups AS (
        SELECT category, is_held, min(item_id) AS item_id, count(*) AS count,
               min(started_at) AS oldest_at, max(started_at) AS newest_at
          FROM (SELECT d.category, d.item_id, d.started_at, {queries.HELD} AS is_held, plans,
                       width_bucket(d.started_at, $1::timestamptz[]) AS stretch,
                       width_bucket(d.due_at, $3::timestamptz[]) AS due,
                       CASE WHEN cardinality(sinces) > 1 THEN ARRAY(
                           SELECT width_bucket(since, $2::timestamptz[]) * 2 + (since <= d.started_at)::integer
                             FROM unnest(sinces) since ORDER BY since) END AS story
                  FROM deadlines d LEFT JOIN histories USING (subject_ref)
                 WHERE d.state = 'open') placed
         GROUP BY category, is_held, plans, stretch, due, story
    )
    SELECT d.item_id, d.subject_ref, d.category, d.started_at, d.due_at, plans, sinces,
           is_held, count, oldest_at, newest_at
      FROM groups JOIN deadlines d USING (item_id) LEFT JOIN histories USING (subject_ref)
"""  # noqa: S608  our own condition


async def groups(
    tx: Transaction, starts: Sequence[datetime], instants: Sequence[datetime], ends: Sequence[datetime]
) -> AsyncIterator[Group]:
    """Open deadlines that fare alike, a few hundred groups in memory at once.

    `starts`, `instants` and `ends` are in order, and as `Simulation` has them.
    """
    async for row in tx.connection.cursor(GROUPS, starts, instants, ends, prefetch=_PREFETCH):
        yield _group(row)


def _group(row: asyncpg.Record) -> Group:
    plans = zip(row["plans"] or (), row["sinces"] or (), strict=True)
    return Group(queries.deadline(row), tuple(plans), row["is_held"], row["count"], row["oldest_at"], row["newest_at"])
