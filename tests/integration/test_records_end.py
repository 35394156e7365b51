"""Records of erasures go a period after their end, on real databases and to the second; the proofs of others hold."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import lethe_privacy.migrations
from lethe_common.certificates import ERASURE_FORMAT, issued, public_pem, render, sign, verify
from lethe_common.database import Database, Transaction
from lethe_common.database.migration import migrate, turn_partitions
from lethe_common.identifiers import CertificateId, ErasureId, SubjectRef
from lethe_common.policy import PolicyBook, load_book
from lethe_common.services import Service
from lethe_privacy import queries
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.certificates import RECORD, Attestor
from lethe_privacy.expiries import RecordExpiries
from lethe_privacy.models import Table
from lethe_privacy.subjects import Subjects
from lethe_privacy.transparency import CertificateLog
from tests.hand_clock import HandClock
from tests.integration.keepers import schema
from tests.integration.key_store import empty_key_store
from tests.servers import RunningServers
from tests.unit.common.policy_files import in_two_versions, shipped, written
from tests.unit.privacy.test_erasure_statement import CALLING, ERASURE, REPORTS, SEEN

KEPT = timedelta(days=3 * 366)
SECOND = timedelta(seconds=1)
AT = datetime(2027, 1, 1, tzinfo=UTC)
HORIZON = timedelta(days=3)


@dataclass
class Records:
    """Erasures as the saga leaves them, and the subjects they were of."""

    database: Database
    keys: Database
    subjects: Subjects
    signing_key: Ed25519PrivateKey
    eye: asyncpg.Connection

    def __post_init__(self) -> None:
        self.log = CertificateLog(self.signing_key, HandClock())

    def expiries(self, book: PolicyBook, batch: int = 100) -> RecordExpiries:
        return RecordExpiries(self.database, self.keys, book, batch=batch)

    async def erased(self, *, is_final: bool = True) -> bytes:
        """Somebody who was erased, with the certificate that ends it."""
        subject_ref, erasure_id = SubjectRef.new(), ErasureId.new()
        await self.subjects.open(subject_ref, erasure_id.removeprefix("erase_") * 2)
        await self.subjects.destroy(subject_ref, AT)
        async with self.database.transaction() as tx:
            await tx.execute(queries.OPEN, erasure_id, subject_ref, "a" * 64, AT, HORIZON)
            await tx.execute(queries.ADD_CLAIM, erasure_id.removeprefix("erase_") * 2, erasure_id, 1)
            await tx.execute(queries.KEYS_DESTROYED, erasure_id, 1)
            erasure = await queries.lock_of_subject(tx, subject_ref)
            assert erasure is not None
            certificate_id, document = await self.certificate(tx)
            await queries.complete(tx, erasure, certificate_id, document.decode(), AT, AT + HORIZON)
            if is_final:
                final_id, final = await self.certificate(tx)
                await queries.finalise(tx, erasure_id, final_id, final.decode(), AT + HORIZON)
        return document

    async def certificate(self, tx: Transaction) -> tuple[CertificateId, bytes]:
        certificate_id = CertificateId.new()
        signed = sign({"format": ERASURE_FORMAT, "certificate_id": certificate_id}, self.signing_key)
        return certificate_id, render(issued(signed, await self.log.append(tx, signed)))

    async def left(self) -> dict[str, int]:
        """How many rows each table has."""
        tables = ("erasures", "claims", "certificates")
        counted = {name: await self.eye.fetchval(f"SELECT count(*) FROM privacy.{name}") for name in tables}
        async with self.keys.transaction() as tx:
            return {**counted, "subjects": await tx.fetchval("SELECT count(*) FROM subjects")}


@pytest.fixture
async def records(servers: RunningServers, tmp_path: Path) -> AsyncIterator[Records]:
    await migrate(servers.dsn("privacy_owner"), schema("privacy", lethe_privacy.migrations, Table.metadata))
    keys = await empty_key_store(servers, tmp_path / "keyring")
    database = await Database.open(servers.dsn("privacy"), Service.PRIVACY)
    await turn_partitions(database.pool, 3, 7)
    eye = await asyncpg.connect(servers.superuser_dsn("lethe_facts"))
    await eye.execute("TRUNCATE privacy.erasures, privacy.log_nodes, privacy.log_heads CASCADE")
    subjects = Subjects(keys, FolderKeyring(tmp_path / "keyring"))
    yield Records(database, keys, subjects, Ed25519PrivateKey.generate(), eye)
    await eye.execute("TRUNCATE privacy.erasures, privacy.log_nodes, privacy.log_heads CASCADE")
    for one in (eye, database, keys):
        await one.close()


async def test_a_record_stays_to_the_last_second_of_its_period_and_then_goes_whole(records: Records) -> None:
    await records.erased()
    living = SubjectRef.new()
    await records.subjects.open(living, "b" * 64)
    expiries = records.expiries(shipped("aisora2").book)

    await expiries.sweep(AT + KEPT - SECOND)
    before = await records.left()
    await expiries.sweep(AT + KEPT)

    assert before == {"erasures": 1, "claims": 1, "certificates": 2, "subjects": 2}
    assert await records.left() == {"erasures": 0, "claims": 0, "certificates": 0, "subjects": 1}
    assert await records.subjects.is_known(living)


async def test_what_waits_for_its_final_certificate_stays_and_the_proofs_of_all_others_hold(records: Records) -> None:
    await records.erased()
    waiting = await records.erased(is_final=False)
    await records.erased()

    await records.expiries(shipped("aisora2").book).sweep(AT + KEPT)

    assert await records.left() == {"erasures": 1, "claims": 1, "certificates": 1, "subjects": 0}
    async with records.database.transaction() as tx:
        published = await records.log.newest(tx, since=3)
        _, later = await records.certificate(tx)
    assert published is not None
    pem = public_pem(records.signing_key).encode()
    checked = verify(waiting, pem, render(published))
    assert checked.other_head is not None
    assert checked.other_head.size == 5
    assert verify(later, pem).head.size == 6


async def test_more_records_than_a_batch_all_go_and_two_replicas_do_not_wait_for_one_another(records: Records) -> None:
    for _ in range(5):
        await records.erased()

    book = shipped("aisora2").book
    await asyncio.gather(*(records.expiries(book, batch=2).sweep(AT + KEPT) for _ in range(2)))
    await records.expiries(book, batch=2).sweep(AT + KEPT)

    assert await records.left() == {"erasures": 0, "claims": 0, "certificates": 0, "subjects": 0}


async def test_a_record_outlives_every_backup_whatever_the_policy_says(records: Records, tmp_path: Path) -> None:
    record = "keep: {from: created, at_least: %s}\n    erase: pseudonymise\n    ground: proof that an erasure"
    written(tmp_path, (record % "P3Y", record % "P7D"))
    expiries, last = records.expiries(load_book(tmp_path)), AT + timedelta(days=14 + 30)
    await records.erased()

    await expiries.sweep(last - SECOND)
    before = await records.left()
    await expiries.sweep(last)

    assert (before["erasures"], before["subjects"]) == (1, 1)
    assert await records.left() == {"erasures": 0, "claims": 0, "certificates": 0, "subjects": 0}


@pytest.mark.parametrize("shorter", ["at_least: P1Y", "at_most: P1Y"])
async def test_a_record_goes_on_the_day_that_its_certificate_names_whatever_a_later_version_says(
    records: Records, tmp_path: Path, shorter: str
) -> None:
    book = load_book(in_two_versions(tmp_path / "profile", (AT - SECOND).isoformat(), ("at_least: P3Y", shorter)))
    statement = Attestor(book, "real", "0.1.0").statement(ERASURE, CALLING, REPORTS, SEEN, AT)
    (last,) = [line.until for line in statement.retained if line.category == RECORD]
    await records.erased()
    assert last is not None

    await records.expiries(book).sweep(last - SECOND)
    before = await records.left()
    await records.expiries(book).sweep(last)

    assert last == AT + KEPT
    assert (before["erasures"], before["subjects"]) == (1, 1)
    assert await records.left() == {"erasures": 0, "claims": 0, "certificates": 0, "subjects": 0}
