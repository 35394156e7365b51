"""The register of processors on its own database, with a clock moved by hand."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from lethe_common.database import Database
from lethe_common.database.migration import Schema, migrate
from lethe_common.rpc import processors as rpc
from lethe_common.services import Service
from lethe_common.telemetry import Metrics
from lethe_privacy.errors import ContractBackwards, RecipientUnknown
from lethe_privacy.gauges import Gauges
from lethe_privacy.models import Table
from lethe_privacy.processors import Processors
from tests.hand_clock import HandClock
from tests.servers import RunningServers
from tests.tree import ROOT
from tests.unit.common.policy_files import shipped

START = datetime(2026, 12, 1, 12, tzinfo=UTC)
SINCE = date(2026, 1, 1)


@dataclass
class Office:
    """The register and what stands around it."""

    database: Database
    clock: HandClock
    metrics: Metrics
    processors: Processors

    async def enter(
        self, recipient_id: str, reference: str, ends_on: date | None, starts_on: date = SINCE
    ) -> rpc.Processor:
        entry = rpc.ProcessorEntry(reference=reference, starts_on=starts_on, ends_on=ends_on)
        question = rpc.ProcessorEnterQuestion(recipient_id=recipient_id, operator="A. Clerk", entry=entry)
        return (await self.processors.enter(question, Service.GATEWAY)).processor

    async def listed(self) -> dict[str, rpc.Processor]:
        answer = await self.processors.list(rpc.ProcessorListQuestion(), Service.GATEWAY)
        return {one.recipient_id: one for one in answer.processors}

    async def spans(self) -> list[tuple[str, date | None]]:
        answer = await self.processors.contracts(rpc.ContractsQuestion(), Service.JOBS)
        return [(one.recipient_id, one.ends_on) for one in answer.contracts]

    def days_left(self, recipient_id: str) -> float | None:
        return self.metrics.registry.get_sample_value("lethe_contract_days_left", {"recipient": recipient_id})


@pytest.fixture
async def office(servers: RunningServers) -> AsyncIterator[Office]:
    revisions = ROOT / "services/privacy/lethe_privacy/migrations"
    await migrate(servers.dsn("privacy_owner"), Schema("privacy", "privacy", revisions, Table.metadata))
    owner = await asyncpg.connect(servers.dsn("privacy_owner"))
    await owner.execute("DELETE FROM privacy.processors")
    await owner.close()
    database = await Database.open(servers.dsn("privacy"), Service.PRIVACY)
    clock, metrics = HandClock(START), Metrics()
    yield Office(
        database, clock, metrics, Processors(database, shipped("aisora2").book, clock, Gauges(metrics), warn_days=30)
    )
    await database.close()


async def test_the_register_lists_who_the_policy_names_and_what_was_entered_last(office: Office) -> None:
    before = (await office.listed())["mail"]
    await office.enter("mail", "file 1", date(2026, 12, 31))
    made = await office.enter("mail", "file 2", None)
    after = await office.listed()

    assert (before.entry, before.state, before.ends_on, before.is_demanded) == (
        None,
        "stands",
        date(2027, 12, 31),
        True,
    )
    assert list(after) == ["stripe", "creem", "storage", "mail"]
    assert after["mail"] == made
    assert made.entry is not None
    assert made.entered is not None
    assert (made.entry.reference, made.entered.operator, made.entered.at) == ("file 2", "A. Clerk", START)
    assert await office.spans() == [("mail", None)]


async def test_what_cannot_be_a_contract_of_a_recipient_is_refused(office: Office) -> None:
    with pytest.raises(RecipientUnknown):
        await office.enter("nobody", "file 1", None)
    with pytest.raises(ContractBackwards):
        await office.enter("mail", "file 1", SINCE - timedelta(days=1))

    assert await office.spans() == []


async def test_an_ending_contract_is_told_ahead_and_an_ended_one_counts_below_zero(office: Office) -> None:
    await office.enter("mail", "file 1", START.date() + timedelta(days=31))
    await office.processors.sweep(office.clock.now())
    assert (office.days_left("mail"), (await office.listed())["mail"].is_ending) == (31, False)

    office.clock.advance(days=1)
    await office.processors.sweep(office.clock.now())
    ending = (await office.listed())["mail"]
    assert (office.days_left("mail"), ending.is_ending, ending.is_open) == (30, True, True)

    office.clock.advance(days=31)
    await office.processors.sweep(office.clock.now())
    ended = (await office.listed())["mail"]
    assert (office.days_left("mail"), ended.is_ending, ended.is_open, ended.state) == (-1, False, False, "ended")

    await office.enter("mail", "file 2", None, starts_on=date(2027, 6, 1))
    await office.processors.sweep(office.clock.now())
    assert (office.days_left("mail"), (await office.listed())["mail"].state) == (-1, "not_begun")


async def test_no_line_is_changed_and_one_that_was_replaced_goes_a_period_later(office: Office) -> None:
    await office.enter("mail", "file 1", None)
    await office.enter("storage", "file 2", None)
    office.clock.advance(days=10)
    await office.enter("mail", "file 3", None)
    kept = timedelta(days=3 * 366)

    await office.processors.sweep(START + timedelta(days=10) + kept - timedelta(days=3))
    assert await office.database.pool.fetchval("SELECT count(*) FROM processors") == 3
    await office.processors.sweep(START + timedelta(days=10) + kept)
    left = await office.database.pool.fetch("SELECT reference FROM processors ORDER BY number")

    assert [row["reference"] for row in left] == ["file 2", "file 3"]
    for statement in ("DELETE FROM processors", "UPDATE processors SET reference = 'other'"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await office.database.pool.execute(statement)
