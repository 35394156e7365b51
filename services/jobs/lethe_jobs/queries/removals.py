"""Removals: what has to go, what went, and cancellations that came too early."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from lethe_common.database import Transaction
from lethe_common.events.jobs import RemovalRule
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.storage import ObjectVersion

REQUEST = """
    INSERT INTO removals (generation_id, subject_ref, rule, place)
    SELECT r.generation_id, r.subject_ref, $3, coalesce(runs.object_prefix, '')
      FROM unnest($1::text[], $2::text[]) AS r(generation_id, subject_ref)
      LEFT JOIN runs ON runs.generation_id = r.generation_id
     ORDER BY r.generation_id
        ON CONFLICT (generation_id) DO NOTHING
"""

REMOVED = "SELECT generation_id FROM removals WHERE generation_id = ANY($1::text[]) AND removed_at IS NOT NULL"

# A run that is still somebody's waits for its worker, or for its lease to run out: else a late object stays behind.
# `next_attempt_at` is also the lease of who removes: removing twice is harmless, telling twice impossible.
# In the order of the store's keys: what lies together goes in one walk of it. Keys are random, so nobody waits longer.
# Here and in FINISH arrays lead from one step to the next, not joins: the table is empty most of the time, and a plan
# made then for a join, or for the index of open ones, reads all of it for each batch once it is full.
# For a table that it thinks is empty PostgreSQL would rather read and sort all there is.
IN_ORDER = "SET LOCAL enable_sort = off"
TAKE = """
    WITH chosen AS (
        SELECT m.generation_id FROM removals m
         WHERE m.removed_at IS NULL AND m.next_attempt_at <= now() AND m.place COLLATE "C" >= $3
           AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.generation_id = m.generation_id
                              AND r.state NOT IN ('completed', 'failed', 'cancelled'))
         ORDER BY m.place COLLATE "C" LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    UPDATE removals m
       SET next_attempt_at = now() + $2::interval
     WHERE m.generation_id = ANY(ARRAY(SELECT generation_id FROM chosen))
    RETURNING m.generation_id, m.subject_ref, m.rule,
              (SELECT r.object_prefix FROM runs r WHERE r.generation_id = m.generation_id), m.failures_count
"""  # partial index removals_place, primary keys

NOTED = """
    SELECT generation_id, object_key, object_version
      FROM assets WHERE generation_id = ANY($1::text[]) AND object_key IS NOT NULL
"""  # the primary key

COUNT_OBJECTS = """
    UPDATE removals m SET object_versions = m.object_versions + c.count
      FROM unnest($1::text[], $2::int[]) AS c(generation_id, count)
     WHERE m.generation_id = ANY($1::text[]) AND m.generation_id = c.generation_id
"""  # the primary key

DEFER = """
    UPDATE removals m SET failures_count = m.failures_count + 1, next_attempt_at = now() + d.delay
      FROM unnest($1::text[], $2::interval[]) AS d(generation_id, delay)
     WHERE m.generation_id = ANY($1::text[]) AND m.generation_id = d.generation_id AND m.removed_at IS NULL
"""  # the primary key

FINISH = """
    WITH held AS (
        SELECT generation_id, removed_at FROM removals
         WHERE generation_id = ANY($1::text[]) ORDER BY generation_id FOR UPDATE
    ), open AS (
        UPDATE removals SET removed_at = now()
         WHERE generation_id = ANY(ARRAY(SELECT generation_id FROM held WHERE removed_at IS NULL))
        RETURNING generation_id, object_versions
    ), assets_gone AS (
        DELETE FROM assets WHERE generation_id = ANY(ARRAY(SELECT generation_id FROM open))
        RETURNING generation_id, (object_key IS NOT NULL)::int AS objects
    ), attempts_gone AS (
        DELETE FROM attempts WHERE generation_id = ANY(ARRAY(SELECT generation_id FROM open)) RETURNING generation_id
    ), runs_gone AS (
        DELETE FROM runs WHERE generation_id = ANY(ARRAY(SELECT generation_id FROM open)) RETURNING generation_id
    )
    SELECT generation_id, sum(rows)::int, sum(objects)::int
      FROM (SELECT generation_id, 0, object_versions FROM open
             UNION ALL SELECT generation_id, 1, objects FROM assets_gone
             UNION ALL SELECT generation_id, 1, 0 FROM attempts_gone
             UNION ALL SELECT generation_id, 1, 0 FROM runs_gone) AS gone(generation_id, rows, objects)
     GROUP BY generation_id
