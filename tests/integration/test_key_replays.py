"""An older key store is brought back: whoever was erased has no keys again, and a no stays a no unless a yes came after it."""

import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from lethe_common.clock import RealClock
from lethe_common.database import Database
from lethe_common.database.migration import Schema, migrate
from lethe_common.identifiers import GenerationId, SealKeyId, SubjectRef
from lethe_common.policy import load_book
from lethe_common.replay import LedgerRefused
from lethe_common.rpc.envelope import NoAnswer
from lethe_common.rpc.facts import FactKind, NewFact
from lethe_common.rpc.retention import RemovalWish
from lethe_common.services import Service
from lethe_privacy.facts import Facts
from lethe_privacy.key_replays import KeyReplay
from lethe_privacy.models import Table
from lethe_privacy.wiring import migrate_keys
from tests.servers import RunningServers
from tests.tree import ROOT

NOW = datetime.now(UTC)
ADD_LINE = """
    INSERT INTO keys.consents (holder_ref, purpose, choice, policy_version, policy_hash, text_hash, language, way, at)
    VALUES ($1, 'train_models', 'consented', 1, repeat('a', 64), repeat('b', 64), 'en', 'settings', $2)
"""


@dataclass
class Store:
    """A ledger of facts, and a key store as the superuser sees it."""

    facts: Facts
    database: Database
    keys: Database
    eye: asyncpg.Connection

    held: set[str] = field(default_factory=set)
    is_retention_away: bool = False

    def replay(self) -> KeyReplay:
        return KeyReplay(self.keys, self.facts, self.held_of, every_seconds=60)

    async def held_of(self, wishes: Sequence[RemovalWish]) -> set[str]:
        if self.is_retention_away:
            raise NoAnswer("Retention is away.")
        return self.held & {wish.generation_id for wish in wishes}

    async def item(self, ref: SubjectRef) -> GenerationId:
        """A video with its key."""
        item = GenerationId.new()
        await self.eye.execute(
            "INSERT INTO keys.item_keys (item_id, subject_ref, key_class, key_id, wrapped, created_at)"
            " VALUES ($1, $2, 'content', $3, $4, $5)",
            item, ref, SealKeyId.new(), secrets.token_bytes(60), NOW,
        )  # fmt: skip
        return item

    async def items(self) -> set[str]:
        """The videos that have keys."""
        return {row[0] for row in await self.eye.fetch("SELECT item_id FROM keys.item_keys")}

    async def mark(self) -> int:
        return int(await self.eye.fetchval("SELECT number FROM keys.facts_mark") or 0)

    async def subject(self, said_at: datetime | None = None, state: str = "active") -> SubjectRef:
        """Somebody with a login and, if said, a consent."""
        ref, holder = SubjectRef.new(), secrets.token_hex(16)
        consents = [f"train_models:{'b' * 64}"] if said_at else []
        await self.eye.execute(
            "INSERT INTO keys.subjects (subject_ref, state, consents, holder_ref) VALUES ($1, $2, $3, $4)",
            ref, state, consents, holder if said_at else None,
        )  # fmt: skip
        await self.eye.execute("INSERT INTO keys.login_index VALUES ($1, $2)", secrets.token_bytes(32), ref)
        if said_at:
            await self.eye.execute(ADD_LINE, holder, said_at)
        return ref

    async def record(self, kind: FactKind, ref: SubjectRef, about: str = "") -> None:
        async with self.database.transaction() as tx:
            await self.facts.append(tx, [NewFact(kind=kind, subject_ref=ref, ref=about, at=NOW)])

    async def row(self, ref: SubjectRef) -> tuple[str, list[str], list[str]]:
        row = await self.eye.fetchrow(
            "SELECT state, consents, objections FROM keys.subjects WHERE subject_ref = $1", ref
        )
        assert row is not None
        return row["state"], row["consents"], row["objections"]


