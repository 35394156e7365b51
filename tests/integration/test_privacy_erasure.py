import asyncio
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lethe_common.certificates import public_pem, render, verify
from lethe_common.clock import RealClock, monotonic_seconds
from lethe_common.database import Database
from lethe_common.database.migration import Schema, migrate, turn_partitions
from lethe_common.errors import Unavailable
from lethe_common.events.privacy import ErasureStepReported, StoreCount
from lethe_common.events.retention import LegalHoldLifted
from lethe_common.identifiers import ErasureId, GenerationId, LegalHoldId, SubjectRef
from lethe_common.policy import load_book
from lethe_common.rpc.privacy import ErasureStateQuestion, KeyClass, KeyWish
from lethe_common.services import Service
from lethe_common.storage import Storage
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.certificates import Attestor
from lethe_privacy.classkeys import ClassKeys
from lethe_privacy.endpoints import ErasureAnswers
from lethe_privacy.erasures import OWNERS
from lethe_privacy.errors import SubjectUnknown, TooManyClaims
from lethe_privacy.facts import Facts
from lethe_privacy.handlers import ErasureHandlers
from lethe_privacy.itemkeys import ItemKeys
from lethe_privacy.models import Table
from lethe_privacy.saga import ErasureSaga, Pace
from lethe_privacy.subjects import Subjects
from lethe_privacy.transparency import CertificateLog
from lethe_privacy.verification import Cluster, Place, Verifier
from tests.integration.key_store import empty_key_store
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
            rows = await tx.fetch("SELECT type, data FROM outbox ORDER BY event_id")
        return [row["type"] for row in rows if json.loads(row["data"])["subject_ref"] == subject_ref]

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
    subjects = Subjects(keys_database, keyring)
    urls = {cluster: servers.dsn("verifier", cluster.value) for cluster in Cluster}
    book = load_book(ROOT / "deploy/profiles/aisora2")
    attestor, facts = Attestor(book, clock.kind, "0.1.0"), Facts(database, book, clock)
    holds, eyes, log = Holds(), Verifier(urls, seen, PLACES), CertificateLog(signing_key, clock)
    saga = ErasureSaga(database, subjects, eyes, attestor, signing_key, log, clock, PACE, holds.of, facts)
    items = ItemKeys(keys_database, ClassKeys(keyring), clock)
    answers = ErasureAnswers(saga, database, log, public_pem(signing_key))
    yield Desk(database, subjects, items, saga, answers, signing_key, store, holds)
    for closable in (database, keys_database, store, seen):
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


async def test_an_erasure_ends_in_a_certificate_that_passes_offline(desk: Desk) -> None:
    subject_ref, link = await desk.subject(), claim()

    erasure_id = await desk.saga.open(subject_ref, link)
    await desk.until_state(erasure_id, "erasing")
    await desk.report(erasure_id, subject_ref, *OWNERS)
    await desk.until_state(erasure_id, "completed")

    answer = await desk.answers.state(ErasureStateQuestion(claim_hash=link), Service.GATEWAY)
    assert answer.certificate is not None
    payload = verify(render(answer.certificate), public_pem(desk.signing_key).encode()).payload
    assert payload["certificate_id"] == answer.certificate_id
    stores = payload["stores"]
    assert isinstance(stores, list)
    before = {line["store"]: line["before"] for line in stores if isinstance(line, dict)}
    assert before["pg:keys.item_keys"] == 3
    assert before["pg:gateway.rows"] == 2
    assert await desk.told(subject_ref) == [
        "privacy.erasure.fenced.v1",
        "privacy.erasure.step_requested.v1",
        "privacy.erasure.completed.v1",
    ]


async def test_after_the_end_only_the_facts_ledger_names_the_subject(desk: Desk) -> None:
    subject_ref, link = await desk.subject(), claim()
    erasure_id = await desk.saga.open(subject_ref, link)
    await desk.until_state(erasure_id, "erasing")
    await desk.report(erasure_id, subject_ref, *OWNERS)
    await desk.until_state(erasure_id, "completed")

    for table in ("erasures", "claims", "steps", "certificates"):
        named = f"SELECT count(*) FROM {table} AS row WHERE row::text LIKE '%' || $1 || '%'"
        assert await desk.value(named, subject_ref) == 0
    facts = await desk.value("SELECT array_agg(kind ORDER BY kind) FROM facts WHERE subject_ref = $1", subject_ref)
    assert facts == ["erased", "erasure_requested"]
    assert await desk.saga.open(subject_ref, link) == erasure_id
    with pytest.raises(SubjectUnknown):
        await desk.saga.open(subject_ref, claim())


