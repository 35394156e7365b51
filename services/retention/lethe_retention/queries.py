"""Retention's SQL, named."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import asyncpg

from lethe_common.database import Transaction
from lethe_common.identifiers import SubjectRef
from lethe_retention.deadlines import Deadline, PlanSince, Removal, item_id

# A new item and a new plan of one subject must see each other: items share the lock, plans have it alone.
LOCK_SHARED = "SELECT pg_advisory_xact_lock_shared(hashtextextended(ref, 0)) FROM unnest($1::text[]) ref"
LOCK_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended(ref, 0)) FROM unnest($1::text[]) ref"

PLANS = "SELECT subject_ref, plan, since FROM plans_held WHERE subject_ref = ANY($1::text[])"

HOLD_PLANS = """
    INSERT INTO plans_held (subject_ref, plan, since)
    SELECT DISTINCT ON (subject_ref, since) subject_ref, plan, since
      FROM unnest($1::text[], $2::text[], $3::timestamptz[]) WITH ORDINALITY t(subject_ref, plan, since, told)
     ORDER BY subject_ref, since, told DESC
        ON CONFLICT (subject_ref, since) DO UPDATE SET plan = excluded.plan
"""

SCHEDULE = """
    INSERT INTO deadlines
           (item_id, subject_ref, category, started_at, due_at, stored_bytes, notice_at, policy_version)
    SELECT *, $8::integer
      FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::bigint[],
                  $7::timestamptz[])
        ON CONFLICT (item_id) DO NOTHING
    RETURNING item_id
"""

OPEN_PAGE = """
    SELECT item_id, subject_ref, category, started_at, due_at, moves
      FROM deadlines
     WHERE subject_ref = $1 AND state = 'open' AND item_id > $2
     ORDER BY item_id
     LIMIT $3
       FOR UPDATE
"""  # index deadlines_subject

# Who was told of a deadline that stays is not told again, whatever lead a later version promises.
MOVE = """
    UPDATE deadlines d
       SET due_at = m.due_at, moves = m.moves, policy_version = $5,
           notice_at = CASE WHEN d.is_noticed AND d.due_at IS NOT DISTINCT FROM m.due_at THEN NULL ELSE m.notice_at END,
           is_noticed = d.is_noticed AND d.due_at IS NOT DISTINCT FROM m.due_at
      FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::int[]) m(item_id, due_at, notice_at, moves)
     WHERE d.item_id = m.item_id
"""

BEHIND = """
    SELECT item_id, subject_ref
      FROM deadlines
     WHERE state = 'open' AND policy_version < $1
     ORDER BY policy_version, item_id
     LIMIT $2
"""  # index deadlines_behind

BEHIND_HELD = """
    SELECT item_id, subject_ref, category, started_at, due_at, moves
      FROM deadlines
     WHERE item_id = ANY($1::text[]) AND state = 'open' AND policy_version < $2
     ORDER BY item_id
       FOR UPDATE
"""  # the primary key

# Holds and pauses are few: each item costs one look into two small indexes. They keep what there is, not its copies.
HELD = """
    (d.category <> 'export.archive'
     AND (EXISTS (SELECT 1 FROM legal_holds h
                   WHERE h.state = 'in_force' AND h.subject_ref = d.subject_ref
                     AND (h.item_id IS NULL OR h.item_id = d.item_id))
          OR EXISTS (SELECT 1 FROM pauses p WHERE p.subject_ref = d.subject_ref AND p.ended_at IS NULL)))
"""  # indexes legal_holds_in_force, pauses_subject

DUE_PAGE = f"""
    SELECT item_id, subject_ref FROM deadlines d
     WHERE state = 'open' AND due_at <= $1 AND subject_ref <> ALL($3::text[]) AND NOT {HELD}
     ORDER BY due_at LIMIT $2
"""  # noqa: S608  our own condition; index deadlines_open

PLANS_HEARD = "SELECT subject_ref, count(*) FROM plans_held WHERE subject_ref = ANY($1::text[]) GROUP BY subject_ref"

# What was moved or held since it was looked at stays.
TAKE_DUE = f"""
    UPDATE deadlines SET state = 'due', told_at = now()
     WHERE item_id IN (SELECT item_id FROM deadlines d
                        WHERE item_id = ANY($2::text[]) AND state = 'open' AND due_at <= $1 AND NOT {HELD}
                        ORDER BY item_id FOR UPDATE SKIP LOCKED)
    RETURNING item_id, subject_ref, category, started_at, due_at
