"""The SQL of disclosures and their histories, named."""

from collections import defaultdict
from collections.abc import Sequence

import asyncpg

from lethe_common.database import Transaction
from lethe_common.identifiers import DisclosureId, SealKeyId, SubjectRef
from lethe_common.rpc.disclosures import DisclosureState
from lethe_common.rpc.requests import SealedText
from lethe_privacy.disclosures import Disclosure, Done

_ROW = (
    "disclosure_id, subject_ref, state, authority, legal_reference, opened_at, delay_until, delay_ground, asked_sealed, "
    "key_id, digest, is_told"
)

ADD = """
    INSERT INTO disclosures (disclosure_id, subject_ref, state, authority, legal_reference, opened_at, delay_until,
                             delay_ground, asked_sealed, key_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
ADD_STEP = """
    INSERT INTO disclosure_steps (disclosure_id, number, step, operator, at, ground) VALUES ($1, $2, $3, $4, $5, $6)
"""
MOVE = "UPDATE disclosures SET state = $2, digest = $3, is_told = $4 WHERE disclosure_id = $1"
FIND = f"SELECT {_ROW} FROM disclosures WHERE disclosure_id = $1"  # noqa: S608  a constant list of columns
LOCK = f"{FIND} FOR UPDATE"
NEWEST = f"SELECT {_ROW} FROM disclosures ORDER BY disclosure_id DESC LIMIT $1"  # noqa: S608  as above; primary key
OWN = f"""
    SELECT {_ROW} FROM disclosures WHERE subject_ref = $1 AND is_told ORDER BY disclosure_id DESC LIMIT $2
"""  # noqa: S608  as above; index disclosures_subject
UNTOLD = f"""
    SELECT {_ROW} FROM disclosures
     WHERE state = 'disclosed' AND NOT is_told AND subject_ref IS NOT NULL AND (delay_until IS NULL OR delay_until <= $1)
     ORDER BY disclosure_id LIMIT $2
"""  # noqa: S608  as above; index disclosures_untold
STEPS = """
    SELECT disclosure_id, step, operator, at, ground FROM disclosure_steps
     WHERE disclosure_id = ANY($1::text[]) ORDER BY disclosure_id, number
"""  # primary key
OVER = """
    SELECT disclosure_id, subject_ref FROM disclosures
     WHERE opened_at <= $1 AND (state = 'refused' OR is_told OR subject_ref IS NULL) ORDER BY opened_at LIMIT $2
"""  # index disclosures_opened
REMOVE = "DELETE FROM disclosures WHERE disclosure_id = ANY($1::text[])"
COUNT_OF_SUBJECT = "SELECT count(*) FROM disclosures WHERE subject_ref = $1"
FORGET_SUBJECT = """
    UPDATE disclosures SET subject_ref = NULL, asked_sealed = NULL, key_id = NULL WHERE subject_ref = $1
"""


async def add(tx: Transaction, one: Disclosure) -> None:
    """Write a demand with the first line of its history."""
    sealed, key_id = (None, None) if one.asked is None else (one.asked.sealed, one.asked.key_id)
    await tx.execute(
        ADD, one.disclosure_id, one.subject_ref, one.state, one.authority, one.legal_reference, one.opened_at,
        one.delay_until, one.delay_ground, sealed, key_id,
    )  # fmt: skip
    await _add_steps(tx, one, 0)


async def move(tx: Transaction, before: Disclosure, now: Disclosure) -> None:
    """Write what a demand has become, and the lines that its history gained."""
    await tx.execute(MOVE, now.disclosure_id, now.state, now.digest, now.is_told)
    await _add_steps(tx, now, len(before.steps))


async def find(tx: Transaction, statement: str, *arguments: object) -> list[Disclosure]:
    """Demands with their histories, in the statement's order."""
    rows = await tx.fetch(statement, *arguments)
    steps: dict[str, list[Done]] = defaultdict(list)
    for row in await tx.fetch(STEPS, [row["disclosure_id"] for row in rows]):
        steps[row["disclosure_id"]].append(Done(row["step"], row["operator"], row["at"], row["ground"]))
    return [_disclosure(row, steps[row["disclosure_id"]]) for row in rows]


async def _add_steps(tx: Transaction, one: Disclosure, known: int) -> None:
    for number, done in enumerate(one.steps[known:], known + 1):
        await tx.execute(ADD_STEP, one.disclosure_id, number, done.step, done.operator, done.at, done.ground)


def _disclosure(row: asyncpg.Record, steps: Sequence[Done]) -> Disclosure:
    sealed, ref = row["asked_sealed"], row["subject_ref"]
    asked = None
    if sealed is not None:
        asked = SealedText.model_construct(sealed=sealed, key_id=SealKeyId.trusted(row["key_id"]))
    return Disclosure(
        DisclosureId.trusted(row["disclosure_id"]), None if ref is None else SubjectRef.trusted(ref),
        DisclosureState(row["state"]), row["authority"], row["legal_reference"], row["opened_at"], row["delay_until"],
        row["delay_ground"], asked, row["digest"], row["is_told"], tuple(steps),
    )  # fmt: skip
