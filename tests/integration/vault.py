"""A key store with its keyring, its backups and a recovery key, as drills need them."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from lethe_common.database import Database
from lethe_common.identifiers import SubjectRef
from lethe_common.rpc.privacy import KeyWish
from lethe_common.services import Service
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.key_replays import SET_MARK
from lethe_privacy.keybackups import KeyBackups, KeyRestoration
from lethe_privacy.recovery import Label
from lethe_privacy.rotation import Rotation, Rules
from tests.hand_clock import HandClock
from tests.integration.key_store import empty_key_store
from tests.integration.test_privacy_keys import KeyStore, keys, lease, opened_subject, wish
from tests.servers import RunningServers

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

    async def begin_to_rotate(self, steps: int, **later: float) -> None:
        """Take a rotation's first steps, as somebody who dies then."""
        keyring = FolderKeyring(self.path / "keyring")
        rotation = Rotation(self.database, keyring, self.backups, lambda _now: DAILY)
        now = self.clock.advance(**(later or {"days": 1}))
        for _ in range(steps):
            assert await rotation.take_step(now)

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


@asynccontextmanager
async def opened_vault(servers: RunningServers, folder: Path) -> AsyncIterator[Vault]:
    """Everything empty but for a first generation."""
    clock = HandClock()
    database = await empty_key_store(servers, folder / "keyring", clock)
    vault = Vault(database, folder, clock, servers)
    yield vault
    await vault.database.close()
