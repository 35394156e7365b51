"""The register of breaches on its own databases, with a clock moved by hand."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from lethe_common.database import Database
from lethe_common.database.migration import Schema, migrate
from lethe_common.identifiers import REGISTERS, BreachId, SealKeyId
from lethe_common.rpc import breaches as rpc
from lethe_common.rpc.breaches import BreachStepKind as Step
from lethe_common.rpc.privacy import KeyClass, KeyWish, LeaseWish
from lethe_common.rpc.requests import SealedText
from lethe_common.services import Service
from lethe_common.telemetry import Metrics
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.breach_desk import Breaches
from lethe_privacy.classkeys import ClassKeys
from lethe_privacy.errors import BreachUnknown, NameReserved
from lethe_privacy.gauges import Gauges
from lethe_privacy.itemkeys import ItemKeys
from lethe_privacy.models import Table
from lethe_privacy.subjects import Subjects
from tests.hand_clock import HandClock
from tests.integration.key_store import empty_key_store
from tests.servers import RunningServers
from tests.tree import ROOT
from tests.unit.common.policy_files import shipped

START = datetime(2026, 12, 1, 12, tzinfo=UTC)
TEXT = SealedText.model_construct(sealed=b"what happened, sealed", key_id=SealKeyId.new())


@dataclass
class Office:
    """The register and what stands around it."""

    database: Database
    subjects: Subjects
    items: ItemKeys
    clock: HandClock
    metrics: Metrics
    breaches: Breaches

    async def open(self, breach_id: BreachId | None = None, operator: str = "A. Clerk") -> rpc.Breach:
        question = rpc.BreachOpenQuestion(
            breach_id=breach_id or BreachId.new(), operator=operator, known_at=START - timedelta(hours=1),
            categories=("identity.email",), places=("pg:gateway",), people=40, text=TEXT,
        )  # fmt: skip
        return (await self.breaches.open(question, Service.GATEWAY)).breach

    async def note(self, breach: rpc.Breach, step: Step, duty: str | None = None) -> rpc.Breach:
        question = rpc.BreachNoteQuestion(
            breach_id=breach.breach_id, operator="B. Counsel", step=step, duty=duty, reference="No. 7", text=TEXT
        )
        return (await self.breaches.note(question, Service.GATEWAY)).breach

    async def listed(self, *, is_open: bool) -> list[BreachId]:
        answer = await self.breaches.list(rpc.BreachListQuestion(is_open=is_open), Service.GATEWAY)
        return [one.breach_id for one in answer.breaches]

    def running(self, standing: str) -> float | None:
        return self.metrics.registry.get_sample_value("lethe_breach_duties_open", {"standing": standing})


@pytest.fixture
async def office(servers: RunningServers, tmp_path: Path) -> AsyncIterator[Office]:
    revisions = ROOT / "services/privacy/lethe_privacy/migrations"
    await migrate(servers.dsn("privacy_owner"), Schema("privacy", "privacy", revisions, Table.metadata))
    database = await Database.open(servers.dsn("privacy"), Service.PRIVACY)
    await database.pool.execute("DELETE FROM breaches")
    keys_database = await empty_key_store(servers, tmp_path / "keyring")
    clock, keyring, metrics = HandClock(START), FolderKeyring(tmp_path / "keyring"), Metrics()
    items = ItemKeys(keys_database, ClassKeys(keyring), clock)
    breaches = Breaches(database, items, shipped("videogen").book, clock, Gauges(metrics), batch=1)
    yield Office(database, Subjects(keys_database, keyring), items, clock, metrics, breaches)
    await database.close()
    await keys_database.close()


async def test_a_breach_is_opened_once_and_shows_who_has_to_hear_of_it_by_when(office: Office) -> None:
    breach_id = BreachId.new()
    opened = await office.open(breach_id)

    assert await office.open(breach_id) == opened
    assert [(duty.duty, duty.due_at - START) for duty in opened.duties] == [
        ("RU.breach.authority", timedelta(hours=23)),
        ("RU.breach.inquiry", timedelta(hours=71)),
    ]
    assert [(step.step, step.operator, step.at) for step in opened.steps] == [(Step.OPENED, "A. Clerk", START)]
    assert opened.steps[0].text is not None
    assert opened.steps[0].text.sealed == TEXT.sealed
    with pytest.raises(BreachUnknown):
        await office.breaches.show(rpc.BreachShowQuestion(breach_id=BreachId.new()), Service.GATEWAY)
    with pytest.raises(NameReserved):
        await office.open(operator="Lethe")


async def test_clocks_warn_are_counted_and_stop_with_their_notification(office: Office) -> None:
    breach = await office.open()
    await office.breaches.sweep(office.clock.now())
    assert (office.running("in_time"), office.running("soon")) == (2, None)

    office.clock.advance(hours=17)
    await office.breaches.sweep(office.clock.now())
    await office.breaches.sweep(office.clock.now())
    assert (office.running("in_time"), office.running("soon")) == (1, 1)
    office.clock.advance(hours=7)
    await office.breaches.sweep(office.clock.now())
    assert (office.running("overdue"), office.running("in_time")) == (1, 1)

    noted = await office.note(breach, Step.NOTIFIED, "RU.breach.authority")
    again = await office.note(breach, Step.NOTIFIED, "RU.breach.authority")
    await office.breaches.sweep(office.clock.now())
    assert (office.running("overdue"), office.running("in_time")) == (None, 1)
    assert again == noted
    assert [(step.step, step.duty) for step in noted.steps[1:]] == [
        (Step.WARNED, "RU.breach.authority"), (Step.NOTIFIED, "RU.breach.authority"),
    ]  # fmt: skip
    assert [(duty.done_at, duty.is_overdue) for duty in noted.duties] == [(office.clock.now(), False), (None, False)]


async def test_a_closed_breach_goes_with_its_key_a_period_later_and_its_history_is_never_changed(
    office: Office,
) -> None:
    await office.subjects.begin_registers()
    await office.subjects.begin_registers()
    breaches = [await office.open() for _ in range(3)]
    wishes = [KeyWish(subject_ref=REGISTERS, item_id=one.breach_id, key_class=KeyClass.SUPPORT) for one in breaches]
    assert all(key.key is not None for key in await office.items.issue(wishes))
    for one in breaches[:2]:
        await office.note(one, Step.CLOSED)
    assert await office.listed(is_open=True) == [breaches[2].breach_id]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await office.database.pool.execute("DELETE FROM breach_steps")

    office.clock.advance(days=3 * 365)
    await office.breaches.sweep(office.clock.now())
    assert len(await office.listed(is_open=False)) == 3
    office.clock.advance(days=3)
    await office.breaches.sweep(office.clock.now())

    assert await office.listed(is_open=False) == [breaches[2].breach_id]
    assert await office.database.pool.fetchval("SELECT count(DISTINCT breach_id) FROM breach_steps") == 1
    leases = [LeaseWish(subject_ref=REGISTERS, item_id=one.breach_id) for one in breaches]
    assert [key.key is not None for key in await office.items.open_records(leases)] == [False, False, True]
    assert not await office.subjects.has_any()
