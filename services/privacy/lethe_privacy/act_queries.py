"""The SQL of acts of destruction, named."""

import asyncpg

from lethe_common.database import Transaction
from lethe_common.identifiers import ActId, ErasureId, SealKeyId
from lethe_common.rpc.acts import Act, ActContent, ActGround, ActOpening
from lethe_common.rpc.requests import SealedText

_ROW = "act_id, name_sealed, key_id, ground, destroyed_at, document"

BEGIN = """
    INSERT INTO acts (act_id, erasure_id, name_sealed, key_id, ground) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT DO NOTHING
"""
IS_THERE = "SELECT EXISTS (SELECT FROM acts WHERE act_id = $1)"
COUNT_OF_SUBJECT = "SELECT count(*) FROM acts JOIN erasures USING (erasure_id) WHERE subject_ref = $1"
WRITE = """
    UPDATE acts SET destroyed_at = $2, document = $3, erasure_id = NULL WHERE erasure_id = $1
"""
FIND = f"SELECT {_ROW} FROM acts WHERE act_id = $1 AND destroyed_at IS NOT NULL"  # noqa: S608  a constant list of columns
NEWEST = f"""
    SELECT {_ROW} FROM acts WHERE destroyed_at IS NOT NULL ORDER BY destroyed_at DESC, act_id DESC LIMIT $1
"""  # noqa: S608  as above; index acts_destroyed
OVER = "SELECT act_id FROM acts WHERE destroyed_at <= $1 ORDER BY destroyed_at LIMIT $2"  # index acts_destroyed
REMOVE = "DELETE FROM acts WHERE act_id = ANY($1::text[])"


async def begin(tx: Transaction, erasure_id: ErasureId, opening: ActOpening) -> bool:
    """Keep who is being erased, once for each erasure; whether this opening is the one that is kept."""
    name = opening.name
    await tx.execute(BEGIN, opening.act_id, erasure_id, name.sealed, name.key_id, opening.ground)
    return bool(await tx.fetchval(IS_THERE, opening.act_id))


async def find(tx: Transaction, statement: str, argument: object) -> tuple[Act, ...]:
    """Acts that are written, in the statement's order."""
    return tuple(_act(row) for row in await tx.fetch(statement, argument))


def _act(row: asyncpg.Record) -> Act:
    return Act(
        act_id=ActId.trusted(row["act_id"]),
        ground=ActGround(row["ground"]),
        destroyed_at=row["destroyed_at"],
        name=SealedText.model_construct(sealed=row["name_sealed"], key_id=SealKeyId.trusted(row["key_id"])),
        content=ActContent.model_validate_json(row["document"]),
    )
