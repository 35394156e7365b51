"""Inputs that jobs asks for: however long prompts are, all of them come, and each answer fits into a message."""

import secrets
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest

from lethe_common.bus.permissions import MAX_PAYLOAD_BYTES
from lethe_common.database import Database
from lethe_common.identifiers import AccountId, GenerationId, SubjectRef
from lethe_common.rpc.gateway import InputAnswer, InputQuestion
from lethe_common.services import Service
from lethe_gateway.endpoints.rpc import Answers
from tests.integration.gateway_database import gateway_database
from tests.servers import RunningServers

NOW = datetime(2026, 11, 20, tzinfo=UTC)
LONGEST_BYTES = 140_000
ACCOUNT = """
    INSERT INTO gateway.accounts
           (account_id, subject_ref, email_sealed, key_id, storage_ref, plan, state, created_at)
    VALUES ($1, $2, '', 'seal', $3, 'free', 'active', $4)
"""
GENERATION = """
    INSERT INTO gateway.generations
           (generation_id, account_id, subject_ref, state, model, width_px, height_px, seconds, seed, prompt_sealed,
            key_id, hold_id, credits_held, created_at, hidden_at, rule)
    VALUES ($1, $2, $3, 'queued', 'lethe-local-1', 64, 36, 1, 7, $4, 'seal_' || repeat('0', 32), 'hold', 1, $5, $6, $7)
"""


class Person:
    """Somebody with generations."""

    def __init__(self, database: Database) -> None:
        self._database, self.account_id, self.subject_ref = database, AccountId.new(), SubjectRef.new()

    async def sign_up(self) -> None:
        await self._database.pool.execute(ACCOUNT, self.account_id, self.subject_ref, secrets.token_hex(16), NOW)

    async def generations(self, count: int, prompt_bytes: int, *, is_hidden: bool = False) -> list[GenerationId]:
        ids = [GenerationId.new() for _ in range(count)]
        hidden = (NOW, "deleted_by_user") if is_hidden else (None, None)
        rows = [
            (one, self.account_id, self.subject_ref, secrets.token_bytes(prompt_bytes), NOW, *hidden) for one in ids
        ]
        await self._database.pool.executemany(GENERATION, rows)
        return ids


@pytest.fixture
async def database(servers: RunningServers) -> AsyncIterator[Database]:
    async with gateway_database(servers) as opened:
        yield opened


@pytest.fixture
async def somebody(database: Database) -> Person:
    person = Person(database)
    await person.sign_up()
    return person


async def asked(database: Database, ids: Sequence[GenerationId]) -> InputAnswer:
    return await Answers(database).generation_input(InputQuestion(generation_ids=tuple(ids)), Service.JOBS)


async def test_the_longest_prompts_come_in_as_many_answers_as_they_need(database: Database, somebody: Person) -> None:
    ids = await somebody.generations(20, LONGEST_BYTES)
    (hidden,) = await somebody.generations(1, LONGEST_BYTES, is_hidden=True)
    left, came = (*ids, hidden), list[GenerationId]()

    while left:
        answer = await asked(database, left)
        assert len(answer.model_dump_json()) < MAX_PAYLOAD_BYTES * 3 / 4, "there is room for uploads"
        came += [one.generation_id for one in answer.inputs]
        assert answer.inputs, "who asks again comes to an end"
        left = answer.later

    assert sorted(came) == sorted(ids), "each once, and none that is being removed"


async def test_ordinary_prompts_come_in_one_answer_which_an_older_version_reads(
    database: Database, somebody: Person
) -> None:
    ids = await somebody.generations(256, 1200)

    answer = await asked(database, ids)

    assert len(answer.inputs) == len(ids)
    assert '"later"' not in answer.model_dump_json()
