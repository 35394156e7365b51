"""What the gateway answers to the other services."""

import base64

import asyncpg

from lethe_common.database import Database
from lethe_common.identifiers import GenerationId
from lethe_common.rpc.gateway import (
    AcceptedAnswer,
    AcceptedQuestion,
    InputAnswer,
    InputQuestion,
    SealedInput,
    SealedUpload,
)
from lethe_common.services import Service
from lethe_gateway import queries

_PROMPTS_MOST_BYTES = 384 * 1024
"""Of sealed prompts in one answer, and one more of up to 140,000: some 700 kB as base64, beside which 256 uploads
find room in the 1 MiB of a message."""


class Answers:
    """Sealed inputs for the jobs service, accepted ids for billing. What is sealed stays sealed on the way."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def generation_input(self, question: InputQuestion, _caller: Service) -> InputAnswer:
        """The inputs of these generations, as many as fit; those being removed are left out."""
        rows = await self._database.pool.fetch(queries.INPUTS, list(question.generation_ids), _PROMPTS_MOST_BYTES)
        return InputAnswer(
            inputs=tuple(_input(row) for row in rows if row["prompt_sealed"] is not None),
            later=tuple(GenerationId.trusted(row["generation_id"]) for row in rows if row["prompt_sealed"] is None),
        )

    async def generation_accepted(self, question: AcceptedQuestion, _caller: Service) -> AcceptedAnswer:
        """Which of these were accepted, removed ones included."""
        rows = await self._database.pool.fetch(queries.ACCEPTED, list(question.generation_ids))
        return AcceptedAnswer(accepted=tuple(GenerationId.trusted(row["generation_id"]) for row in rows))


def _input(row: asyncpg.Record) -> SealedInput:
    upload = None
    if row["upload_id"] is not None:
        upload = SealedUpload(
            upload_id=row["upload_id"],
            object_key=row["object_key"],
            media_type=row["media_type"],
            size_bytes=row["size_bytes"],
        )
    # The field takes base64 in and gives bytes out.
    return SealedInput(
        generation_id=row["generation_id"],
        prompt=base64.b64encode(row["prompt_sealed"]),
        key_id=row["key_id"],
        seed=row["seed"],
        upload=upload,
    )
