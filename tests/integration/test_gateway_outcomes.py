"""What others tell about a generation moves it forward, whatever the order, and removes it for good."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Literal

import asyncpg
import pytest

import lethe_gateway.migrations
from lethe_common.bus.dispatcher import BatchHandler, Handler
from lethe_common.clock import RealClock
from lethe_common.database.migration import Schema, migrate
from lethe_common.events.billing import HoldsPosted, HoldVoided, PlanChanged
from lethe_common.events.envelope import Event
from lethe_common.events.jobs import (
    Delivered,
    FailureCode,
    GenerationCancelled,
    GenerationCompleted,
    GenerationFailed,
    GenerationStarted,
    RemovalRule,
)
from lethe_common.events.retention import ItemsDue, ItemsRemoved, ItemsScheduled
from lethe_common.identifiers import AccountId, AssetId, ExportId, GenerationId, HoldId, SealKeyId, SubjectRef, UploadId
from lethe_common.leased_keys import LeasedKeys
from lethe_common.sealing import Sealer
from lethe_common.services import Service
from lethe_gateway import export_queries, queries
from lethe_gateway.callers import Caller
from lethe_gateway.errors import Gone, NotFound
from lethe_gateway.facts import Facts
from lethe_gateway.gallery import Gallery
from lethe_gateway.handlers import GenerationHandlers, on_plan_changed
from lethe_gateway.intake import requested
from lethe_gateway.item_keys import ItemKeys
from lethe_gateway.legal_holds import LegalHolds
from lethe_gateway.models import Table
from lethe_gateway.outcomes import TELLING
from lethe_gateway.watchers import Watchers
from tests.integration.members import Member, members, until
from tests.outboxes import bodies
from tests.servers import RunningServers

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass
class Scene:
    """A gateway that listens, the services that speak, and one account."""

    gateway: Member
    jobs: Member
    billing: Member
    retention: Member
    caller: Caller

    def acceptance(self, made: GenerationId) -> queries.Acceptance:
        return queries.Acceptance(
            generation_id=made, account_id=self.caller.account_id, subject_ref=self.caller.subject_ref,
            model="lethe-local-1", width_px=640, height_px=360, seconds=4, seed=1, prompt_sealed=b"sealed",
            key_id=SealKeyId.new(), upload_id=None, hold_id=HoldId.new(), credits_held=20, created_at=NOW,
            key_hmac=None, body_hmac="0" * 64,
        )  # fmt: skip

    async def generation(self) -> GenerationId:
        made = GenerationId.new()
        acceptance = self.acceptance(made)
        async with self.gateway.database.transaction() as tx:
            assert await queries.accept(tx, [acceptance], [requested(acceptance)]) == {(made, None)}
        return made

    async def row(self, generation_id: str) -> asyncpg.Record | None:
        return await queries.find(self.gateway.database.pool, generation_id, self.caller.account_id)

    async def state(self, generation_id: str) -> tuple[str, int | None]:
        row = await self.row(generation_id)
        assert row is not None
        return row["state"], row["credits_charged"]

    async def handled(self, events: Sequence[Event]) -> None:
        """Wait until the gateway has applied this many events in all."""
        count = "SELECT count(*) FROM gateway.inbox"
        before = len(events)

        async def are_in() -> bool:
            return int(await self.gateway.database.pool.fetchval(count)) >= before

        await until(are_in)


@pytest.fixture
async def scene(servers: RunningServers) -> AsyncIterator[Scene]:
    services = (Service.GATEWAY, Service.JOBS, Service.BILLING, Service.RETENTION)
    async with members(servers, *services) as opened:
        gateway = opened[Service.GATEWAY]
        schema = Schema("gateway", "gateway", Path(lethe_gateway.migrations.__path__[0]), Table.metadata)
        await migrate(servers.dsn("gateway_owner"), schema)
        generations = GenerationHandlers(Watchers(gateway.bus), RealClock())
        singles: dict[type[Event], Handler] = {ItemsRemoved: generations.on_removed, PlanChanged: on_plan_changed}
        batches: dict[type[Event], BatchHandler] = dict.fromkeys(TELLING, generations.on_told)
        await gateway.hear(singles, batches)
        for member in opened.values():
            member.work(member.bus.relay.run)
        caller = Caller(AccountId.new(), SubjectRef.new(), "free", "active", None, b"", NOW.date())
        await gateway.database.pool.execute(
            "INSERT INTO gateway.accounts VALUES ($1, $2, '', '', 'seal', 'ref', 'free', 'active', $3)",
            caller.account_id, caller.subject_ref, NOW,
        )  # fmt: skip
        yield Scene(gateway, opened[Service.JOBS], opened[Service.BILLING], opened[Service.RETENTION], caller)


class Standing:
    """A clock that stands at one moment of policy time."""

    kind: Literal["real", "virtual"] = "virtual"

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    async def wait_for_change(self, timeout_seconds: float) -> None:
        await asyncio.sleep(timeout_seconds)


def gallery(scene: Scene, now: datetime) -> Gallery:
    bus = scene.gateway.bus
    keys, sealer = ItemKeys(bus, LeasedKeys(bus, Service.GATEWAY)), Sealer(is_on=True)
    database, holds, clock = scene.gateway.database, LegalHolds(bus), Standing(now)
    return Gallery(database, clock, keys, sealer, Watchers(bus), holds, Facts(bus, clock), delete_wait_seconds=1)


def started(scene: Scene, made: GenerationId) -> GenerationStarted:
    return GenerationStarted(generation_id=made, subject_ref=SubjectRef(scene.caller.subject_ref), started_at=NOW)


def completed(scene: Scene, made: GenerationId) -> GenerationCompleted:
    return GenerationCompleted(
        generation_id=made,
        subject_ref=SubjectRef(scene.caller.subject_ref),
        asset_ids=(AssetId.new(),),
        delivered=Delivered(width_px=640, height_px=360, duration_seconds=4),
        completed_at=NOW,
    )


def posted(scene: Scene, *made: GenerationId) -> HoldsPosted:
    ref = SubjectRef(scene.caller.subject_ref)
    return HoldsPosted(
        holds=tuple(
            HoldsPosted.Posted(hold_id=HoldId.new(), generation_id=one, subject_ref=ref, credits=20) for one in made
        )
    )


def scheduled(made: GenerationId, due_at: datetime | None, moves: int = 0) -> ItemsScheduled:
    return ItemsScheduled(items=(ItemsScheduled.Item(generation_id=made, due_at=due_at, moves=moves),))


async def test_a_completion_before_its_start_stays_a_completion(scene: Scene) -> None:
    made = await scene.generation()
    events = [completed(scene, made), started(scene, made), started(scene, made), completed(scene, made)]

    await scene.jobs.tell_each(*events)
    await scene.handled(events)

    assert await scene.state(made) == ("completed", None)


async def test_a_failure_after_a_completion_changes_nothing(scene: Scene) -> None:
    made, ref = await scene.generation(), SubjectRef(scene.caller.subject_ref)
    await scene.jobs.tell(completed(scene, made))
    await until(lambda: _is(scene, made, "completed"))

    late: list[Event] = [
        GenerationFailed(generation_id=made, subject_ref=ref, code=FailureCode.TIMED_OUT, failed_at=NOW),
        GenerationCancelled(generation_id=made, subject_ref=ref, cancelled_at=NOW),
    ]
    await scene.jobs.tell(*late)
    await scene.handled([*late, completed(scene, made)])

    assert await scene.state(made) == ("completed", None)


async def test_what_was_charged_is_known_whether_told_before_or_after_the_completion(scene: Scene) -> None:
    made = await scene.generation()

    await scene.billing.tell(posted(scene, made))
    await scene.jobs.tell(completed(scene, made))

    await until(lambda: _is(scene, made, "completed"))
    await until(lambda: _is_charged(scene, made, 20))


async def test_a_void_means_nothing_was_charged_and_never_undoes_a_charge(scene: Scene) -> None:
    failed, charged = await scene.generation(), await scene.generation()
    ref = SubjectRef(scene.caller.subject_ref)

    await scene.billing.tell(
        posted(scene, charged),
        HoldVoided(hold_id=HoldId.new(), generation_id=failed, subject_ref=ref, cause="failed"),
        HoldVoided(hold_id=HoldId.new(), generation_id=charged, subject_ref=ref, cause="expired"),
    )

    await until(lambda: _is_charged(scene, failed, 0))
    await until(lambda: _is_charged(scene, charged, 20))


async def test_many_events_of_many_generations_are_applied_in_batches(scene: Scene) -> None:
    made = [await scene.generation() for _ in range(120)]

    await scene.jobs.tell(*(started(scene, one) for one in made), *(completed(scene, one) for one in made))
    await scene.billing.tell(posted(scene, *made[60:]), posted(scene, *made[:60]))

    for one in made:
        await until(lambda one=one: _is_charged(scene, one, 20))  # type: ignore[misc]  # bound in the loop
        await until(lambda one=one: _is(scene, one, "completed"))  # type: ignore[misc]  # as above


def removed(generation_id: GenerationId, rule: RemovalRule, at: datetime) -> ItemsRemoved:
    item = ItemsRemoved.Item(generation_id=generation_id, rule=rule, removed_at=at, verified_at=at)
    return ItemsRemoved(items=(item,))


async def test_a_removed_generation_leaves_a_tombstone_for_its_owner_alone(scene: Scene) -> None:
    made, ref = await scene.generation(), SubjectRef(scene.caller.subject_ref)
    due = NOW + timedelta(days=7)
    await scene.jobs.tell(completed(scene, made))
    await scene.retention.tell(
        scheduled(made, due),
        ItemsDue(items=(ItemsDue.Item(generation_id=made, subject_ref=ref, category="output.video", due_at=due),)),
        removed(made, RemovalRule.EXPIRED, due),
    )  # fmt: skip

    async def is_gone() -> bool:
        return await scene.row(made) is None

    await until(is_gone)
    pool = scene.gateway.database.pool
    left = await queries.tombstone(pool, made, scene.caller.account_id)
    assert left is not None
    assert (left["rule"], left["removed_at"]) == ("expired", due)
    assert await queries.tombstone(pool, made, AccountId.new()) is None


@pytest.mark.parametrize("is_there_one", [False, True])
async def test_what_is_accepted_at_once_is_told_together_and_of_nothing_else(scene: Scene, is_there_one: bool) -> None:
    known = await scene.generation()
    items = [scene.acceptance(GenerationId.new()) for _ in range(69)]
    items += [items[0]] + ([scene.acceptance(known)] if is_there_one else [])
    wanted = {item.generation_id for item in items} - {known}

    async with scene.gateway.database.transaction() as tx:
        written = await queries.accept(tx, items, [requested(item) for item in items])

    assert {generation_id for generation_id, _ in written} == wanted
    rows = await scene.gateway.database.pool.fetch("SELECT data FROM outbox ORDER BY event_id")
    _first, *messages = ([body["generation_id"] for body in bodies(row["data"])] for row in rows)
    assert len(messages) == 3
    assert sorted(one for message in messages for one in message) == sorted(wanted)
    # What is handed to the relay is what lies in the outbox, or nothing.
    assert tx.sent == []
    assert len(tx.told_along) == len(wanted)


@pytest.mark.parametrize("first", [0, 1])
async def test_of_two_retries_at_once_the_one_that_is_written_is_told(scene: Scene, first: int) -> None:
    one = scene.acceptance(GenerationId.new())
    both = [replace(one, upload_id=UploadId.new(), key_hmac="a" * 64) for _ in range(2)]
    items = [both[first], both[1 - first], *(scene.acceptance(GenerationId.new()) for _ in range(20))]

    async with scene.gateway.database.transaction() as tx:
        await queries.accept(tx, items, [requested(item) for item in items])

    rows = await scene.gateway.database.pool.fetch("SELECT data FROM outbox")
    told = [body for row in rows for body in bodies(row["data"]) if body["generation_id"] == one.generation_id]
    stored = await scene.gateway.database.pool.fetchval(
        "SELECT upload_id FROM gateway.generations WHERE generation_id = $1", one.generation_id
    )
    assert [body["upload_id"] for body in told] == [stored]


async def test_what_is_accepted_alone_is_handed_to_the_relay_as_it_lies_in_the_outbox(scene: Scene) -> None:
    await scene.generation()
    items = [scene.acceptance(GenerationId.new()) for _ in range(40)]

    async with scene.gateway.database.transaction() as tx:
        await queries.accept(tx, items, [requested(item) for item in items])

    rows = await scene.gateway.database.pool.fetch("SELECT event_id, data FROM outbox")
    stored = {row["event_id"]: sorted(body["generation_id"] for body in bodies(row["data"])) for row in rows}
    handed = {one.event_id: sorted(body["generation_id"] for body in bodies(one.data)) for one in tx.sent}
    assert len(handed) == 2
    assert handed.items() <= stored.items()


async def test_a_generation_that_was_removed_is_never_accepted_again(scene: Scene) -> None:
    made, ref = await scene.generation(), SubjectRef(scene.caller.subject_ref)
    await scene.retention.tell(removed(made, RemovalRule.DELETED_BY_USER, NOW))

    async def is_gone() -> bool:
        return await scene.row(made) is None

    await until(is_gone)
    again = queries.Acceptance(
        made, scene.caller.account_id, ref, "lethe-local-1", 640, 360, 4, 1, b"", SealKeyId.new(), None, HoldId.new(),
        20, NOW, None, "0" * 64,
    )  # fmt: skip
    async with scene.gateway.database.transaction() as tx:
        assert await queries.accept(tx, [again], [requested(again)]) == set()


async def test_a_deadline_that_is_taken_back_is_shown_no_more(scene: Scene) -> None:
    made = await scene.generation()

    for moves, due in enumerate((NOW, None)):
        await scene.retention.tell(scheduled(made, due, moves))
        await until(partial(_is_shown_until, scene, made, due))


async def test_a_deadline_that_is_heard_of_after_a_newer_one_changes_nothing(scene: Scene) -> None:
    made, other = await scene.generation(), await scene.generation()
    first, second = NOW, NOW + timedelta(days=23)

    await scene.retention.tell(scheduled(made, second, 1))
    await until(partial(_is_shown_until, scene, made, second))
    await scene.retention.tell(scheduled(made, first, 0), scheduled(other, first, 0))
    await until(partial(_is_shown_until, scene, other, first))

    assert await _is_shown_until(scene, made, second)


async def test_a_date_of_a_copy_that_is_heard_of_after_a_newer_one_changes_nothing(scene: Scene) -> None:
    export, pool = ExportId.new(), scene.gateway.database.pool
    first, second = NOW, NOW + timedelta(days=1)
    await pool.execute(export_queries.BEGIN, export, scene.caller.account_id, scene.caller.subject_ref, "en", "p/", NOW)

    for due_at, moves, shown in ((second, 1, second), (first, 0, second), (None, 2, None)):
        await pool.execute(export_queries.SCHEDULE, [export], [due_at], [moves])
        assert await pool.fetchval("SELECT due_at FROM gateway.exports") == shown


async def test_a_plan_that_is_heard_of_after_a_newer_one_changes_nothing(scene: Scene) -> None:
    ref = SubjectRef(scene.caller.subject_ref)

    async def is_on(plan: str) -> bool:
        return bool(await scene.gateway.database.pool.fetchval("SELECT plan FROM gateway.accounts") == plan)

    def changed(plan: str, since: datetime) -> PlanChanged:
        return PlanChanged(subject_ref=ref, plan=plan, since=since)

    await scene.billing.tell(changed("standard", NOW + timedelta(seconds=1)))
    await until(partial(is_on, "standard"))
    await scene.billing.tell_each(changed("free", NOW), marker := changed("basic", NOW + timedelta(milliseconds=500)))
    heard = "SELECT count(*) FROM gateway.inbox"

    async def is_heard() -> bool:
        return bool(await scene.gateway.database.pool.fetchval(heard) == len(("standard", "free", marker.plan)))

    await until(is_heard)
    assert await is_on("standard")
    await scene.billing.tell(changed("pro", NOW + timedelta(seconds=2)))
    await until(partial(is_on, "pro"))


async def test_it_is_served_until_its_deadline_and_at_that_second_no_more(scene: Scene) -> None:
    made = await scene.generation()
    due = NOW + timedelta(days=7)
    await scene.retention.tell(scheduled(made, due))
    await until(partial(_is_shown_until, scene, made, due))
    before, at = gallery(scene, due - timedelta(seconds=1)), gallery(scene, due)
    assert (await before.get(scene.caller, made))["generation_id"] == made
    assert len((await before.page(scene.caller, None, 10, is_ascending=False))[0]) == 1
    with pytest.raises(Gone):
        await at.get(scene.caller, made)
    assert await at.page(scene.caller, None, 10, is_ascending=False) == ([], False)
    with pytest.raises(NotFound):
        await before.get(Caller(AccountId.new(), SubjectRef.new(), "free", "active", None, b"", NOW.date()), made)


async def _is_shown_until(scene: Scene, made: str, due: datetime | None) -> bool:
    row = await scene.row(made)
    return row is not None and row["expires_at"] == due


async def _is(scene: Scene, made: str, state: str) -> bool:
    return (await scene.state(made))[0] == state


async def _is_charged(scene: Scene, made: str, credits_: int) -> bool:
    return (await scene.state(made))[1] == credits_
