"""The SQL of the calendar, named: what goes when, and what should have gone."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import asyncpg

from lethe_common.database import Transaction
from lethe_retention.overdue import AGES, Overdue
from lethe_retention.queries import HELD

SUMMARY = f"""
    SELECT count(*) FILTER (WHERE state = 'open') AS open,
           count(*) FILTER (WHERE state = 'due') AS due,
           count(*) FILTER (WHERE state = 'removed') AS removed,
           count(*) FILTER (WHERE due_at <= $1 AND NOT is_held) AS overdue,
           count(*) FILTER (WHERE is_held) AS held,
           min(due_at) FILTER (WHERE state = 'open') AS next_due_at
      FROM (SELECT state, due_at, state <> 'removed' AND {HELD} AS is_held FROM deadlines d
             WHERE state IN ('open', 'due', 'removed')) kept
"""  # noqa: S608  our own condition

# Two ranges of two partial indexes, deadlines_open and deadlines_late; what is not late by any grace is not read.
_LATE = f"""
    SELECT item_id, category, due_at, state, $1::timestamptz - due_at - coalesce(grace, '0') AS late
      FROM (SELECT * FROM deadlines WHERE state = 'open' AND due_at <= $4
             UNION ALL
            SELECT * FROM deadlines WHERE state IN ('due', 'removed') AND due_at <= $4) d
      LEFT JOIN unnest($2::text[], $3::interval[]) AS graces(category, grace) USING (category)
     WHERE due_at + coalesce(grace, '0') <= $1 AND NOT (state <> 'removed' AND {HELD})
"""  # noqa: S608  our own condition
OVERDUE = f"""
    SELECT category, width_bucket(late, $5::interval[]) AS age, count(*)
      FROM ({_LATE} LIMIT 100000) counted GROUP BY category, age
"""  # noqa: S608  as above
OVERDUE_PAGE = f"SELECT * FROM ({_LATE}) listed ORDER BY late DESC LIMIT $5"  # noqa: S608  as above

FORECAST = f"""
    SELECT (due_at AT TIME ZONE 'UTC')::date AS day, category, count(*), sum(stored_bytes)::bigint AS stored_bytes
      FROM deadlines d
     WHERE state = 'open' AND due_at > $1 AND due_at <= $2 AND NOT {HELD}
     GROUP BY day, category ORDER BY day, category LIMIT 10000
"""  # noqa: S608  our own condition; index deadlines_open

PAGE = f"""
    SELECT item_id, subject_ref, category, started_at, due_at, state, stored_bytes,
           state <> 'removed' AND {HELD} AS is_held
      FROM deadlines d
     WHERE subject_ref = $1 AND item_id > $2 AND state IN ('open', 'due', 'removed') AND category <> 'export.archive'
     ORDER BY item_id LIMIT $3
"""  # noqa: S608  our own condition; index deadlines_subject; ids are in the order of creation


async def overdue(tx: Transaction, graces: Mapping[str, timedelta], now: datetime) -> Overdue:
    """How many items are overdue, by category and age; counted to a hundred thousand."""
    limits = [timedelta(0), *(limit for _, limit in AGES if limit is not None)]
    rows = await tx.fetch(OVERDUE, *_late(graces, now), limits)
    return {(row["category"], AGES[row["age"] - 1][0]): row["count"] for row in rows}


async def overdue_page(
    tx: Transaction, graces: Mapping[str, timedelta], now: datetime, limit: int
) -> list[asyncpg.Record]:
    """The longest overdue items."""
    return await tx.fetch(OVERDUE_PAGE, *_late(graces, now), limit)


def _late(graces: Mapping[str, timedelta], now: datetime) -> tuple[object, ...]:
    return now, list(graces), list(graces.values()), now - min(graces.values(), default=timedelta(0))
