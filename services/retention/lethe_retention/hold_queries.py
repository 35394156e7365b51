"""The SQL of legal holds, named."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

import asyncpg

from lethe_common.database import Transaction
from lethe_common.identifiers import GenerationId, LegalHoldId, SubjectRef
from lethe_common.rpc.legal_holds import LegalHoldProposeQuestion
from lethe_retention.legal_holds import Done, Hold, HoldState, Scope, Step

_HOLD = "hold_id, subject_ref, item_id, state, reason, ends_at"

ADD = """
    INSERT INTO legal_holds (hold_id, subject_ref, item_id, state, reason, ends_at)
    VALUES ($1, $2, $3, 'proposed', $4, $5)
"""
ADD_STEP = "INSERT INTO legal_hold_steps (hold_id, step, operator, at) VALUES ($1, $2, $3, $4)"
MOVE = "UPDATE legal_holds SET state = $2 WHERE hold_id = $1"

FIND = f"SELECT {_HOLD} FROM legal_holds WHERE hold_id = ANY($1::text[]) ORDER BY hold_id DESC"  # noqa: S608  a constant list of columns
# A virtual clock stands still between two steps, so their time alone does not order them.
STEPS = """
    SELECT hold_id, step, operator, at FROM legal_hold_steps WHERE hold_id = ANY($1::text[])
     ORDER BY hold_id, array_position(ARRAY['proposed', 'approved', 'withdrawn', 'lifted', 'ended'], step)
"""
NEWEST = "SELECT hold_id FROM legal_holds ORDER BY hold_id DESC LIMIT $1"  # primary key
NEWEST_OPEN = """
    SELECT hold_id FROM legal_holds WHERE state IN ('proposed', 'in_force') ORDER BY hold_id DESC LIMIT $1
"""  # index legal_holds_open

OPEN_OF_SCOPE = """
    SELECT state FROM legal_holds
     WHERE subject_ref = $1 AND coalesce(item_id, '') = coalesce($2, '') AND state IN ('proposed', 'in_force')
"""  # unique index legal_holds_scope
OF_SUBJECT = "SELECT hold_id FROM legal_holds WHERE subject_ref = $1 AND state = 'in_force' ORDER BY hold_id LIMIT 100"
ITEM_STATE = "SELECT state FROM deadlines WHERE item_id = $1 AND subject_ref = $2"

HELD = """
    SELECT asked.item_id
      FROM unnest($1::text[], $2::text[]) AS asked(item_id, subject_ref)
     WHERE EXISTS (SELECT 1 FROM legal_holds h
                    WHERE h.state = 'in_force' AND h.subject_ref = asked.subject_ref
                      AND (h.item_id IS NULL OR h.item_id = asked.item_id))
"""  # index legal_holds_in_force

# Counted to a limit: a screen asks, and an account may have any number of items.
WAITING = """
    SELECT h.hold_id, (SELECT count(*) FROM (
               SELECT 1 FROM deadlines d
                WHERE d.subject_ref = h.subject_ref AND (h.item_id IS NULL OR d.item_id = h.item_id)
                  AND d.state IN ('open', 'due') AND d.due_at <= $2 LIMIT 1000) kept) AS waiting
      FROM legal_holds h WHERE h.hold_id = ANY($1::text[]) AND h.state = 'in_force'
