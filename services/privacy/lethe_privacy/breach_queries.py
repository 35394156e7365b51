"""The SQL of breaches and their histories, named."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

import asyncpg

from lethe_common.database import Transaction
from lethe_common.identifiers import BreachId, SealKeyId
from lethe_common.rpc.breaches import BreachStepKind
from lethe_common.rpc.requests import SealedText
from lethe_privacy.breaches import Breach, Done

_BREACH = "breach_id, is_open, known_at, categories, places, people, is_high_risk"

ADD = """
    INSERT INTO breaches (breach_id, is_open, known_at, categories, places, people, is_high_risk)
    VALUES ($1, true, $2, $3, $4, $5, $6)
"""
ADD_STEP = """
    INSERT INTO breach_steps (breach_id, number, step, operator, at, duty, reference, count, text_sealed, key_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
CLOSE = "UPDATE breaches SET is_open = false, closed_at = $2 WHERE breach_id = $1"
FIND = f"SELECT {_BREACH} FROM breaches WHERE breach_id = $1"  # noqa: S608  a constant list of columns
LOCK = f"{FIND} FOR UPDATE"
OPEN = f"SELECT {_BREACH} FROM breaches WHERE is_open ORDER BY breach_id DESC LIMIT $1"  # noqa: S608  as above; index breaches_open
NEWEST = f"SELECT {_BREACH} FROM breaches ORDER BY breach_id DESC LIMIT $1"  # noqa: S608  as above; primary key
ALL_OPEN = f"SELECT {_BREACH} FROM breaches WHERE is_open ORDER BY breach_id FOR UPDATE SKIP LOCKED"  # noqa: S608  as above; few are open
STEPS = """
    SELECT breach_id, step, operator, at, duty, reference, count, text_sealed, key_id
      FROM breach_steps WHERE breach_id = ANY($1::text[]) ORDER BY breach_id, number
"""  # primary key
OVER = "SELECT breach_id FROM breaches WHERE closed_at <= $1 ORDER BY closed_at LIMIT $2"  # index breaches_closed
REMOVE = "DELETE FROM breaches WHERE breach_id = ANY($1::text[])"


async def add(tx: Transaction, breach: Breach) -> None:
    """Write a breach with the first line of its history."""
    await tx.execute(
        ADD, breach.breach_id, breach.known_at, list(breach.categories), list(breach.places), breach.people,
        breach.is_high_risk,
    )  # fmt: skip
    await _add_steps(tx, breach, 0)


async def move(tx: Transaction, before: Breach, now: Breach, at: datetime) -> None:
    """Write what a breach has become, and the lines that its history gained."""
    if before.is_open and not now.is_open:
        await tx.execute(CLOSE, now.breach_id, at)
    await _add_steps(tx, now, len(before.steps))


async def find(tx: Transaction, statement: str, *arguments: object) -> list[Breach]:
    """Breaches with their histories, in the statement's order."""
    rows = await tx.fetch(statement, *arguments)
    steps: dict[str, list[Done]] = defaultdict(list)
    for row in await tx.fetch(STEPS, [row["breach_id"] for row in rows]):
        steps[row["breach_id"]].append(_done(row))
    return [_breach(row, steps[row["breach_id"]]) for row in rows]


async def _add_steps(tx: Transaction, breach: Breach, known: int) -> None:
    for number, done in enumerate(breach.steps[known:], known + 1):
        sealed, key_id = (done.text.sealed, done.text.key_id) if done.text is not None else (None, None)
        await tx.execute(
            ADD_STEP, breach.breach_id, number, done.step, done.operator, done.at, done.duty, done.reference,
            done.count, sealed, key_id,
        )  # fmt: skip


def _breach(row: asyncpg.Record, steps: Sequence[Done]) -> Breach:
    return Breach(
        BreachId.trusted(row["breach_id"]), row["is_open"], row["known_at"], tuple(row["categories"]),
        tuple(row["places"]), row["people"], row["is_high_risk"], tuple(steps),
    )  # fmt: skip


def _done(row: asyncpg.Record) -> Done:
    sealed = row["text_sealed"]
    text = (
        None if sealed is None else SealedText.model_construct(sealed=sealed, key_id=SealKeyId.trusted(row["key_id"]))
    )
    return Done(
        BreachStepKind(row["step"]), row["operator"], row["at"], row["duty"], row["reference"], row["count"], text
    )
