"""Erasures: what there is of a subject, and its end."""

from dataclasses import dataclass
from datetime import timedelta

from lethe_common.database import Transaction
from lethe_common.identifiers import ErasureId, SubjectRef

REQUEST = """
    INSERT INTO erasures (erasure_id, subject_ref) VALUES ($1, $2)
        ON CONFLICT (erasure_id) DO UPDATE SET reported_at = NULL, next_attempt_at = now()
"""

TAKE = """
    WITH chosen AS (
        SELECT e.erasure_id FROM erasures e
         WHERE e.reported_at IS NULL AND e.next_attempt_at <= now()
           AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.subject_ref = e.subject_ref
                              AND r.state NOT IN ('completed', 'failed', 'cancelled'))
         ORDER BY e.next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    UPDATE erasures e
       SET next_attempt_at = now() + $2::interval
      FROM chosen c
     WHERE e.erasure_id = c.erasure_id
    RETURNING e.erasure_id, e.subject_ref, e.failures_count,
              (SELECT s.object_random FROM subjects s WHERE s.subject_ref = e.subject_ref)
"""

_RECORDS = """(SELECT count(*) FROM runs WHERE subject_ref = $1)
           + (SELECT count(*) FROM attempts a JOIN runs r USING (generation_id) WHERE r.subject_ref = $1)
           + (SELECT count(*) FROM removals WHERE subject_ref = $1)
           + (SELECT count(*) FROM early_cancels WHERE subject_ref = $1)"""
_ASSETS = "(SELECT count(*) FROM assets WHERE subject_ref = $1)"
COUNT = f"SELECT {_RECORDS}, {_ASSETS}"

# The first count stays: a crash and a second try must not report fewer than there were.
NOTE_BEFORE = f"""
    UPDATE erasures
       SET runs_before = coalesce(runs_before, {_RECORDS}), assets_before = coalesce(assets_before, {_ASSETS}),
           versions_before = coalesce(versions_before, $3)
     WHERE erasure_id = $2
    RETURNING runs_before, assets_before, versions_before
"""  # noqa: S608  constants of this module

REMOVE = """
    WITH mine AS (SELECT generation_id FROM runs WHERE subject_ref = $1),
    attempts_gone AS (DELETE FROM attempts USING mine WHERE attempts.generation_id = mine.generation_id),
    assets_gone AS (DELETE FROM assets WHERE subject_ref = $1),
    removals_gone AS (DELETE FROM removals WHERE subject_ref = $1),
    cancels_gone AS (DELETE FROM early_cancels WHERE subject_ref = $1)
    DELETE FROM runs WHERE subject_ref = $1
"""

REPORTED = "UPDATE erasures SET reported_at = now() WHERE erasure_id = $1 AND reported_at IS NULL"

DEFER = """
    UPDATE erasures SET failures_count = failures_count + 1, next_attempt_at = now() + $2::interval
     WHERE erasure_id = $1 AND reported_at IS NULL
"""

FORGET = "DELETE FROM erasures WHERE subject_ref = $1"


@dataclass(frozen=True, slots=True)
class DueErasure:
    """A subject to remove now. `object_random` is None when jobs never knew it."""

    erasure_id: ErasureId
    subject_ref: SubjectRef
    failures_count: int
    object_random: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """How much there is of a subject. `records` are runs, attempts and tombstones."""

    records: int
    assets: int
    object_versions: int


async def request(tx: Transaction, erasure_id: str, ref: str) -> None:
    """Note that a subject has to go; asked again, it is done and reported again."""
    await tx.execute(REQUEST, erasure_id, ref)


async def take(tx: Transaction, limit: int, lease: timedelta) -> list[DueErasure]:
    """Erasures to work on now: those whose subject has no run under way."""
    rows = await tx.fetch(TAKE, limit, lease)
    return [DueErasure(ErasureId.trusted(row[0]), SubjectRef.trusted(row[1]), row[2], row[3]) for row in rows]


async def count(tx: Transaction, ref: str) -> tuple[int, int]:
    """Records and assets of a subject."""
    records, assets = await tx.fetchone(COUNT, ref)
    return records, assets


async def note_before(tx: Transaction, due: DueErasure, object_versions: int) -> Found:
    """Count the rows, keep the first count with that of the objects, and return it."""
    row = await tx.fetchrow(NOTE_BEFORE, due.subject_ref, due.erasure_id, object_versions)
    return Found(0, 0, object_versions) if row is None else Found(row[0], row[1], row[2])


async def remove(tx: Transaction, ref: str) -> None:
    """Delete all rows of a subject but the fence itself."""
    await tx.execute(REMOVE, ref)


async def report(tx: Transaction, erasure_id: str) -> bool:
    """Mark as reported. False when somebody else did."""
    return bool(await tx.execute(REPORTED, erasure_id) == "UPDATE 1")


async def defer(tx: Transaction, erasure_id: str, delay: timedelta) -> None:
    """Try again later."""
    await tx.execute(DEFER, erasure_id, delay)


async def forget(tx: Transaction, ref: str) -> None:
    """Drop the erasure's own rows: privacy keeps the record."""
    await tx.execute(FORGET, ref)
