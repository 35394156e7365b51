"""Subjects: known, locked, and given free slots."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lethe_common.database import Transaction
from lethe_jobs.admissions import Occupancy

# Locking is what makes slots, fences and admissions safe against each other.
LOCK = """
    SELECT subject_ref, plan, object_random, fenced_at IS NOT NULL AS is_fenced
      FROM subjects
     WHERE subject_ref = ANY($1::text[])
     ORDER BY subject_ref
       FOR NO KEY UPDATE
"""

# Who was erased is not introduced again by a message that was slow.
INTRODUCE = """
    INSERT INTO subjects (subject_ref, object_random, plan)
    SELECT s.subject_ref, s.object_random, $3 FROM unnest($1::text[], $2::text[]) AS s(subject_ref, object_random)
     WHERE NOT EXISTS (SELECT 1 FROM fences f WHERE f.mark = sha256(convert_to(s.subject_ref, 'UTF8')))
     ORDER BY s.subject_ref
        ON CONFLICT DO NOTHING
"""

# In one look: taken slots of subjects, which of some generations were cancelled or removed before they came, and
# which providers have runs that wait for a worker.
OCCUPANCY = """
    SELECT s.subject_ref,
           array(SELECT r.slot FROM runs r WHERE r.subject_ref = s.subject_ref AND r.slot IS NOT NULL) AS slots,
           EXISTS (SELECT 1 FROM runs r
                    WHERE r.subject_ref = s.subject_ref AND r.state = 'queued' AND r.slot IS NULL) AS has_waiting,
           NULL AS generation_id, NULL AS provider
      FROM unnest($1::text[]) AS s(subject_ref)
     UNION ALL
    SELECT NULL, NULL, NULL, generation_id, NULL FROM removals WHERE generation_id = ANY($2::text[])
     UNION ALL
    SELECT NULL, NULL, NULL, generation_id, NULL FROM early_cancels WHERE generation_id = ANY($2::text[])
     UNION ALL
    SELECT NULL, NULL, NULL, NULL, p.provider FROM unnest($3::text[]) AS p(provider)
     WHERE EXISTS (SELECT 1 FROM runs r WHERE r.provider = p.provider AND r.state = 'queued' AND r.slot IS NOT NULL
                      AND r.next_attempt_at <= now())
"""  # partial indexes runs_slot, runs_waiting and runs_claimable, primary keys

# Correlated look-ups on purpose: with a queue's ever stale statistics a join may read all of it.
ADMIT = """
    WITH waiting AS MATERIALIZED (
        SELECT l.subject_ref, l.at_once, w.generation_id,
               row_number() OVER (PARTITION BY l.subject_ref ORDER BY w.queued_at, w.generation_id) AS place
          FROM unnest($1::text[], $2::int[]) AS l(subject_ref, at_once)
         CROSS JOIN LATERAL (
               SELECT r.generation_id, r.queued_at FROM runs r
                WHERE r.subject_ref = l.subject_ref AND r.state = 'queued' AND r.slot IS NULL
                ORDER BY r.queued_at, r.generation_id LIMIT l.at_once) w
    ), crowded AS MATERIALIZED (
        SELECT DISTINCT subject_ref, at_once FROM waiting
    ), taken AS MATERIALIZED (
        SELECT c.subject_ref, c.at_once,
               array(SELECT r.slot FROM runs r WHERE r.subject_ref = c.subject_ref AND r.slot IS NOT NULL) AS slots
          FROM crowded c
    ), free AS (
        SELECT t.subject_ref, n.slot, row_number() OVER (PARTITION BY t.subject_ref ORDER BY n.slot) AS place
          FROM taken t CROSS JOIN LATERAL generate_series(0, t.at_once - 1) AS n(slot)
         WHERE n.slot <> ALL (t.slots)
    )
    UPDATE runs r
       SET slot = f.slot
      FROM waiting w JOIN free f USING (subject_ref, place)
     WHERE r.generation_id = w.generation_id
    RETURNING r.generation_id
