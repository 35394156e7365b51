"""Key backups, and two drills: the keyring is lost, and the recovery key is lost."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import asyncpg
import pytest

import lethe_privacy.migrations
from lethe_common.database import Database
from lethe_common.database.migration import migrate
from lethe_common.identifiers import SubjectRef
from lethe_common.rpc.facts import FactKind, NewFact
from lethe_common.rpc.privacy import KeyWish
from lethe_common.rpc.retention import RemovalWish
from lethe_common.sealing import CannotOpen
from lethe_common.services import Service
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.errors import KeyBackupInvalid, KeyringLost
from lethe_privacy.facts import Facts
from lethe_privacy.key_replays import KeyReplay
from lethe_privacy.keybackups import TABLES
from lethe_privacy.models import Table
from lethe_privacy.rotation import back_up_now, begin_first
from tests.integration.keepers import schema
from tests.integration.key_store import empty_key_store
from tests.integration.test_privacy_keys import lease, login, refusals, wish
from tests.integration.vault import DAILY, Vault, opened_vault
from tests.servers import RunningServers
from tests.unit.common.policy_files import shipped

COLUMNS = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'keys'"


@pytest.fixture
async def vault(servers: RunningServers, tmp_path: Path) -> AsyncIterator[Vault]:
    async with opened_vault(servers, tmp_path) as opened:
        yield opened


@dataclass
class Ledger:
    """The ledger of facts, and the generations that a legal hold keeps."""

    database: Database
    facts: Facts
    held: set[str] = field(default_factory=set)

    async def deleted(self, one: KeyWish, at: datetime) -> None:
        """Somebody deleted a video."""
        fact = NewFact(kind=FactKind.ITEM_DELETED, subject_ref=SubjectRef(one.subject_ref), ref=one.item_id, at=at)
        async with self.database.transaction() as tx:
            await self.facts.append(tx, [fact])

    async def held_of(self, wishes: Sequence[RemovalWish]) -> set[str]:
        return self.held & {one.generation_id for one in wishes}


@pytest.fixture
async def ledger(servers: RunningServers, vault: Vault) -> AsyncIterator[Ledger]:
    await migrate(servers.dsn("privacy_owner"), schema("privacy", lethe_privacy.migrations, Table.metadata))
    database = await Database.open(servers.dsn("privacy"), Service.PRIVACY)
    facts = Facts(database, shipped("aisora2").book, vault.clock)
    await facts.begin()
    yield Ledger(database, facts)
    await database.close()


async def test_each_rotation_is_backed_up_and_the_last_two_are_kept(vault: Vault) -> None:
    vault.new_recovery_key()
    await vault.people(2)

    for _ in range(3):
        await vault.rotate()
    assert [label.generation for label, _ in vault.backups.files()] == [2, 3]
    await vault.rotate(days=30)

    assert [label.generation for label, _ in vault.backups.files()] == [4]


async def test_a_backup_shows_nothing_and_only_its_recovery_key_opens_it(vault: Vault) -> None:
    recovery_key = vault.new_recovery_key()
    wishes = await vault.people(2)
    await vault.rotate()
    ((_, file),) = vault.backups.files()

    content = file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0
    assert all(one.subject_ref.encode() not in content for one in wishes)
    vault.lose_keyring()
    with pytest.raises(KeyBackupInvalid, match="sealed to the recovery key"):
        await vault.restore(file, vault.new_recovery_key(), with_store=False)
    for place in (20, len(content) // 2, len(content) - 1):
        changed = bytearray(content)
        changed[place] ^= 1
        file.write_bytes(changed)
        with pytest.raises((KeyBackupInvalid, CannotOpen)):
            await vault.restore(file, recovery_key, with_store=False)
    file.write_bytes(content[:-100])
    with pytest.raises((KeyBackupInvalid, CannotOpen)):
        await vault.restore(file, recovery_key, with_store=False)


async def test_drill_a_lost_keyring_comes_back_from_the_newest_backup_and_nothing_is_lost(vault: Vault) -> None:
    recovery_key, index = vault.new_recovery_key(), login()
    before_rotation = await vault.people(2)
    subject = SubjectRef(before_rotation[0].subject_ref)
    assert await vault.store.subjects.open(subject, index)
    await vault.rotate()
    wishes = [*before_rotation, *await vault.people(2)]
    before = await vault.opened(wishes)

    vault.lose_keyring()
    with pytest.raises(KeyringLost):
        await begin_first(vault.database, FolderKeyring(vault.path / "keyring"), vault.clock)
    await vault.restore(vault.backups.files()[-1][1], recovery_key, with_store=False)
    await begin_first(vault.database, FolderKeyring(vault.path / "keyring"), vault.clock)

    assert await vault.opened(wishes) == before
    assert await vault.store.subjects.find(index) == subject


async def test_drill_a_lost_key_store_comes_back_as_it_was_at_its_last_rotation(vault: Vault) -> None:
    recovery_key, index = vault.new_recovery_key(), login()
    wishes = await vault.people(3)
    subject = SubjectRef(wishes[0].subject_ref)
    assert await vault.store.subjects.open(subject, index)
    before = await vault.opened(wishes)
    await vault.mark(5)
    await vault.rotate()
    late = await vault.people(1)
    file = vault.backups.files()[-1][1]

    vault.lose_keyring()
    await vault.database.close()
    vault.database = await empty_key_store(vault.servers, vault.path / "keyring", vault.clock)
    await vault.mark(9)
    vault.lose_keyring()
    label = await vault.restore(file, recovery_key, with_store=True)
    await begin_first(vault.database, FolderKeyring(vault.path / "keyring"), vault.clock)

    assert label.generation == 1
    assert await vault.opened(wishes) == before
    # From here on the ledger of facts is gone through again: nothing that was decided since may be undone.
    assert await vault.database.pool.fetchval("SELECT number FROM facts_mark") == 5
    assert await vault.store.subjects.find(index) == subject
    assert refusals(await vault.store.lease([lease(one) for one in late])) == ["subject_unknown"]
    await vault.rotate()
    assert await vault.opened(wishes) == before


@pytest.mark.parametrize("steps", [1, 3, 7], ids=["begun", "copied", "swapped"])
async def test_drill_a_key_store_that_was_lost_in_the_middle_of_a_rotation_comes_back_and_rotates(
    vault: Vault, steps: int
) -> None:
    recovery_key, wishes = vault.new_recovery_key(), await vault.people(3)
    await vault.rotate()
    before, file = await vault.opened(wishes), vault.backups.files()[-1][1]
    await vault.begin_to_rotate(steps)

    await vault.restore(file, recovery_key, with_store=True)

    assert await vault.opened(wishes) == before
    await vault.rotate()
    assert await vault.opened(wishes) == before
    assert await vault.database.pool.fetchval("SELECT number FROM generation") == 2


async def test_drill_what_was_deleted_since_the_backup_loses_its_key_again_unless_it_is_held(
    vault: Vault, ledger: Ledger
) -> None:
    recovery_key, (deleted, held, living) = vault.new_recovery_key(), await vault.people(3)
    await vault.mark(await ledger.facts.newest())
    await vault.rotate()
    ledger.held = {held.item_id}
    for one in (deleted, held):
        await ledger.deleted(one, vault.clock.now())
    await vault.store.items.destroy([lease(deleted)])

    await vault.restore(vault.backups.files()[-1][1], recovery_key, with_store=True)
    assert all(await vault.opened([deleted, held, living]))
    replay = KeyReplay(vault.database, ledger.facts, ledger.held_of, every_seconds=60)
    await replay.catch_up()
    await replay.destroy_deleted()

    assert [key is None for key in await vault.opened([deleted, held, living])] == [True, False, False]
    before = await vault.class_key(deleted)
    await vault.rotate()
    assert await vault.class_key(deleted) != before


async def test_drill_a_lost_recovery_key_is_replaced_and_old_backups_are_of_no_use(vault: Vault) -> None:
    vault.new_recovery_key()
    wishes = await vault.people(2)
    await vault.rotate()
    before = await vault.opened(wishes)

    recovery_key = vault.new_recovery_key()
    file = await back_up_now(vault.database, vault.backups)
    assert file is not None
    assert [found for _, found in vault.backups.files()] == [file]
    vault.lose_keyring()
    await vault.restore(file, recovery_key, with_store=False)

    assert await vault.opened(wishes) == before


async def test_a_deleted_key_is_in_no_backup_that_is_kept_after_the_horizon(vault: Vault) -> None:
    recovery_key = vault.new_recovery_key()
    wishes = await vault.people(2)
    await vault.rotate()
    await vault.store.items.destroy([lease(wishes[0])])

    for _ in range(DAILY.key_backups + 1):
        await vault.rotate()

    for _, file in vault.backups.files():
        await vault.restore(file, recovery_key, with_store=True)
        assert refusals(await vault.store.lease([lease(one) for one in wishes])) == ["key_unknown", None]


async def test_a_backup_holds_every_column_of_the_key_store(vault: Vault) -> None:
    columns: dict[str, set[str]] = {}
    for table, column in await vault.database.pool.fetch(COLUMNS):
        columns.setdefault(table, set()).add(column)

    # Which generation it is, is the backup's label; what changed during a rotation is of use to that rotation only.
    assert columns.keys() - {"generation", "touched", "alembic_version"} == TABLES.keys()
    assert {table: set(names) for table, names in TABLES.items()} == {table: columns[table] for table in TABLES}


async def test_who_was_erased_before_a_backup_is_so_since_the_same_time_after_it(vault: Vault) -> None:
    recovery_key = vault.new_recovery_key()
    erased, living = await vault.people(2)
    await vault.erase(erased)
    at = await vault.erased_at(erased)
    await vault.rotate()

    await vault.restore(vault.backups.files()[-1][1], recovery_key, with_store=True)

    assert at is not None
    assert [await vault.erased_at(one) for one in (erased, living)] == [at, None]


async def test_from_whom_something_was_deleted_before_a_backup_gets_new_class_keys_after_it(vault: Vault) -> None:
    recovery_key = vault.new_recovery_key()
    loser, keeper = await vault.people(2)
    kept = wish(SubjectRef(loser.subject_ref))
    await vault.store.items.issue([kept])
    await vault.store.items.destroy([lease(loser)])
    file = await back_up_now(vault.database, vault.backups)
    assert file is not None
    before = [await vault.class_key(one) for one in (loser, keeper)]

    await vault.restore(file, recovery_key, with_store=True)
    await vault.rotate()

    after = [await vault.class_key(one) for one in (loser, keeper)]
    assert [new == old for new, old in zip(after, before, strict=True)] == [False, True]
    assert all(await vault.opened([kept, keeper]))


async def test_without_a_recovery_key_nothing_is_written_and_a_wrong_one_stops_the_rotation(vault: Vault) -> None:
    await vault.rotate()
    assert vault.backups.files() == []

    (vault.path / "recovery.pub").write_text("no key")
    with pytest.raises(KeyBackupInvalid):
        await vault.rotate()

    vault.new_recovery_key()
    await vault.rotate(minutes=1)
    assert [label.generation for label, _ in vault.backups.files()] == [2]


async def test_a_backup_is_taken_while_keys_are_made(vault: Vault) -> None:
    vault.new_recovery_key()
    await vault.people(1)
    connection = await asyncpg.connect(vault.servers.keys_dsn("privacy"))
    try:
        await connection.execute("BEGIN; INSERT INTO keys.login_index VALUES (decode(repeat('00', 32), 'hex'), 'x')")
        await vault.rotate()
        await connection.execute("ROLLBACK")
    finally:
        await connection.close()

    assert len(vault.backups.files()) == 1