"""  # noqa: S608  our own condition; the primary key

TAKE_DUE_AGAIN = f"""
    UPDATE deadlines SET told_at = now()
     WHERE item_id IN (SELECT item_id FROM deadlines d
                        WHERE state = 'due' AND told_at < now() - $1::interval AND NOT {HELD}
                        ORDER BY told_at LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING item_id, subject_ref, category, started_at, due_at
"""  # noqa: S608  our own condition; index deadlines_due

# Whoever is told is told of what else goes within the same day, so that nobody hears more than once a day.
TAKE_NOTICES = f"""
    WITH told AS (
        SELECT DISTINCT subject_ref FROM (
            SELECT subject_ref FROM deadlines d
             WHERE state = 'open' AND notice_at IS NOT NULL AND notice_at <= $1 AND due_at > $1 AND NOT {HELD}
             ORDER BY notice_at LIMIT $3) first
    )
    UPDATE deadlines SET notice_at = NULL, is_noticed = true
     WHERE item_id IN (SELECT item_id FROM deadlines d JOIN told USING (subject_ref)
                        WHERE state = 'open' AND notice_at <= $2 AND due_at > $1 AND NOT {HELD}
                        ORDER BY item_id FOR UPDATE OF d)
    RETURNING item_id, subject_ref, due_at
"""  # noqa: S608  our own condition; indexes deadlines_notice, deadlines_subject

# What was closed before is looked at once more, so that whoever asked again hears the answer again.
REMOVED = """
    INSERT INTO deadlines AS d
           (item_id, subject_ref, category, started_at, due_at, state, rule, prefixes, removed_at)
    SELECT r.item_id, r.subject_ref, $5, $6, $6, 'removed', r.rule, string_to_array(r.prefixes, ','), $6
      FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) r(item_id, subject_ref, rule, prefixes)
        ON CONFLICT (item_id) DO UPDATE SET
           state = 'removed', closed_at = NULL, look_at = now(),
           rule = coalesce(d.rule, excluded.rule),
           removed_at = coalesce(d.removed_at, excluded.removed_at),
           prefixes = CASE WHEN d.prefixes = '{}' THEN excluded.prefixes
                           ELSE ARRAY(SELECT DISTINCT unnest(d.prefixes || excluded.prefixes)) END
"""

# What was reported together lies together in the store's order of keys: so it is seen in one walk.
REMOVED_PAGE = """
    SELECT item_id, rule, removed_at, prefixes
      FROM deadlines
     WHERE state = 'removed' AND look_at <= now()
     ORDER BY look_at, prefixes
     LIMIT $1
"""  # index deadlines_removed

# These say "removed" in other words, so that a plan made while few items were does not read all that are by now.
LOOK_LATER = """
    UPDATE deadlines SET look_at = now() + $2::interval
     WHERE item_id = ANY($1::text[]) AND removed_at IS NOT NULL AND closed_at IS NULL
"""  # the primary key

CLOSE = """
    UPDATE deadlines SET state = 'closed', closed_at = $2
     WHERE item_id = ANY($1::text[]) AND removed_at IS NOT NULL AND closed_at IS NULL
    RETURNING item_id
"""  # the primary key

# Two looks, each as its partial index has it: one for both would read the whole table, ten times a second.
UNSETTLED = f"""
    SELECT EXISTS (SELECT 1 FROM deadlines d WHERE state = 'open' AND due_at <= $1 AND NOT {HELD})
        OR EXISTS (SELECT 1 FROM deadlines d
                    WHERE state IN ('due', 'removed') AND due_at <= $1 AND (state = 'removed' OR NOT {HELD}))
"""  # noqa: S608  our own condition; indexes deadlines_open, deadlines_late

PRUNE_CLOSED = """
    DELETE FROM deadlines
     WHERE item_id IN (SELECT item_id FROM deadlines WHERE state = 'closed' AND closed_at <= $1
                        ORDER BY closed_at LIMIT $2)
"""  # index deadlines_closed

FENCED = """
    SELECT subject_ref
      FROM unnest($1::text[]) asked(subject_ref)
      JOIN fences ON mark = sha256(convert_to(subject_ref, 'UTF8'))
