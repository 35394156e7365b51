"""The SQL of orphans, named. Ages are the database's time: they are about work in flight, not about policy."""

from collections.abc import Sequence
from datetime import timedelta

import asyncpg

from lethe_common.database import Transaction
from lethe_retention.orphans import Found, Kind

NOTE = """
    INSERT INTO orphans (kind, place, name)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
        ON CONFLICT (kind, place, name) DO UPDATE SET last_seen_at = now()
"""
NOW = "SELECT now()"
FORGET_UNSEEN = """
    DELETE FROM orphans
     WHERE (kind, place, name) IN (SELECT kind, place, name FROM orphans
                                    WHERE kind = $1 AND place = $2 AND last_seen_at < $3 LIMIT $4)
"""  # index orphans_seen
FORGET = "DELETE FROM orphans WHERE kind = $1 AND place = $2 AND name = ANY($3::text[])"

# Old enough, and seen again when it was.
_BELIEVED = "last_seen_at - first_seen_at >= $1::interval"
COUNTS = f"SELECT kind, place, count(*) FROM orphans WHERE {_BELIEVED} GROUP BY kind, place ORDER BY kind, place"  # noqa: S608  our own condition
PAGE = f"""
    SELECT kind, place, name, first_seen_at, asked_at FROM orphans WHERE {_BELIEVED} ORDER BY first_seen_at LIMIT $2
"""  # noqa: S608  our own condition; index orphans_age
TAKE = f"""
    UPDATE orphans SET asked_at = now()
     WHERE (kind, place, name) IN (
        SELECT kind, place, name FROM orphans
         WHERE {_BELIEVED} AND kind = 'object_without_row' AND place = $2 AND asked_at IS NULL
         ORDER BY first_seen_at LIMIT $3)
    RETURNING name
"""  # noqa: S608  our own condition; index orphans_age
ASK_ANEW = "UPDATE orphans SET asked_at = NULL WHERE place = $1 AND asked_at IS NOT NULL"

UNSCHEDULED = """
    SELECT name FROM unnest($1::text[]) AS asked(name)
     WHERE NOT EXISTS (SELECT 1 FROM deadlines WHERE item_id = name)
"""
OPEN_ITEMS = "SELECT item_id FROM deadlines WHERE state = 'open' AND item_id > $1 ORDER BY item_id LIMIT $2"


async def note(tx: Transaction, found: Sequence[Found]) -> None:
    """Note that these are seen, for the first time or again."""
    in_order = sorted(found, key=lambda one: (one.kind, one.place, one.name))
    await tx.execute(
        NOTE, [one.kind for one in in_order], [one.place for one in in_order], [one.name for one in in_order]
    )


async def counts(tx: Transaction, age: timedelta) -> dict[tuple[Kind, str], int]:
    """How many there are of an age, by kind and place."""
    return {(Kind(row["kind"]), row["place"]): row["count"] for row in await tx.fetch(COUNTS, age)}


async def page(tx: Transaction, age: timedelta, limit: int) -> list[asyncpg.Record]:
    """The oldest of an age."""
    return await tx.fetch(PAGE, age, limit)