async def test_keys_are_destroyed_only_after_every_owner_has_reported(desk: Desk) -> None:
    subject_ref = await desk.subject()
    erasure_id = await desk.opened(subject_ref)
    first, *others = sorted(OWNERS)

    await desk.report(erasure_id, subject_ref, *others, *others)
    while await desk.saga.take_step():
        pass
    assert await desk.state(erasure_id) == "erasing"
    assert (await desk.subjects.fence(subject_ref)).item_keys == 3

    await desk.report(erasure_id, subject_ref, first)
    await desk.until_state(erasure_id, "completed")
    assert (await desk.subjects.fence(subject_ref)).item_keys == 0


async def test_a_second_request_joins_the_erasure_under_way_with_a_link_of_its_own(desk: Desk) -> None:
    subject_ref, links = await desk.subject(), [claim() for _ in range(3)]

    erasures = {await desk.saga.open(subject_ref, link) for link in (*links, *links)}

    assert len(erasures) == 1
    for link in links:
        answer = await desk.answers.state(ErasureStateQuestion(claim_hash=link), Service.GATEWAY)
        assert (answer.erasure_id, answer.state) == (*erasures, "fenced")
    with pytest.raises(TooManyClaims):
        await desk.saga.open(subject_ref, claim())


async def test_many_requests_at_once_are_one_erasure_told_once(desk: Desk) -> None:
    subject_ref = await desk.subject()

    erasures = await asyncio.gather(*(desk.saga.open(subject_ref, claim()) for _ in range(3)))

    assert len(set(erasures)) == 1
    assert await desk.told(subject_ref) == ["privacy.erasure.fenced.v1"]


async def test_an_unknown_subject_and_an_unknown_link_are_said_to_be_so(desk: Desk) -> None:
    with pytest.raises(SubjectUnknown):
        await desk.saga.open(SubjectRef.new(), claim())

    answer = await desk.answers.state(ErasureStateQuestion(claim_hash=claim()), Service.GATEWAY)

    assert (answer.state, answer.erasure_id, answer.certificate) == ("unknown", None, None)


async def leave_row(desk: Desk, servers: RunningServers, subject_ref: SubjectRef) -> Callable[[], object]:
    await as_owner(servers, f"INSERT INTO billing.elsewhere VALUES ('{subject_ref}')")
    return lambda: as_owner(servers, f"DELETE FROM billing.elsewhere WHERE subject_ref = '{subject_ref}'")


async def leave_object(desk: Desk, servers: RunningServers, subject_ref: SubjectRef) -> Callable[[], object]:
    desk.prefixes[subject_ref] = f"outputs/{secrets.token_hex(16)}/"
    await desk.store.put_bytes(desk.prefixes[subject_ref] + "left", b"sealed")
    return lambda: desk.store.remove_all_versions(desk.prefixes[subject_ref])


@pytest.mark.parametrize(("leave", "place"), [(leave_row, "pg:billing.elsewhere"), (leave_object, "s3:outputs")])
async def test_nothing_is_certified_while_something_is_left(
    desk: Desk, servers: RunningServers, leave: Callable[..., object], place: str
) -> None:
    subject_ref = await desk.subject()
    remove = await leave(desk, servers, subject_ref)  # type: ignore[misc]  # one of the two above
    erasure_id = await desk.opened(subject_ref)
    await desk.report(erasure_id, subject_ref, *OWNERS)

    await desk.until_state(erasure_id, "verification_failed")

    residue = json.loads(str(await desk.value("SELECT residue FROM erasures WHERE erasure_id = $1", erasure_id)))
    assert [(one["store"], one["found"]) for one in residue] == [(place, 1)]
    await remove()
    give_up_at = monotonic_seconds() + 20
    while (await desk.told(subject_ref)).count("privacy.erasure.step_requested.v1") < 2:
        assert monotonic_seconds() < give_up_at
        await desk.saga.take_step()
        await asyncio.sleep(0.02)
    await desk.report(erasure_id, subject_ref, *OWNERS)
    await desk.until_state(erasure_id, "completed")


async def test_what_an_owner_admits_to_have_left_is_not_certified(desk: Desk) -> None:
    subject_ref = await desk.subject()
    erasure_id = await desk.opened(subject_ref)
    await desk.report(erasure_id, subject_ref, *OWNERS, after=1)

    await desk.until_state(erasure_id, "verification_failed")