"""

FENCE = "INSERT INTO fences (mark, fenced_at) VALUES (sha256(convert_to($1, 'UTF8')), $2) ON CONFLICT (mark) DO NOTHING"

FENCE_DONE = "UPDATE fences SET done_at = $2 WHERE mark = sha256(convert_to($1, 'UTF8')) AND done_at IS NULL"

PRUNE_FENCES = """
    DELETE FROM fences WHERE mark IN (SELECT mark FROM fences WHERE done_at <= $1 ORDER BY done_at LIMIT $2)
"""  # index fences_done

COUNT_OF_SUBJECT = """
    SELECT (SELECT count(*) FROM deadlines WHERE subject_ref = $1) AS deadlines,
           (SELECT count(*) FROM plans_held WHERE subject_ref = $1) AS plans_held,
           (SELECT count(*) FROM legal_holds WHERE subject_ref = $1) AS legal_holds,
           (SELECT count(*) FROM pauses WHERE subject_ref = $1) AS pauses
"""

FORGET_SUBJECT = """
    WITH d AS (DELETE FROM deadlines WHERE subject_ref = $1 RETURNING 1),
         p AS (DELETE FROM pauses WHERE subject_ref = $1 RETURNING 1),
         h AS (DELETE FROM plans_held WHERE subject_ref = $1 RETURNING 1)
    SELECT (SELECT count(*) FROM d) AS deadlines, (SELECT count(*) FROM p) AS pauses,
           (SELECT count(*) FROM h) AS plans_held
"""


async def plans(tx: Transaction, subject_refs: Collection[str]) -> Mapping[str, list[PlanSince]]:
    """All plans these subjects had. Nobody without one is missing: the mapping answers an empty list."""
    found: dict[str, list[PlanSince]] = defaultdict(list)
    for row in await tx.fetch(PLANS, list(subject_refs)):
        found[row[0]].append((row[1], row[2]))
    return found


async def fenced(tx: Transaction, subject_refs: Collection[str]) -> set[str]:
    """Which of these subjects are being or were erased."""
    return {row[0] for row in await tx.fetch(FENCED, list(subject_refs))}


async def lock(tx: Transaction, statement: str, subject_refs: Iterable[str]) -> None:
    """Take advisory locks on subjects, in one order."""
    await tx.fetch(statement, sorted(set(subject_refs)))


async def schedule(
    tx: Transaction, deadlines: Sequence[Deadline], notices: Sequence[datetime | None], version: int
) -> set[str]:
    """Store deadlines of items that have none, computed by this version, each with when it is told of.

    Returns:
        Which items had none.
    """
    rows = await tx.fetch(
        SCHEDULE,
        [deadline.item_id for deadline in deadlines],
        [deadline.subject_ref for deadline in deadlines],
        [deadline.category for deadline in deadlines],
        [deadline.started_at for deadline in deadlines],
        [deadline.due_at for deadline in deadlines],
        [deadline.stored_bytes for deadline in deadlines],
        notices,
        version,
    )
    return {row[0] for row in rows}


async def move(
    tx: Transaction, deadlines: Sequence[Deadline], notices: Sequence[datetime | None], version: int
) -> None:
    """Store deadlines that were computed again, by this version, each with when it is told of."""
    ids, due = [one.item_id for one in deadlines], [one.due_at for one in deadlines]
    await tx.execute(MOVE, ids, due, notices, [one.moves for one in deadlines], version)


async def removed(tx: Transaction, removals: Mapping[str, Removal], category: str, at: datetime) -> None:
    """Note which items (by id) their owner says are gone."""
    in_order = sorted(removals.items())
    await tx.execute(
        REMOVED,
        [item_id for item_id, _ in in_order],
        [removal.subject_ref for _, removal in in_order],
        [removal.rule for _, removal in in_order],
        [",".join(sorted(removal.prefixes)) for _, removal in in_order],
        category,
        at,
    )


def deadline(row: asyncpg.Record) -> Deadline:
    """A row as a deadline."""
    return Deadline(
        item_id(row["item_id"]),
        SubjectRef.trusted(row["subject_ref"]),
        row["category"],
        row["started_at"],
        row["due_at"],
    )