"""  # primary keys

HOLD_BACK = """
    UPDATE removals SET next_attempt_at = now() + $2::interval
     WHERE generation_id = ANY($1::text[]) AND removed_at IS NULL
"""

HOLD_BACK_SCOPE = """
    UPDATE removals SET next_attempt_at = now() + $3::interval
     WHERE subject_ref = $1 AND ($2::text IS NULL OR generation_id = $2) AND removed_at IS NULL
"""  # index removals_subject

PRUNE_REMOVALS = """
    DELETE FROM removals WHERE generation_id IN (
        SELECT generation_id FROM removals WHERE removed_at < now() - $1::interval LIMIT $2)
"""

PRUNE_CANCELS = """
    DELETE FROM early_cancels WHERE generation_id IN (
        SELECT generation_id FROM early_cancels WHERE asked_at < now() - $1::interval LIMIT $2)
"""

CANCEL_EARLY = """
    INSERT INTO early_cancels (generation_id, subject_ref)
    SELECT $1, $2
     WHERE NOT EXISTS (SELECT 1 FROM removals WHERE generation_id = $1)
       AND NOT EXISTS (SELECT 1 FROM fences WHERE mark = sha256(convert_to($2, 'UTF8')))
        ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Due:
    """One generation to remove now."""

    generation_id: GenerationId
    subject_ref: SubjectRef
    rule: RemovalRule
    object_prefix: str | None
    failures_count: int
    objects: tuple[ObjectVersion, ...] = ()
    """Those that rows lead to; there may be others under the prefix."""


@dataclass(frozen=True, slots=True)
class Gone:
    """What a removal found and removed."""

    rows: int
    object_versions: int


async def request(tx: Transaction, items: Mapping[GenerationId, SubjectRef], rule: RemovalRule) -> set[str]:
    """Note that these generations have to go. Returns those that are gone already."""
    await tx.execute(REQUEST, list(items), list(items.values()), rule)
    return {row[0] for row in await tx.fetch(REMOVED, list(items))}


async def take(tx: Transaction, limit: int, lease: timedelta, place: str = "") -> list[Due]:
    """Removals to work on now, from this place in the store on."""
    rows = await tx.fetch(TAKE, limit, lease, place)
    objects: dict[str, list[ObjectVersion]] = defaultdict(list)
    for row in await tx.fetch(NOTED, [row[0] for row in rows]) if rows else ():
        objects[row[0]].append(ObjectVersion(row[1], row[2]))
    return [
        Due(
            GenerationId.trusted(row[0]), SubjectRef.trusted(row[1]), RemovalRule(row[2]), row[3], row[4],
            tuple(objects[row[0]]),
        )
        for row in rows
    ]  # fmt: skip


async def count_objects(tx: Transaction, versions: Mapping[GenerationId, int]) -> None:
    """Keep the counts of versions that went and no row leads to: a crash before the report must not lose them."""
    if versions:
        await tx.execute(COUNT_OBJECTS, list(versions), list(versions.values()))


async def defer(tx: Transaction, delays: Sequence[tuple[str, timedelta]]) -> None:
    """Try these again later."""
    await tx.execute(DEFER, [one for one, _ in delays], [delay for _, delay in delays])


async def hold_back(tx: Transaction, generation_ids: Collection[str], wait: timedelta) -> None:
    """These are kept by a legal hold: ask again after a while. It is no failure."""
    await tx.execute(HOLD_BACK, list(generation_ids), wait)


async def hold_back_scope(tx: Transaction, ref: str, generation_id: str | None, wait: timedelta) -> None:
    """The same for one generation of a subject, or all of them; no wait wakes them."""
    await tx.execute(HOLD_BACK_SCOPE, ref, generation_id, wait)


async def finish(tx: Transaction, generation_ids: Sequence[str]) -> dict[GenerationId, Gone]:
    """Delete the rows; the removals stay as tombstones. Those finished before are missing from the answer."""
    rows = await tx.fetch(FINISH, generation_ids)
    return {GenerationId.trusted(row[0]): Gone(row[1], row[2]) for row in rows}


async def prune(tx: Transaction, age: timedelta, limit: int) -> None:
    """Drop tombstones that no event on the bus can be older than."""
    await tx.execute(PRUNE_REMOVALS, age, limit)
    await tx.execute(PRUNE_CANCELS, age, limit)


async def cancel_early(tx: Transaction, generation_id: str, ref: str) -> None:
    """Remember a cancellation whose request is still on its way; of who was erased nothing is remembered."""
    await tx.execute(CANCEL_EARLY, generation_id, ref)