@pytest.fixture
async def store(servers: RunningServers) -> AsyncIterator[Store]:
    await servers.empty_schemas()
    revisions = ROOT / "services/privacy/lethe_privacy/migrations"
    await migrate(servers.dsn("privacy_owner"), Schema("privacy", "privacy", revisions, Table.metadata))
    await migrate_keys(servers.keys_dsn("privacy_owner"))
    database = await Database.open(servers.dsn("privacy"), Service.PRIVACY)
    keys = await Database.open(servers.keys_dsn("privacy"), Service.PRIVACY, schema="keys")
    eye = await asyncpg.connect(servers.superuser_dsn("lethe_keys"))
    facts = Facts(database, load_book(ROOT / "deploy/profiles/aisora2"), RealClock())
    await facts.begin()
    yield Store(facts, database, keys, eye)
    await eye.close()
    await keys.close()
    await database.close()


async def test_who_was_erased_or_asked_for_it_gets_no_key_from_an_older_store(store: Store) -> None:
    erased, asking, living = [await store.subject() for _ in range(3)]
    await store.record(FactKind.ERASED, erased)
    await store.record(FactKind.ERASURE_REQUESTED, asking)

    for _ in range(2):
        await store.replay().catch_up()

    assert [(await store.row(ref))[0] for ref in (erased, asking, living)] == ["erased", "fenced", "active"]
    logins = await store.eye.fetch("SELECT subject_ref FROM keys.login_index")
    assert {row[0] for row in logins} == {asking, living}
    assert await store.eye.fetchval("SELECT number FROM keys.facts_mark") == 3


async def test_a_no_stays_a_no_unless_a_yes_came_after_it(store: Store) -> None:
    before, after = await store.subject(NOW - timedelta(days=1)), await store.subject(NOW + timedelta(seconds=1))
    silent = await store.subject()
    for ref in (before, after):
        await store.record(FactKind.WITHDRAWN, ref, "train_models")
    await store.record(FactKind.OBJECTED, silent, "marketing")

    await store.replay().catch_up()

    assert (await store.row(before))[1] == []
    assert (await store.row(after))[1] == [f"train_models:{'b' * 64}"]
    assert (await store.row(silent))[2] == ["marketing"]


async def test_who_restricted_the_processing_is_restricted_until_it_was_lifted(store: Store) -> None:
    restricted, lifted = await store.subject(), await store.subject()
    await store.record(FactKind.RESTRICTED, restricted)
    await store.record(FactKind.RESTRICTED, lifted)
    await store.record(FactKind.RESTRICTION_ENDED, lifted)

    await store.replay().catch_up()

    sql = "SELECT is_restricted FROM keys.subjects WHERE subject_ref = $1"
    assert [await store.eye.fetchval(sql, ref) for ref in (restricted, lifted)] == [True, False]


async def test_what_was_deleted_loses_its_key_again_and_what_a_hold_keeps_does_not(store: Store) -> None:
    ref, other = await store.subject(), await store.subject()
    deleted, held, living, anothers = [await store.item(one) for one in (ref, ref, ref, other)]
    store.held = {held}
    for item in (deleted, held, anothers):
        await store.record(FactKind.ITEM_DELETED, ref, item)

    replay = store.replay()
    await replay.catch_up()
    # Retention answers nobody before this service is open.
    assert await store.items() == {deleted, held, living, anothers}
    await replay.destroy_deleted()

    assert await store.items() == {held, living, anothers}
    assert await store.eye.fetchval("SELECT array_agg(subject_ref) FROM keys.losses") == [ref]
    assert await store.mark() == 4


async def test_while_retention_is_away_deleted_items_stay_to_be_destroyed_by_a_later_start(store: Store) -> None:
    ref = await store.subject()
    deleted = await store.item(ref)
    await store.record(FactKind.RESTRICTED, ref)
    await store.record(FactKind.ITEM_DELETED, ref, deleted)
    store.is_retention_away = True
    replay = store.replay()
    await replay.catch_up()
    with pytest.raises(NoAnswer):
        await replay.destroy_deleted()
    assert (await store.items(), await store.mark()) == ({deleted}, 0)

    store.is_retention_away = False
    again = store.replay()
    await again.catch_up()
    await again.destroy_deleted()

    assert (await store.items(), await store.mark()) == (set(), 3)


async def test_keys_do_not_start_beside_a_ledger_that_is_older_than_they_are(store: Store) -> None:
    await store.eye.execute("INSERT INTO keys.facts_mark (number) VALUES (2)")

    with pytest.raises(LedgerRefused, match="older than the keys"):
        await store.replay().catch_up()
