"""The ledger of facts on a real database, and a service's way through it: resumed, refused, waited for."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from lethe_common.clock import RealClock
from lethe_common.database import Transaction
from lethe_common.database.migration import Schema, migrate
from lethe_common.identifiers import SubjectRef
from lethe_common.policy import load_book
from lethe_common.replay import LedgerRefused, Replay
from lethe_common.rpc.facts import Fact, FactKind, FactsRecord, FactsRecordQuestion, NewFact
from lethe_common.services import Service
from lethe_privacy.fact_endpoints import FactAnswers
from lethe_privacy.facts import Facts
from lethe_privacy.models import Table
from tests.integration.members import Member, members, until
from tests.servers import RunningServers
from tests.tree import ROOT

BOOK = load_book(ROOT / "deploy/profiles/aisora2")
SUBJECT = SubjectRef.new()


class Crash(Exception):
    """A process that ends in the middle."""


@dataclass
class Desk:
    """A ledger, and the gateway's seat with data of its own."""

    servers: RunningServers
    facts: Facts
    gateway: Member
    again: list[SubjectRef] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    crash_at: str = ""
    found: tuple[SubjectRef, ...] = ()

    async def record(self, *refs: str) -> None:
        """Facts by way of the bus, as the gateway does."""
        news = tuple(fact(FactKind.ITEM_DELETED, ref) for ref in refs)
        await self.gateway.bus.ask(FactsRecord, FactsRecordQuestion(facts=news))

    async def apply(self, facts: Sequence[Fact], _tx: Transaction) -> Collection[SubjectRef]:
        for one in facts:
            if self.crash_at and one.ref == self.crash_at:
                raise Crash
            self.seen.append(one.ref if one.kind is FactKind.ITEM_DELETED else one.kind)
        return self.found

    def replay(self, *, page: int = 1, waits_for_all: bool = False) -> Replay:
        return Replay(
            self.gateway.database, self.gateway.bus, self.apply,
            waits_for_all=waits_for_all, page=page, every_seconds=0.02,
        )  # fmt: skip

    async def mark(self) -> int | None:
        found: int | None = await self.gateway.database.pool.fetchval("SELECT number FROM facts_mark")
        return found

    async def as_owner(self, sql: str) -> None:
        connection = await asyncpg.connect(self.servers.dsn("privacy_owner"))
        try:
            await connection.execute(sql)
        finally:
            await connection.close()


def fact(kind: FactKind, ref: str = "", at: datetime | None = None) -> NewFact:
    return NewFact(kind=kind, subject_ref=SUBJECT, ref=ref, at=at or datetime.now(UTC))


@pytest.fixture
async def desk(servers: RunningServers) -> AsyncIterator[Desk]:
    async with members(servers, Service.GATEWAY, Service.PRIVACY) as seats:
        revisions = ROOT / "services/privacy/lethe_privacy/migrations"
        await migrate(servers.dsn("privacy_owner"), Schema("privacy", "privacy", revisions, Table.metadata))
        privacy = seats[Service.PRIVACY]
        made = Desk(servers, Facts(privacy.database, BOOK, RealClock()), seats[Service.GATEWAY])

        async def erase_again(subject_refs: Sequence[SubjectRef]) -> int:
            made.again.extend(subject_refs)
            return len(subject_refs)

        await made.facts.begin()
        privacy.work(made.facts.run)
        await privacy.bus.answer(FactAnswers(made.facts, erase_again).answers(), "0.1.0")
        yield made


async def test_a_killed_way_through_the_facts_goes_on_where_it_stopped(desk: Desk) -> None:
    await desk.record("first", "second")
    await desk.record("third")
    desk.crash_at = "second"
    with pytest.raises(Crash):
        await desk.replay().catch_up()
    assert await desk.mark() == 2

    desk.crash_at = ""
    await desk.replay().catch_up()
    await desk.replay().catch_up()

    assert desk.seen == ["ledger_begun", "first", "second", "third"]
    assert await desk.mark() == 4


async def test_a_fact_that_cannot_become_truer_is_recorded_once_and_a_no_each_time(desk: Desk) -> None:
    await desk.record("first", "first")
    await desk.record("first")
    for _ in range(2):
        await desk.facts.record([fact(FactKind.WITHDRAWN, "marketing")])

    kinds = [one.kind for one in (await desk.facts.page(0, "", 10)).facts]

    assert kinds == [FactKind.LEDGER_BEGUN, FactKind.ITEM_DELETED, FactKind.WITHDRAWN, FactKind.WITHDRAWN]


