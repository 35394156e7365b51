"""The privacy service as far as erasures go, on real databases and a real store, with owners that report by hand."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lethe_common.certificates import public_pem
from lethe_common.clock import RealClock, monotonic_seconds
from lethe_common.database import Database
from lethe_common.database.migration import Schema, migrate, turn_partitions
from lethe_common.errors import Unavailable
from lethe_common.events.privacy import ErasureStepReported, StoreCount
from lethe_common.identifiers import ErasureId, GenerationId, LegalHoldId, SubjectRef
from lethe_common.policy import load_book
from lethe_common.rpc.privacy import KeyClass, KeyWish
from lethe_common.services import Service
from lethe_common.storage import Storage
from lethe_privacy.access_log import AccessLog
from lethe_privacy.act_desk import Acts
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.certificates import Attestor
from lethe_privacy.classkeys import ClassKeys
from lethe_privacy.endpoints import ErasureAnswers
from lethe_privacy.facts import Facts
from lethe_privacy.handlers import ErasureHandlers
from lethe_privacy.itemkeys import ItemKeys
from lethe_privacy.models import Table
from lethe_privacy.saga import ErasureSaga, Pace
from lethe_privacy.subjects import Subjects
from lethe_privacy.transparency import CertificateLog
from lethe_privacy.verification import Cluster, Place, Verifier
from tests.integration.key_store import empty_key_store
from tests.outboxes import TOLD, told
from tests.servers import RunningServers
from tests.tree import ROOT

PLACES = (
    Place(Cluster.DATA, "billing.elsewhere"),
    Place(Cluster.KEYS, "keys.item_keys"),
    Place(Cluster.KEYS, "keys.class_keys"),
    Place(Cluster.KEYS, "keys.login_index"),
)
ELSEWHERE = "CREATE TABLE IF NOT EXISTS billing.elsewhere (subject_ref text NOT NULL);"
ELSEWHERE += "GRANT SELECT (subject_ref) ON billing.elsewhere TO verifier"
PACE = Pace(
    poll_seconds=0.02,
    step_retry=timedelta(seconds=0.3),
    retry_first=timedelta(seconds=0.1),
    retry_most=timedelta(seconds=0.2),
    claims_per_erasure=3,
    hold_retry=timedelta(hours=1),
    call_again=timedelta(seconds=0.05),
    lease=timedelta(seconds=2),
    lookback=timedelta(hours=1),
)


@dataclass
class Holds:
    """What retention would say of legal holds."""

    held_by: tuple[LegalHoldId, ...] = ()
    is_away: bool = False

    async def of(self, _subject_ref: SubjectRef) -> tuple[LegalHoldId, ...]:
        if self.is_away:
            raise Unavailable("Retention is away.")
        return self.held_by


@dataclass
class Processes:
    """Those that may have keys: whom was called for, and whether a policy has a log of them at all."""

    called_for: list[SubjectRef] = field(default_factory=list)
    hinted: list[ErasureId] = field(default_factory=list)
    is_recorded: bool = True

    async def call_in(self, subject_ref: SubjectRef) -> None:
        self.called_for.append(subject_ref)

    async def hint(self, erasure_id: ErasureId) -> None:
        self.hinted.append(erasure_id)


@dataclass
class Desk:
    """The privacy service's parts for erasures, with owners that report by hand."""

    database: Database
    subjects: Subjects
    items: ItemKeys
    saga: ErasureSaga
    answers: ErasureAnswers
    signing_key: Ed25519PrivateKey
    store: Storage
    holds: "Holds"
    recorder: AccessLog
    processes: "Processes"
    prefixes: dict[SubjectRef, str] = field(default_factory=dict)

    async def opened(self, subject_ref: SubjectRef) -> ErasureId:
        """An erasure that no legal hold keeps: its owners are asked."""
        erasure_id = await self.saga.open(subject_ref, claim())
        await self.until_state(erasure_id, "erasing")
        return erasure_id

    async def subject(self) -> SubjectRef:
        subject_ref = SubjectRef.new()
        await self.subjects.open(subject_ref, hashlib.sha256(secrets.token_bytes(8)).hexdigest())
        await self.items.issue(
            [KeyWish(subject_ref=subject_ref, item_id=GenerationId.new(), key_class=KeyClass.CONTENT) for _ in range(3)]
        )
        return subject_ref

    async def report(self, erasure_id: ErasureId, subject_ref: SubjectRef, *owners: Service, after: int = 0) -> None:
        for owner in owners:
            counts = (StoreCount(store=f"pg:{owner}.rows", category="identity.account", before=2, after=after),)
            prefix = self.prefixes.get(subject_ref)
            event = ErasureStepReported(
                erasure_id=erasure_id,
                subject_ref=subject_ref,
                owner=owner,
                counts=counts,
                prefixes=(prefix,) if prefix else (),
            )
            async with self.database.transaction() as tx:
                await ErasureHandlers(self.saga.wake).on_step_reported(event, tx)

    async def told(self, subject_ref: SubjectRef) -> list[str]:
        async with self.database.transaction() as tx:
            rows = await tx.fetch(TOLD)
        return [kind for kind, body in told(rows) if body["subject_ref"] == subject_ref]

    async def value(self, sql: str, *args: object) -> object:
        async with self.database.transaction() as tx:
            return await tx.fetchval(sql, *args)

    async def state(self, erasure_id: ErasureId) -> object:
        return await self.value("SELECT state FROM erasures WHERE erasure_id = $1", erasure_id)

    async def until_state(self, erasure_id: ErasureId, wanted: str) -> None:
        """Take outstanding steps until the erasure is where it should be."""
        give_up_at = monotonic_seconds() + 20
        while (state := await self.state(erasure_id)) != wanted:
            assert monotonic_seconds() < give_up_at, f"still {state}"
            if not await self.saga.take_step():
                await asyncio.sleep(0.02)


