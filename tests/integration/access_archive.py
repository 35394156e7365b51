"""A privacy service as far as keys and the log of their leases go, on its two databases."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lethe_common.consents import texts_of
from lethe_common.database import Database
from lethe_common.database.migration import Schema, migrate, turn_partitions
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.policy import PolicyBook, load_book
from lethe_common.purposes import uses_of
from lethe_common.rpc.privacy import ItemKey, KeyClass, KeyLeaseQuestion, KeyWish, LeaseWish, Purpose
from lethe_common.services import Service
from lethe_privacy.access_checkpoints import Checkpoint
from lethe_privacy.access_checks import Walk
from lethe_privacy.access_log import AccessLog
from lethe_privacy.accesses import Accesses
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.classkeys import ClassKeys
from lethe_privacy.endpoints import KeyAnswers
from lethe_privacy.errors import AccessLogBroken
from lethe_privacy.itemkeys import ItemKeys
from lethe_privacy.leases import Gate
from lethe_privacy.models import Table
from lethe_privacy.subjects import Subjects
from tests.hand_clock import HandClock
from tests.integration.key_store import empty_key_store
from tests.servers import RunningServers
from tests.tree import ROOT

PROCESS = "a" * 16
PROFILES = ROOT / "deploy/profiles"


@dataclass
class Archive:
    """A privacy service as far as keys and their log go."""

    servers: RunningServers
    database: Database
    keys_database: Database
    clock: HandClock
    book: PolicyBook
    key: Ed25519PrivateKey
    keyring: FolderKeyring

    def __post_init__(self) -> None:
        self.items = ItemKeys(self.keys_database, ClassKeys(self.keyring), self.clock)
        self.subjects = Subjects(self.keys_database, self.keyring)
        self.accesses = Accesses(self.database, self.items)

    def replica(self) -> "Replica":
        return Replica(self)

    async def subject(self) -> tuple[SubjectRef, list[LeaseWish]]:
        """Somebody with three items."""
        subject_ref = SubjectRef.new()
        await self.subjects.open(subject_ref, hashlib.sha256(secrets.token_bytes(8)).hexdigest())
        wishes = [
            KeyWish(subject_ref=subject_ref, item_id=GenerationId.new(), key_class=KeyClass.CONTENT) for _ in range(3)
        ]
        await self.items.issue(wishes)
        return subject_ref, [LeaseWish(subject_ref=subject_ref, item_id=wish.item_id) for wish in wishes]

    async def verify(self, *outside: Checkpoint) -> Walk:
        return await self.accesses.verify(self.key, outside)

    async def broken(self, *outside: Checkpoint) -> str:
        with pytest.raises(AccessLogBroken) as refusal:
            await self.verify(*outside)
        return str(refusal.value)

    async def tamper(self, *statements: str) -> None:
        """As somebody who has the database's owner role."""
        connection = await asyncpg.connect(self.servers.dsn("privacy_owner"))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


class Replica:
    """One process of it."""

    def __init__(self, archive: Archive) -> None:
        gate = Gate(uses_of(archive.book.versions[0]), texts_of(archive.book.versions[0]))
        self.log = AccessLog(
            archive.database, archive.items, archive.book, archive.clock, archive.key, max_waiting=1_000
        )
        self.answers = KeyAnswers(
            archive.subjects, archive.items, lambda: gate, self.log, max_batch=32, max_waiting=1_000, writers=1
        )
        self.tasks = [asyncio.ensure_future(run()) for run in (self.answers.leasing.run, self.log.run)]

    async def lease(self, *wishes: LeaseWish, purpose: Purpose = Purpose.SHOW) -> tuple[ItemKey, ...]:
        question = KeyLeaseQuestion(purpose=purpose, process=PROCESS, wishes=wishes)
        return (await self.answers.lease(question, Service.GATEWAY)).keys

    def stop(self) -> None:
        for task in self.tasks:
            task.cancel()


@asynccontextmanager
async def opened_archive(servers: RunningServers, folder: Path) -> AsyncIterator[Archive]:
    """The schemas brought up to date and empty; its keyring in the folder."""
    revisions = ROOT / "services/privacy/lethe_privacy/migrations"
    await migrate(servers.dsn("privacy_owner"), Schema("privacy", "privacy", revisions, Table.metadata))
    database = await Database.open(servers.dsn("privacy"), Service.PRIVACY)
    await turn_partitions(database.pool, 3, 7)
    clock = HandClock()
    keys_database = await empty_key_store(servers, folder / "keyring", clock)
    book, key = load_book(PROFILES / "aisora2"), Ed25519PrivateKey.generate()
    opened = Archive(servers, database, keys_database, clock, book, key, FolderKeyring(folder / "keyring"))
    await opened.tamper("TRUNCATE privacy.access_batches, privacy.access_bodies, privacy.access_checkpoints")
    yield opened
    await database.close()
    await keys_database.close()
