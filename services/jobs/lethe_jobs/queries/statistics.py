"""Statistics: what was counted of a span, once."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from lethe_common.database import Transaction

BEGIN = """
    INSERT INTO statistics_spans (began_at, ended_at, k, rounding)
    SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT 1 FROM statistics_spans WHERE ended_at > $1)
        ON CONFLICT DO NOTHING
"""
# A person's share counts up to one step of rounding, so whoever is missing moves a number by one step at most.
COUNT = """
    INSERT INTO statistics_groups (began_at, model, width_px, height_px, videos)
    SELECT $1, model, width_px, height_px, (sum(least(shares.videos, $4)) + $4 / 2)::bigint / $4 * $4
      FROM (SELECT model, a.width_px, a.height_px, count(*) AS videos
              FROM assets a JOIN runs r USING (generation_id)
             WHERE a.variant = 'video' AND a.stored_at >= $1 AND a.stored_at < $2
             GROUP BY model, a.width_px, a.height_px, a.subject_ref) shares
     GROUP BY model, width_px, height_px
    HAVING count(*) >= $3
"""
NEWEST = """
    SELECT s.began_at, s.ended_at, s.k, s.rounding, g.model, g.width_px, g.height_px, g.videos
      FROM (SELECT * FROM statistics_spans ORDER BY began_at DESC LIMIT $1) s LEFT JOIN statistics_groups g USING (began_at)
     ORDER BY s.began_at DESC, g.videos DESC, g.model, g.width_px, g.height_px
"""


async def begin(tx: Transaction, began_at: datetime, ended_at: datetime, k: int, rounding: int) -> bool:
    """Whether this span is still to be counted, by this transaction."""
    return (await tx.execute(BEGIN, began_at, ended_at, k, rounding)) == "INSERT 0 1"


async def count(tx: Transaction, began_at: datetime, ended_at: datetime, k: int, rounding: int) -> int:
    """Count the videos that were stored in a span; how many groups were large enough."""
    tag = await tx.execute(COUNT, began_at, ended_at, k, rounding)
    return int(tag.rpartition(" ")[2])


async def newest(tx: Transaction, spans: int) -> Sequence[asyncpg.Record]:
    """A row for each group of the last spans, newest first; one without a group for a span that has none."""
    return await tx.fetch(NEWEST, spans)
