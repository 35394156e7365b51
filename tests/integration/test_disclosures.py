"""The register of disclosures on its own databases: whom it is about, whom it tells when, and what stays after an erasure."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from lethe_common.database import Database
from lethe_common.database.migration import Schema, migrate
from lethe_common.identifiers import DisclosureId, SealKeyId, SubjectRef
from lethe_common.rpc import disclosures as rpc
from lethe_common.rpc.disclosures import DisclosureAction, DisclosureState
from lethe_common.rpc.privacy import KeyClass, KeyWish, LeaseWish
from lethe_common.rpc.requests import SealedText
from lethe_common.services import Service
from lethe_privacy import disclosure_queries as queries
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.classkeys import ClassKeys
from lethe_privacy.disclosure_desk import Disclosures
from lethe_privacy.errors import DisclosureOver, DisclosureUnknown, NameReserved
from lethe_privacy.itemkeys import ItemKeys
from lethe_privacy.models import Table
from lethe_privacy.subjects import Subjects
from tests.hand_clock import HandClock
from tests.integration.key_store import empty_key_store
from tests.servers import RunningServers
from tests.tree import ROOT
from tests.unit.common.policy_files import shipped

START = datetime(2026, 12, 1, 12, tzinfo=UTC)
TEXT = SealedText.model_construct(sealed=b"what was asked, sealed", key_id=SealKeyId.new())
KEPT = timedelta(days=3 * 366)


@dataclass
class Office:
    """The register and what stands around it."""

    database: Database
    items: ItemKeys
    subjects: Subjects
    clock: HandClock
    disclosures: Disclosures

    async def open(self, subject_ref: SubjectRef, *, delay_until: datetime | None = None) -> rpc.Disclosure:
        question = rpc.DisclosureOpenQuestion(
            disclosure_id=DisclosureId.new(), subject_ref=subject_ref, operator="A. Clerk", authority="Court of Example",
            legal_reference="12/345", asked=TEXT, delay_until=delay_until,
            delay_ground=None if delay_until is None else "Art. 5 of Example",
        )  # fmt: skip
        return (await self.disclosures.open(question, Service.GATEWAY)).disclosure

    async def do(self, one: rpc.Disclosure, action: DisclosureAction, operator: str = "A. Clerk") -> rpc.Disclosure:
        question = rpc.DisclosureDecideQuestion(
            disclosure_id=one.disclosure_id, operator=operator, action=action,
            ground="no legal ground" if action is DisclosureAction.REFUSE else None,
            digest="a" * 64 if action is DisclosureAction.DISCLOSE else None,
        )  # fmt: skip
        return (await self.disclosures.decide(question, Service.GATEWAY)).disclosure

    async def disclosed(self, subject_ref: SubjectRef, *, delay_until: datetime | None = None) -> rpc.Disclosure:
        one = await self.open(subject_ref, delay_until=delay_until)
        for operator in ("A. Clerk", "B. Counsel"):
            await self.do(one, DisclosureAction.APPROVE, operator)
        return await self.do(one, DisclosureAction.DISCLOSE)

    async def listed(self, **wish: object) -> list[DisclosureId]:
        question = rpc.DisclosureListQuestion.model_validate(wish)
        return [one.disclosure_id for one in (await self.disclosures.list(question, Service.GATEWAY)).disclosures]

    async def tell(self, one: rpc.Disclosure) -> rpc.Disclosure:
        question = rpc.DisclosureShowQuestion(disclosure_id=one.disclosure_id)
        return (await self.disclosures.tell(question, Service.GATEWAY)).disclosure


@pytest.fixture
async def office(servers: RunningServers, tmp_path: Path) -> AsyncIterator[Office]:
    revisions = ROOT / "services/privacy/lethe_privacy/migrations"
    await migrate(servers.dsn("privacy_owner"), Schema("privacy", "privacy", revisions, Table.metadata))
    database = await Database.open(servers.dsn("privacy"), Service.PRIVACY)
    await database.pool.execute("DELETE FROM disclosures")
    keys_database = await empty_key_store(servers, tmp_path / "keyring")
    clock, keyring = HandClock(START), FolderKeyring(tmp_path / "keyring")
    items = ItemKeys(keys_database, ClassKeys(keyring), clock)
    disclosures = Disclosures(database, items, shipped("aisora2").book, clock, batch=1)
    yield Office(database, items, Subjects(keys_database, keyring), clock, disclosures)
    await database.close()
    await keys_database.close()


async def test_a_person_is_to_be_told_at_once_or_when_the_law_no_longer_keeps_it_back(office: Office) -> None:
    subject_ref = SubjectRef.new()
    at_once = await office.disclosed(subject_ref)
    later = await office.disclosed(subject_ref, delay_until=START + timedelta(days=1))
    await office.open(subject_ref)

    assert at_once.state is DisclosureState.DISCLOSED
    assert await office.listed(to_be_told_at=office.clock.now()) == [at_once.disclosure_id]
    assert await office.listed(subject_ref=subject_ref) == []
    await office.tell(at_once)
    told = await office.tell(at_once)
    assert [step.step for step in told.steps].count("told") == 1
    assert await office.listed(subject_ref=subject_ref) == [at_once.disclosure_id]

    office.clock.advance(days=1)
    assert await office.listed(to_be_told_at=office.clock.now()) == [later.disclosure_id]
    assert await office.listed(subject_ref=SubjectRef.new()) == []
    assert len(await office.listed()) == 3


async def test_after_its_subjects_erasure_a_demand_says_who_asked_and_not_about_whom(office: Office) -> None:
    subject_ref = SubjectRef.new()
    open_one, given = await office.open(subject_ref), await office.disclosed(subject_ref)
    async with office.database.transaction() as tx:
        assert await tx.fetchval(queries.COUNT_OF_SUBJECT, subject_ref) == 2
        await tx.execute(queries.FORGET_SUBJECT, subject_ref)
        assert await tx.fetchval(queries.COUNT_OF_SUBJECT, subject_ref) == 0
    question = rpc.DisclosureShowQuestion(disclosure_id=given.disclosure_id)
    left = (await office.disclosures.show(question, Service.GATEWAY)).disclosure

    assert (left.subject_ref, left.asked, left.authority, left.digest) == (None, None, "Court of Example", "a" * 64)
    assert await office.listed(to_be_told_at=office.clock.now()) == []
    with pytest.raises(DisclosureOver):
        await office.do(open_one, DisclosureAction.APPROVE)


async def test_a_demand_goes_with_its_key_a_period_later_and_its_history_is_never_changed(office: Office) -> None:
    subject_ref = SubjectRef.new()
    await office.subjects.open(subject_ref, "a" * 64)
    demands = [await office.open(subject_ref) for _ in range(3)]
    wish = {"subject_ref": subject_ref, "key_class": KeyClass.SUPPORT}
    await office.items.issue([KeyWish.model_validate({**wish, "item_id": one.disclosure_id}) for one in demands])
    for one in demands[:2]:
        await office.do(one, DisclosureAction.REFUSE)
    for statement in ("DELETE FROM disclosure_steps", "UPDATE disclosure_steps SET operator = 'nobody'"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await office.database.pool.execute(statement)

    await office.disclosures.sweep(START + KEPT - timedelta(days=3))
    assert len(await office.listed()) == 3
    await office.disclosures.sweep(START + KEPT)

    assert await office.listed() == [demands[2].disclosure_id]
    leases = [LeaseWish(subject_ref=subject_ref, item_id=one.disclosure_id) for one in demands]
    assert [key.key is not None for key in await office.items.open_records(leases)] == [False, False, True]


async def test_who_is_no_operator_decides_nothing_and_what_is_not_there_is_not_found(office: Office) -> None:
    one = await office.open(SubjectRef.new())
    unknown = one.model_copy(update={"disclosure_id": DisclosureId.new()})

    with pytest.raises(NameReserved):
        await office.do(one, DisclosureAction.APPROVE, "Lethe")
    with pytest.raises(DisclosureUnknown):
        await office.do(unknown, DisclosureAction.APPROVE)
