"""Key backups, and two drills: the keyring is lost, and the recovery key is lost."""

import io
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from lethe_common.database import Database
from lethe_common.identifiers import SubjectRef
from lethe_common.rpc.privacy import KeyWish
from lethe_common.sealing import CannotOpen, Sealer
from lethe_common.services import Service
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.errors import KeyBackupInvalid, KeyringLost
from lethe_privacy.key_replays import SET_MARK
from lethe_privacy.keybackups import TABLES, KeyBackups, KeyRestoration
from lethe_privacy.recovery import Label, piece, public_recovery_key, seal_header, section_head
from lethe_privacy.rotation import Rotation, Rules, back_up_now, begin_first
from lethe_privacy.rotation_queries import load
from tests.hand_clock import HandClock
from tests.integration.key_store import empty_key_store
from tests.integration.test_privacy_keys import KeyStore, keys, lease, login, opened_subject, refusals, wish
from tests.servers import RunningServers

COLUMNS = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'keys'"
OLDER = {
    "subjects": "subject_ref, state, consents, objections, holder_ref, is_restricted",
    "class_keys": "subject_ref, key_class, key_id, wrapped, epoch_id",
    "item_keys": "item_id, subject_ref, key_class, key_id, wrapped, created_at",
}
"""Some of what backups held before they knew when somebody was erased."""
DAILY = Rules(rotation=timedelta(days=1), key_backups=2)


@dataclass
class Vault:
    """A key store with a keyring, a folder of backups and a recovery key."""

    database: Database
    path: Path
    clock: HandClock
    servers: RunningServers

    @property
    def store(self) -> KeyStore:
        """As a process that was just started sees it."""
        return KeyStore(self.database, self.path / "keyring")

    @property
    def backups(self) -> KeyBackups:
        keyring = FolderKeyring(self.path / "keyring")
        return KeyBackups(self.path / "backups", self.path / "recovery.pub", keyring)

    def new_recovery_key(self) -> bytes:
        """The private half; the public one is where the service finds it."""
        key = X25519PrivateKey.generate()
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (self.path / "recovery.pub").write_bytes(public)
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    async def rotate(self, **later: float) -> None:
        keyring = FolderKeyring(self.path / "keyring")
        rotation = Rotation(self.database, keyring, self.backups, lambda _now: DAILY)
        await rotation.sweep(self.clock.advance(**(later or {"days": 1})))

    async def people(self, number: int) -> list[KeyWish]:
        wishes = [wish(await opened_subject(self.store)) for _ in range(number)]
        await self.store.items.issue(wishes)
        return wishes

    async def opened(self, wishes: list[KeyWish]) -> list[bytes | None]:
        return keys(await self.store.lease([lease(one) for one in wishes]))

    async def restore(self, file: Path, recovery_key: bytes, *, with_store: bool) -> Label:
        restoration = KeyRestoration(FolderKeyring(self.path / "keyring"), recovery_key)
        if not with_store:
            return await restoration.restore(file, None)
        owner = await Database.open(self.servers.keys_dsn("privacy_owner"), Service.PRIVACY, schema="keys")
        try:
            async with owner.transaction() as tx:
                return await restoration.restore(file, tx)
        finally:
            await owner.close()

    async def mark(self, number: int) -> None:
        """Say up to which fact all hold in the key store."""
        async with self.database.transaction() as tx:
            await tx.execute(SET_MARK, number)

    async def erase(self, one: KeyWish) -> None:
        """At policy time, as the saga does it."""
        await self.store.subjects.destroy(SubjectRef(one.subject_ref), self.clock.now())

    async def erased_at(self, one: KeyWish) -> datetime | None:
        """Since when somebody is erased; None when nothing is known of them, or no time."""
        sql = "SELECT erased_at FROM subjects WHERE subject_ref = $1"
        found: datetime | None = await self.database.pool.fetchval(sql, one.subject_ref)
        return found

    async def class_key(self, one: KeyWish) -> str:
        sql = "SELECT key_id FROM class_keys WHERE subject_ref = $1"
        return str(await self.database.pool.fetchval(sql, one.subject_ref))

    def lose_keyring(self) -> None:
        shutil.rmtree(self.path / "keyring")


@pytest.fixture
async def vault(servers: RunningServers, tmp_path: Path) -> AsyncIterator[Vault]:
    clock = HandClock()
    database = await empty_key_store(servers, tmp_path / "keyring", clock)
    yield Vault(database, tmp_path, clock, servers)
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


async def test_a_backup_of_an_older_version_is_read_and_who_was_erased_counts_from_then_on(vault: Vault) -> None:
    recovery_key = vault.new_recovery_key()
    erased, living = await vault.people(2)
    await vault.erase(erased)
    before = await vault.opened([living])
    file = await _of_an_older_version(vault)

    await vault.restore(file, recovery_key, with_store=True)

    at = await vault.erased_at(erased)
    assert at is not None
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
    assert await vault.erased_at(living) is None
    assert await vault.opened([living]) == before


async def test_a_backup_with_columns_that_are_none_of_ours_is_refused(vault: Vault) -> None:
    recovery_key = vault.new_recovery_key()
    await vault.people(1)

    for section in ("losses/subject_ref,more", "losses/subject_ref) FROM x --", "losses", "unknown/subject_ref"):
        file = await _of_an_older_version(vault, section)
        with pytest.raises(KeyBackupInvalid, match="does not know"):
            await vault.restore(file, recovery_key, with_store=True)


async def _of_an_older_version(vault: Vault, empty: str | None = None) -> Path:
    """The generation in use as it was backed up before sections named columns, behind it an empty section of this name."""
    async with vault.database.transaction() as tx:
        generation = await load(tx)
        assert generation is not None
        label = Label(generation.number, generation.epoch_id, generation.began_at)
        head, file_key = seal_header(label, public_recovery_key((vault.path / "recovery.pub").read_bytes()))
        sections = []
        for name, content in (await FolderKeyring(vault.path / "keyring").keys_to_back_up(label.epoch_id)).items():
            sections.append(section_head(f"keyring/{name}") + piece(content) + piece(b""))
        for table, columns in OLDER.items():
            copied = io.BytesIO()
            await tx.connection.copy_from_query(f"SELECT {columns} FROM {table}", output=copied, format="binary")
            sections.append(section_head(f"table/{table}") + piece(copied.getvalue()) + piece(b""))
    if empty is not None:
        sections.append(section_head(f"table/{empty}") + piece(b""))

    async def body() -> AsyncIterator[bytes]:
        for section in sections:
            yield section

    sealed = [part async for part in Sealer(is_on=True).seal_stream(file_key.key, file_key.context, body())]
    file = vault.path / "older.keys"
    file.write_bytes(head + b"".join(sealed))
    return file


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