async def test_a_ledger_that_is_shorter_empty_or_another_one_lets_nobody_start(desk: Desk) -> None:
    await desk.record("first", "second")
    await desk.replay().catch_up()
    await desk.as_owner("DELETE FROM privacy.facts WHERE number = 3")
    with pytest.raises(LedgerRefused, match="older than the data"):
        await desk.replay().catch_up()
    await desk.as_owner("TRUNCATE privacy.facts")
    with pytest.raises(LedgerRefused, match="older than the data"):
        await desk.replay().catch_up()
    await desk.facts.begin()
    await desk.record("first", "second")
    with pytest.raises(LedgerRefused, match="another ledger"):
        await desk.replay().catch_up()


async def test_who_was_erased_and_is_found_again_is_erased_once_more_before_the_mark_moves(desk: Desk) -> None:
    await desk.facts.record([fact(FactKind.ERASED)])
    desk.found = (SUBJECT,)

    await desk.replay(page=10).catch_up()

    assert desk.again == [SUBJECT]
    assert await desk.mark() == 2


async def test_the_gateway_opens_only_when_everybody_has_been_through(desk: Desk) -> None:
    await desk.as_owner("INSERT INTO privacy.replays (service, through) VALUES ('gateway', NULL), ('jobs', NULL)")
    opening = asyncio.ensure_future(desk.replay(waits_for_all=True).catch_up())
    await until(lambda: _reported(desk, "gateway"))
    assert not opening.done()

    assert await desk.facts.replayed(Service.JOBS, 1) == ()
    await asyncio.wait_for(opening, 10)


async def test_the_mark_follows_only_facts_whose_effect_is_committed_by_now(desk: Desk) -> None:
    await desk.replay().catch_up()
    await desk.record("first", "second")
    await desk.as_owner("UPDATE privacy.facts SET recorded_at = recorded_at - interval '2 minutes' WHERE number <= 2")
    following = asyncio.ensure_future(desk.replay().follow())

    async def is_at_two() -> bool:
        return await desk.mark() == 2

    await until(is_at_two)
    following.cancel()
    assert desk.seen == ["ledger_begun"]


async def test_facts_end_with_the_backups_they_could_be_needed_for_and_the_last_one_stays(desk: Desk) -> None:
    keep = BOOK.versions[0].content.backups
    assert keep is not None
    now = datetime.now(UTC)
    period = keep.keep + timedelta(days=30)
    await desk.facts.record([fact(FactKind.WITHDRAWN, ref, now - period + timedelta(hours=1)) for ref in ("a", "b")])
    await desk.facts.sweep(now)
    assert len((await desk.facts.page(1, await _hash(desk, 1), 10)).facts) == 2

    await desk.facts.sweep(now + timedelta(days=400))
    assert await _numbers(desk) == [1, 2, 3], "what is young by the machine's time stays"
    await desk.as_owner("UPDATE privacy.facts SET recorded_at = recorded_at - interval '8 days'")
    await desk.facts.sweep(now + timedelta(days=400))

    assert await _numbers(desk) == [3]
    with pytest.raises(LedgerRefused):
        await desk.replay().catch_up()


async def _reported(desk: Desk, service: str) -> bool:
    connection = await asyncpg.connect(desk.servers.superuser_dsn("lethe_facts"))
    try:
        sql = "SELECT through IS NOT NULL FROM privacy.replays WHERE service = $1"
        return bool(await connection.fetchval(sql, service))
    finally:
        await connection.close()


async def _numbers(desk: Desk) -> list[int]:
    connection = await asyncpg.connect(desk.servers.superuser_dsn("lethe_facts"))
    try:
        return [row[0] for row in await connection.fetch("SELECT number FROM privacy.facts ORDER BY number")]
    finally:
        await connection.close()


async def _hash(desk: Desk, number: int) -> str:
    connection = await asyncpg.connect(desk.servers.superuser_dsn("lethe_facts"))
    try:
        return str(await connection.fetchval("SELECT encode(hash, 'hex') FROM privacy.facts WHERE number = $1", number))
    finally:
        await connection.close()