async def test_a_place_that_cannot_be_looked_into_holds_the_certificate_back(
    desk: Desk, servers: RunningServers
) -> None:
    subject_ref = await desk.subject()
    erasure_id = await desk.opened(subject_ref)
    await desk.report(erasure_id, subject_ref, *OWNERS)
    await as_owner(servers, "REVOKE SELECT (subject_ref) ON billing.elsewhere FROM verifier")
    await desk.until_state(erasure_id, "verifying")

    await desk.saga.take_step()
    assert await desk.state(erasure_id) == "verifying"

    await as_owner(servers, ELSEWHERE)
    await desk.until_state(erasure_id, "completed")


async def test_an_erasure_whose_process_died_before_the_fence_goes_on_by_itself(desk: Desk) -> None:
    subject_ref = await desk.subject()
    erasure_id = await desk.opened(subject_ref)
    async with desk.database.transaction() as tx:
        await tx.execute(
            "UPDATE erasures SET state = 'requested', not_before = now() WHERE erasure_id = $1", erasure_id
        )
        await tx.execute("DELETE FROM steps WHERE erasure_id = $1", erasure_id)

    await desk.until_state(erasure_id, "erasing")
    await desk.report(erasure_id, subject_ref, *OWNERS)
    await desk.until_state(erasure_id, "completed")


async def test_a_step_nobody_answered_is_asked_for_again(desk: Desk) -> None:
    subject_ref = await desk.subject()
    await desk.opened(subject_ref)

    give_up_at = monotonic_seconds() + 20
    while (await desk.told(subject_ref)).count("privacy.erasure.step_requested.v1") < 3:
        assert monotonic_seconds() < give_up_at
        await desk.saga.take_step()
        await asyncio.sleep(0.02)


async def test_a_held_erasure_fences_the_subject_and_erases_nothing_until_the_hold_ends(desk: Desk) -> None:
    subject_ref, hold_id, link = await desk.subject(), LegalHoldId.new(), claim()
    desk.holds.held_by = (hold_id,)
    erasure_id = await desk.saga.open(subject_ref, link)
    await desk.until_state(erasure_id, "held")
    while await desk.saga.take_step():
        pass
    assert await desk.told(subject_ref) == ["privacy.erasure.fenced.v1"]
    assert (await desk.subjects.fence(subject_ref)).item_keys == 3
    assert (await desk.answers.state(ErasureStateQuestion(claim_hash=link), Service.GATEWAY)).state == "held"

    desk.holds.held_by = ()
    event = LegalHoldLifted(hold_id=hold_id, subject_ref=subject_ref, generation_id=None, lifted_at=RealClock().now())
    async with desk.database.transaction() as tx:
        await ErasureHandlers(desk.saga.wake).on_hold_lifted(event, tx)

    await desk.until_state(erasure_id, "erasing")


async def test_while_nobody_can_say_whether_a_subject_is_held_nothing_of_it_is_erased(desk: Desk) -> None:
    subject_ref = await desk.subject()
    desk.holds.is_away = True
    erasure_id = await desk.saga.open(subject_ref, claim())
    await desk.saga.take_step()
    assert await desk.state(erasure_id) == "fenced"
    assert await desk.told(subject_ref) == ["privacy.erasure.fenced.v1"]

    desk.holds.is_away = False

    await desk.until_state(erasure_id, "erasing")


async def test_reports_after_the_end_or_about_others_change_nothing(desk: Desk) -> None:
    subject_ref, other = await desk.subject(), await desk.subject()
    erasure_id = await desk.opened(subject_ref)
    await desk.report(erasure_id, other, *OWNERS)
    assert await desk.value("SELECT count(*) FROM steps WHERE erasure_id = $1", erasure_id) == 1
    await desk.report(erasure_id, subject_ref, *OWNERS)
    await desk.until_state(erasure_id, "completed")

    await desk.report(erasure_id, subject_ref, *OWNERS, after=9)
    await desk.report(ErasureId.new(), subject_ref, *OWNERS)

    assert await desk.state(erasure_id) == "completed"


async def test_certificates_and_facts_cannot_be_changed_by_the_service_itself(desk: Desk) -> None:
    for forbidden in ("UPDATE certificates SET document = ''", "DELETE FROM certificates", "DELETE FROM facts"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await desk.database.pool.execute(forbidden)
