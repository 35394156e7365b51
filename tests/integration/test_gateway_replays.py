"""What the gateway makes of facts that its restored data do not remember: access that ended stays ended, and nothing else changes."""

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from lethe_common.database import Database
from lethe_common.identifiers import AccountId, ApiKeyId, HandoverId, SubjectRef
from lethe_common.rpc.facts import Fact, FactKind
from lethe_gateway.replays import bring_about
from tests.integration.gateway_database import gateway_database
from tests.servers import RunningServers

BACKUP = datetime(2026, 11, 20, tzinfo=UTC)
LATER = BACKUP + timedelta(days=1)
ACCOUNT = """
    INSERT INTO gateway.accounts
           (account_id, subject_ref, email_sealed, password_sealed, key_id, storage_ref, plan, state, created_at, password_set_at)
    VALUES ($1, $2, '', $3, 'seal', $4, 'free', 'active', $5, $6)
"""


class Person:
    """An account with a password, a key, a session and a link to set a new password."""

    def __init__(self) -> None:
        self.account_id, self.subject_ref = AccountId.new(), SubjectRef.new()
        self.key_id, self.session, self.link = ApiKeyId.new(), secrets.token_bytes(32), secrets.token_bytes(32)

    def fact(self, kind: FactKind, ref: str = "", at: datetime = LATER) -> Fact:
        return Fact(number=7, kind=kind, subject_ref=self.subject_ref, ref=ref, at=at)


@pytest.fixture
async def database(servers: RunningServers) -> AsyncIterator[Database]:
    async with gateway_database(servers) as opened:
        yield opened


async def somebody(database: Database, password_set_at: datetime | None = None) -> Person:
    one = Person()
    pool = database.pool
    await pool.execute(
        ACCOUNT, one.account_id, one.subject_ref, b"sealed", secrets.token_hex(16), BACKUP, password_set_at
    )
    await pool.execute(
        "INSERT INTO gateway.api_keys (key_id, account_id, key_hash, created_at) VALUES ($1, $2, $3, $4)",
        one.key_id, one.account_id, secrets.token_bytes(32), BACKUP,
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO gateway.sessions (token_hash, account_id, created_at, expires_at) VALUES ($1, $2, $3, $4)",
        one.session, one.account_id, BACKUP, LATER + timedelta(days=30),
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO gateway.proof_tokens (token_hash, account_id, use, expires_at) VALUES ($1, $2, 'password_reset', $3)",
        one.link, one.account_id, LATER + timedelta(days=30),
    )  # fmt: skip
    return one


async def left(database: Database, one: Person) -> dict[str, int]:
    """What somebody can still get in by."""
    row = await database.pool.fetchrow(
        """
        SELECT (SELECT count(*) FROM gateway.accounts WHERE account_id = $1 AND password_sealed IS NOT NULL) AS passwords,
               (SELECT count(*) FROM gateway.api_keys WHERE account_id = $1) AS keys,
               (SELECT count(*) FROM gateway.sessions WHERE account_id = $1) AS sessions,
               (SELECT count(*) FROM gateway.proof_tokens WHERE account_id = $1) AS links
        """,
        one.account_id,
    )
    assert row is not None
    return dict(row)


ALL = {"passwords": 1, "keys": 1, "sessions": 1, "links": 1}


async def replayed(database: Database, *facts: Fact) -> set[str]:
    async with database.transaction() as tx:
        return set(await bring_about(facts, tx))


async def test_a_key_and_a_session_that_ended_are_gone_and_another_ones_stay(database: Database) -> None:
    one, other = await somebody(database), await somebody(database)

    for _ in range(2):
        await replayed(
            database,
            one.fact(FactKind.KEY_REVOKED, one.key_id),
            one.fact(FactKind.SESSION_ENDED, one.session.hex()),
            one.fact(FactKind.KEY_REVOKED, other.key_id),
            one.fact(FactKind.SESSION_ENDED, other.session.hex()),
        )

    assert await left(database, one) == ALL | {"keys": 0, "sessions": 0}
    assert await left(database, other) == ALL


async def test_a_password_of_before_a_change_opens_nothing_and_one_set_since_does(database: Database) -> None:
    old, new = await somebody(database), await somebody(database, password_set_at=LATER)

    await replayed(database, old.fact(FactKind.PASSWORD_CHANGED), new.fact(FactKind.PASSWORD_CHANGED))

    assert await left(database, old) == ALL | {"passwords": 0, "sessions": 0, "links": 0}
    assert await left(database, new) == ALL | {"sessions": 0}


async def test_an_erased_account_is_shut_and_named_and_one_that_asked_for_it_is_only_shut(database: Database) -> None:
    erased, asking, living = [await somebody(database) for _ in range(3)]

    found = await replayed(database, erased.fact(FactKind.ERASED), asking.fact(FactKind.ERASURE_REQUESTED))

    assert found == {erased.subject_ref}
    shut = ALL | {"keys": 0, "sessions": 0}
    assert [await left(database, one) for one in (erased, asking, living)] == [shut, shut, ALL]
    states = "SELECT state FROM gateway.accounts WHERE account_id = ANY($1) ORDER BY array_position($1, account_id)"
    rows = await database.pool.fetch(states, [one.account_id for one in (erased, asking, living)])
    assert [row[0] for row in rows] == ["closing", "closing", "active"]


async def test_facts_about_nobody_here_change_nothing(database: Database) -> None:
    stranger, living = Person(), await somebody(database)

    found = await replayed(
        database,
        *(stranger.fact(kind) for kind in (FactKind.ERASED, FactKind.ERASURE_REQUESTED, FactKind.PASSWORD_CHANGED)),
        living.fact(FactKind.WITHDRAWN, "marketing"),
    )

    assert found == set()
    assert await left(database, living) == ALL


async def test_a_withdrawal_takes_the_records_of_training_of_before_and_of_nobody_else(database: Database) -> None:
    one, other = await somebody(database), await somebody(database)
    record = """
        INSERT INTO gateway.training_records VALUES ($1, $2, $3, 'video_' || $4, 'trainer', 'sealed', 'seal_' || $4, $5)
    """
    for who, given_at in ((one, BACKUP), (one, LATER + timedelta(days=1)), (other, BACKUP)):
        handover_id, digits = HandoverId.new(), secrets.token_hex(16)
        await database.pool.execute(record, handover_id, who.account_id, who.subject_ref, digits, given_at)

    async def kept() -> list[tuple[str, datetime]]:
        sql = "SELECT subject_ref, given_at FROM gateway.training_records ORDER BY subject_ref = $1 DESC, given_at"
        return [tuple(row) for row in await database.pool.fetch(sql, one.subject_ref)]

    await replayed(database, one.fact(FactKind.WITHDRAWN, "marketing"), one.fact(FactKind.OBJECTED, "train_models"))
    assert len(await kept()) == 3
    for _ in range(2):
        await replayed(database, one.fact(FactKind.WITHDRAWN, "train_models"))

    assert await kept() == [(one.subject_ref, LATER + timedelta(days=1)), (other.subject_ref, BACKUP)]