"""  # index deadlines_subject

TAKE_ENDED = """
    UPDATE legal_holds SET state = 'ended'
     WHERE hold_id IN (SELECT hold_id FROM legal_holds WHERE state = 'in_force' AND ends_at <= $1
                        ORDER BY ends_at LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING hold_id, subject_ref, item_id
"""  # index legal_holds_ends

# Only its owner role may remove lines of a history; index legal_hold_steps_last.
FORGET_RECORDS = "SELECT forget_legal_holds($1, $2)"

WITHDRAW_OF_SUBJECT = """
    WITH gone AS (
        UPDATE legal_holds SET state = 'withdrawn' WHERE subject_ref = $1 AND state = 'proposed' RETURNING hold_id)
    INSERT INTO legal_hold_steps (hold_id, step, operator, at) SELECT hold_id, 'withdrawn', 'erasure', $2 FROM gone
"""
FORGET_SUBJECT = "UPDATE legal_holds SET subject_ref = NULL, item_id = NULL, reason = NULL WHERE subject_ref = $1"


async def add(tx: Transaction, wish: LegalHoldProposeQuestion, at: datetime) -> None:
    """Write a proposal and the first line of its history."""
    await tx.execute(ADD, wish.hold_id, wish.subject_ref, wish.generation_id, wish.reason, wish.ends_at)
    await tx.execute(ADD_STEP, wish.hold_id, Step.PROPOSED, wish.operator, at)


async def move(tx: Transaction, hold_id: str, state: HoldState, step: Step, operator: str, at: datetime) -> None:
    """Move a hold on, with a line in its history."""
    await tx.execute(MOVE, hold_id, state)
    await tx.execute(ADD_STEP, hold_id, step, operator, at)


async def find(tx: Transaction, hold_ids: Sequence[str]) -> list[Hold]:
    """These holds with their histories, newest first."""
    steps: dict[str, list[Done]] = defaultdict(list)
    for row in await tx.fetch(STEPS, hold_ids):
        steps[row["hold_id"]].append(Done(Step(row["step"]), row["operator"], row["at"]))
    return [_hold(row, steps[row["hold_id"]]) for row in await tx.fetch(FIND, hold_ids)]


async def newest(tx: Transaction, limit: int, *, is_open: bool) -> list[Hold]:
    """The newest holds, or the newest that are open."""
    rows = await tx.fetch(NEWEST_OPEN if is_open else NEWEST, limit)
    return await find(tx, [row["hold_id"] for row in rows])


async def waiting(tx: Transaction, holds: Sequence[Hold], now: datetime) -> dict[str, int]:
    """How many items each hold keeps beyond their time, counted to a thousand."""
    rows = await tx.fetch(WAITING, [hold.hold_id for hold in holds], now)
    return {row["hold_id"]: row["waiting"] for row in rows}


async def scope(tx: Transaction, subject_ref: str, item_id: str | None, *, is_being_erased: bool) -> Scope:
    """What is known of what a hold is to cover."""
    states = tuple(HoldState(row["state"]) for row in await tx.fetch(OPEN_OF_SCOPE, subject_ref, item_id))
    item_state = None if item_id is None else await tx.fetchval(ITEM_STATE, item_id, subject_ref)
    return Scope(states, is_being_erased, item_state)


async def forget(tx: Transaction, subject_ref: str, at: datetime) -> int:
    """Drop what says whom holds were about; how many there were. That they were, and who decided, stays."""
    await tx.execute(WITHDRAW_OF_SUBJECT, subject_ref, at)
    tag = await tx.execute(FORGET_SUBJECT, subject_ref)
    return int(tag.rpartition(" ")[2])


def scope_of(row: asyncpg.Record) -> tuple[LegalHoldId, SubjectRef, GenerationId | None]:
    """Which hold, on whom, on what: of a row in force."""
    item_id = None if row["item_id"] is None else GenerationId.trusted(row["item_id"])
    return LegalHoldId.trusted(row["hold_id"]), SubjectRef.trusted(row["subject_ref"]), item_id


def _hold(row: asyncpg.Record, steps: Sequence[Done]) -> Hold:
    return Hold(
        LegalHoldId.trusted(row["hold_id"]),
        None if row["subject_ref"] is None else SubjectRef.trusted(row["subject_ref"]),
        None if row["item_id"] is None else GenerationId.trusted(row["item_id"]),
        HoldState(row["state"]),
        row["reason"],
        row["ends_at"],
        tuple(steps),
    )