"""

OBJECT_RANDOM = "SELECT object_random FROM subjects WHERE subject_ref = $1"

SET_PLAN = """
    UPDATE subjects SET plan = $2, plan_since = $3
     WHERE subject_ref = $1 AND (plan_since IS NULL OR plan_since <= $3)
"""

SET_PRIORITY = "UPDATE runs SET priority = $2 WHERE subject_ref = $1 AND state = 'queued'"

FENCE = "UPDATE subjects SET fenced_at = coalesce(fenced_at, $2) WHERE subject_ref = $1"

FORGET = """
    WITH gone AS (DELETE FROM subjects WHERE subject_ref = $1)
    INSERT INTO fences (mark) VALUES (sha256(convert_to($1, 'UTF8'))) ON CONFLICT (mark) DO NOTHING
"""

PRUNE_FENCES = """
    DELETE FROM fences WHERE mark IN (SELECT mark FROM fences WHERE done_at < now() - $1::interval LIMIT $2)
"""  # index fences_done


@dataclass(frozen=True, slots=True)
class KnownSubject:
    """A subject under lock."""

    plan: str
    object_random: str
    is_fenced: bool


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Taken slots by subject, generations that were cancelled or removed before they came, providers with a queue."""

    occupied: Mapping[str, Occupancy]
    forestalled: set[str]
    busy_providers: set[str]


async def lock(tx: Transaction, refs: Sequence[str]) -> dict[str, KnownSubject]:
    """The subjects that are known, locked until the transaction ends."""
    rows = await tx.fetch(LOCK, sorted(set(refs)))
    return {row[0]: KnownSubject(row[1], row[2], row[3]) for row in rows}


async def meet(tx: Transaction, refs: Sequence[str], opening_plan: str) -> dict[str, KnownSubject]:
    """These subjects, locked; those not known yet are introduced with the plan accounts open with.

    Those that were erased are missing from the answer.
    """
    known = await lock(tx, refs)
    missing = sorted(set(refs) - known.keys())
    if missing:
        await tx.execute(INTRODUCE, missing, [secrets.token_hex(16) for _ in missing], opening_plan)
        known |= await lock(tx, missing)
    return known


async def surroundings(
    tx: Transaction, refs: Sequence[str], generation_ids: Sequence[str], providers: Sequence[str]
) -> Surroundings:
    """What newcomers of locked subjects meet."""
    rows = await tx.fetch(OCCUPANCY, sorted(set(refs)), generation_ids, sorted(set(providers)))
    return Surroundings(
        {row[0]: Occupancy(frozenset(row[1]), row[2]) for row in rows if row[0] is not None},
        {row[3] for row in rows if row[3] is not None},
        {row[4] for row in rows if row[4] is not None},
    )


async def admit_waiting(tx: Transaction, limits: Mapping[str, int]) -> int:
    """Give free slots of locked subjects to their oldest waiting runs. Returns how many were admitted."""
    refs = sorted(limits)
    return len(await tx.fetch(ADMIT, refs, [limits[ref] for ref in refs]))


async def object_random(tx: Transaction, ref: str) -> str | None:
    """The random folder of a subject's objects; None when the subject is gone."""
    found: str | None = await tx.fetchval(OBJECT_RANDOM, ref)
    return found


async def change_plan(tx: Transaction, ref: str, plan: str, since: datetime, priority: int) -> bool:
    """Take over a plan unless a later one is known."""
    if await tx.execute(SET_PLAN, ref, plan, since) == "UPDATE 0":
        return False
    await tx.execute(SET_PRIORITY, ref, priority)
    return True


async def fence(tx: Transaction, ref: str, at: datetime) -> None:
    """From now on this subject gets no new work."""
    await tx.execute(FENCE, ref, at)


async def forget(tx: Transaction, ref: str) -> None:
    """Drop what was known of a subject; of its reference, a digest stays for a while."""
    await tx.execute(FORGET, ref)


async def prune_fences(tx: Transaction, age: timedelta, limit: int) -> None:
    """Drop digests that no event on the bus can be older than."""
    await tx.execute(PRUNE_FENCES, age, limit)
