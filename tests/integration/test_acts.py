"""Acts of destruction on their own databases: one for each erasure, sealed, without a link to it, gone with its key."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from lethe_common.database import Database
from lethe_common.database.migration import Schema, migrate
from lethe_common.events.privacy import StoreCount
from lethe_common.identifiers import REGISTERS, ActId, ErasureId, SubjectRef
from lethe_common.rpc import acts as rpc
from lethe_common.rpc.acts import ActGround
from lethe_common.rpc.privacy import KeyClass, KeyWish, LeaseWish
from lethe_common.rpc.requests import SealedText
from lethe_common.sealing import SealContext, Sealer
from lethe_common.services import Service
from lethe_privacy.act_desk import Acts
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.certificates import Attestor
from lethe_privacy.classkeys import ClassKeys
from lethe_privacy.erasures import Calling, Erasure, Report, State
from lethe_privacy.errors import ActUnknown
from lethe_privacy.itemkeys import ItemKeys
from lethe_privacy.models import Table
from lethe_privacy.subjects import Subjects
from tests.hand_clock import HandClock
from tests.integration.key_store import empty_key_store
from tests.servers import RunningServers
from tests.tree import ROOT
from tests.unit.common.policy_files import shipped

START = datetime(2026, 12, 1, 12, tzinfo=UTC)
ADDRESS = "unmistakable@example.org"
KEPT = 'ground of the "act"'


@dataclass
class Office:
    """The register and what stands around it."""

    database: Database
    items: ItemKeys
    clock: HandClock
    acts: Acts
    attestor: Attestor

    async def opening(self) -> rpc.ActOpening:
        act_id = ActId.new()
        wish = KeyWish(subject_ref=REGISTERS, item_id=act_id, key_class=KeyClass.SUPPORT)
        (issued,) = await self.items.issue([wish])
        assert issued.key is not None
        assert issued.key_id is not None
        context = SealContext(rpc.CATEGORY, REGISTERS, act_id, issued.key_id)
        sealed = Sealer(is_on=True).seal(issued.key, context, ADDRESS.encode())
        name = SealedText.model_construct(sealed=sealed, key_id=issued.key_id)
        return rpc.ActOpening(act_id=act_id, name=name, ground=ActGround.DEMANDED)

    async def begin(self, erasure: Erasure, opening: rpc.ActOpening) -> None:
        async with self.database.transaction() as tx:
            await self.acts.begin(tx, erasure, opening)

    async def write(self, erasure: Erasure) -> None:
        counts = (
            StoreCount(store="pg:gateway.accounts", category="identity.email", before=1, after=0),
            StoreCount(store="pg:gateway.mails", category="mail.queue", before=0, after=0),
            StoreCount(store="pg:privacy.acts", category=rpc.CATEGORY, before=1, after=1, retained_ground=KEPT),
        )
        quiet = Calling((), is_by_record=True, is_time_over=False)
        statement = self.attestor.statement(erasure, quiet, [Report(Service.GATEWAY, counts)], [], self.clock.now())
        async with self.database.transaction() as tx:
            await self.acts.write(tx, erasure.erasure_id, statement)

    async def listed(self) -> list[rpc.Act]:
        return list((await self.acts.list(rpc.ActListQuestion(), Service.GATEWAY)).acts)

    async def opened(self, *act_ids: ActId) -> list[bytes | None]:
        wishes = [LeaseWish(subject_ref=REGISTERS, item_id=act_id) for act_id in act_ids]
        return [one.key for one in await self.items.open_records(wishes)]


@pytest.fixture
async def office(servers: RunningServers, tmp_path: Path) -> AsyncIterator[Office]:
    revisions = ROOT / "services/privacy/lethe_privacy/migrations"
    await migrate(servers.dsn("privacy_owner"), Schema("privacy", "privacy", revisions, Table.metadata))
    database = await Database.open(servers.dsn("privacy"), Service.PRIVACY)
    await database.pool.execute("DELETE FROM acts")
    keys_database = await empty_key_store(servers, tmp_path / "keyring")
    clock, keyring, book = HandClock(START), FolderKeyring(tmp_path / "keyring"), shipped("videogen").book
    await Subjects(keys_database, keyring).begin_registers()
    items = ItemKeys(keys_database, ClassKeys(keyring), clock)
    acts = Acts(database, items, book, batch=1)
    yield Office(database, items, clock, acts, Attestor(book, "real", "0.1.0"))
    await database.close()
    await keys_database.close()


def erasure(state: State = State.REQUESTED) -> Erasure:
    return Erasure(ErasureId.new(), SubjectRef.new(), "a" * 64, state, 0, START)


async def test_an_act_has_what_the_order_wants_and_leads_to_no_erasure(office: Office) -> None:
    one, opening = erasure(), await office.opening()
    await office.begin(one, opening)
    assert await office.listed() == []
    with pytest.raises(ActUnknown):
        await office.acts.show(rpc.ActShowQuestion(act_id=opening.act_id), Service.GATEWAY)

    await office.write(one)
    (act,) = await office.listed()

    assert (await office.acts.show(rpc.ActShowQuestion(act_id=act.act_id), Service.GATEWAY)).act == act
    assert (act.act_id, act.ground, act.destroyed_at) == (opening.act_id, ActGround.DEMANDED, START)
    assert (act.content.operator, act.content.address) == ("ООО «Пример Видео»", "г. Пример, ул. Примерная, д. 5")
    assert [(each.category, each.ru) for each in act.content.categories] == [
        ("identity.email", "адрес электронной почты")
    ]
    assert [(line.store, line.before, line.after) for line in act.content.stores] == [
        ("pg:gateway.accounts", 1, 0), ("pg:privacy.acts", 1, 1),
    ]  # fmt: skip
    processors = [each for each in shipped("videogen").book.versions[0].content.recipients if each.role == "processor"]
    assert [each.name for each in act.content.processors] == [each.name for each in processors] != []
    row = str(await office.database.pool.fetchval("SELECT acts::text FROM acts"))
    assert [part for part in (ADDRESS, ADDRESS.encode().hex(), one.erasure_id, one.subject_ref) if part in row] == []
    (key,) = await office.opened(act.act_id)
    assert key is not None
    context = SealContext(rpc.CATEGORY, REGISTERS, act.act_id, act.name.key_id)
    assert Sealer(is_on=True).open(key, context, act.name.sealed).decode() == ADDRESS


async def test_an_erasure_has_one_act_and_the_key_of_a_spare_one_goes(office: Office) -> None:
    one, first, second, late = erasure(), *[await office.opening() for _ in range(3)]
    await office.begin(one, first)
    await office.begin(one, first)
    await office.begin(one, second)
    await office.begin(erasure(State.FENCED), late)
    await office.write(one)
    await office.write(one)

    assert [act.act_id for act in await office.listed()] == [first.act_id]
    assert [key is not None for key in await office.opened(first.act_id, second.act_id, late.act_id)] == [
        True, False, False,
    ]  # fmt: skip


async def test_acts_go_with_their_keys_after_the_period_and_one_under_way_stays(office: Office) -> None:
    ended, running, openings = [erasure(), erasure()], erasure(), [await office.opening() for _ in range(3)]
    for one, opening in zip((*ended, running), openings, strict=True):
        await office.begin(one, opening)
    for one in ended:
        await office.write(one)

    office.clock.advance(days=3 * 365)
    await office.acts.sweep(office.clock.now())
    assert len(await office.listed()) == 2
    office.clock.advance(days=3)
    await office.acts.sweep(office.clock.now())

    assert await office.listed() == []
    assert [key is not None for key in await office.opened(*(each.act_id for each in openings))] == [False, False, True]
    await office.write(running)
    assert [act.destroyed_at - START for act in await office.listed()] == [timedelta(days=3 * 365 + 3)]


async def test_an_act_that_is_written_cannot_be_half_one(office: Office) -> None:
    one = erasure()
    await office.begin(one, await office.opening())
    with pytest.raises(asyncpg.CheckViolationError):
        await office.database.pool.execute("UPDATE acts SET destroyed_at = now()")