@pytest.fixture
async def desk(servers: RunningServers, tmp_path: Path) -> AsyncIterator[Desk]:
    revisions = ROOT / "services/privacy/lethe_privacy/migrations"
    await migrate(servers.dsn("privacy_owner"), Schema("privacy", "privacy", revisions, Table.metadata))
    await as_owner(servers, ELSEWHERE)
    database = await Database.open(servers.dsn("privacy"), Service.PRIVACY)
    await turn_partitions(database.pool, 3, 7)
    keys_database = await empty_key_store(servers, tmp_path)
    store, seen = storage(servers, "jobs"), storage(servers, "verifier")
    clock, keyring, signing_key = RealClock(), FolderKeyring(tmp_path), Ed25519PrivateKey.generate()
    subjects, items = Subjects(keys_database, keyring), ItemKeys(keys_database, ClassKeys(keyring), clock)
    urls = {cluster: servers.dsn("verifier", cluster.value) for cluster in Cluster}
    book = load_book(ROOT / "deploy/profiles/aisora2")
    attestor, facts = Attestor(book, clock.kind, "0.1.0"), Facts(database, book, clock)
    holds, eyes, log = Holds(), await Verifier.open(urls, seen, PLACES), CertificateLog(signing_key, clock)
    recorder = AccessLog(database, items, book, clock, signing_key, max_waiting=100)
    processes, acts = Processes(), Acts(database, items, book, batch=1)
    saga = ErasureSaga(
        database, subjects, eyes, attestor, signing_key, log, clock, PACE, holds.of, facts,
        processes.call_in, lambda at: processes.is_recorded and recorder.is_kept(at), acts, processes.hint,
    )  # fmt: skip
    answers = ErasureAnswers(saga, database, log, public_pem(signing_key))
    recording = asyncio.ensure_future(recorder.run())
    yield Desk(database, subjects, items, saga, answers, signing_key, store, holds, recorder, processes)
    recording.cancel()
    for closable in (database, keys_database, store, eyes):
        await closable.close()
    await as_owner(servers, "DROP TABLE billing.elsewhere")


async def as_owner(servers: RunningServers, sql: str) -> None:
    connection = await asyncpg.connect(servers.dsn("billing_owner"))
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


def storage(servers: RunningServers, identity: str) -> Storage:
    key = servers.s3_key(identity)
    return Storage(servers.s3_endpoint, key.access_key, key.secret_key, servers.runtime.s3_bucket)


def claim() -> str:
    return secrets.token_hex(32)
