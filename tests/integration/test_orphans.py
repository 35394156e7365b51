"""Each kind of orphan, made by hand on real servers; found, counted, listed, and objects removed by who owns them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from lethe_common.errors import Unavailable
from lethe_common.identifiers import AssetId, GenerationId, SealKeyId, SubjectRef
from lethe_common.rpc.orphans import Orphan, OrphanListQuestion
from lethe_common.services import Service
from lethe_common.storage import new_object_prefix, new_subject_random
from lethe_retention.adapters.eyes import Cluster
from lethe_retention.adapters.places import OUTPUTS, UPLOADS, Places
from lethe_retention.endpoints.orphans import Orphans
from lethe_retention.orphan_sweep import OrphanSweep, Pace
from lethe_retention.orphans import Kind
from tests.integration.keepers import Keepers, opened_keepers
from tests.servers import RunningServers

ASSET = """
    INSERT INTO jobs.assets (generation_id, variant, asset_id, subject_ref, object_key, media_type, size_bytes,
                             sealed_size_bytes, sha256, key_id, width_px, height_px, frames, duration_seconds)
    VALUES ($1, 'video', $2, $3, $4, 'video/mp4', 1, 1, repeat('0', 64), $5, 1, 1, 1, 1)
"""
AGE, GRACE = timedelta(hours=1), timedelta(hours=24)


@dataclass
class Owner:
    """Who is asked to remove objects."""

    asked: list[str] = field(default_factory=list)
    keeps: set[str] = field(default_factory=set)
    is_away: bool = False

    async def remove(self, keys: Sequence[str]) -> Sequence[str]:
        if self.is_away:
            raise Unavailable("The owner is away.")
        self.asked += keys
        return [key for key in keys if key not in self.keeps]


@dataclass
class Scene:
    """The sweep, what it looks at, and who is asked."""

    keepers: Keepers
    sweep: OrphanSweep
    orphans: Orphans
    jobs: Owner

    async def later(self, by: timedelta) -> None:
        """As if everything that is known had been seen first so much earlier."""
        sql = "UPDATE orphans SET first_seen_at = first_seen_at - $1::interval, last_seen_at = last_seen_at - $1::interval"
        await self.keepers.database.pool.execute(sql, by)

    async def listed(self) -> list[Orphan]:
        return list((await self.orphans.list(OrphanListQuestion(), Service.GATEWAY)).orphans)

    async def found(self) -> set[tuple[str, str, str]]:
        """Swept, an age later swept again, and listed."""
        await self.sweep.sweep()
        await self.later(AGE)
        await self.sweep.sweep()
        return {(one.kind, one.place, one.name) for one in await self.listed()}

    async def object(self, prefix: str = OUTPUTS) -> str:
        key = f"{new_object_prefix(prefix.rstrip('/'), new_subject_random())}{'0' * 32}-video"
        await self.keepers.store.put_bytes(key, b"sealed")
        return key

    async def asset(self, key: str) -> None:
        arguments = GenerationId.new(), AssetId.new(), SubjectRef.new(), key, SealKeyId.new()
        await self.keepers.outside.execute(ASSET, *arguments)


@pytest.fixture
async def scene(servers: RunningServers) -> AsyncIterator[Scene]:
    async with opened_keepers(servers) as keepers:
        jobs = Owner()
        places = Places(keepers.eyes._databases[Cluster.DATA], keepers.eyes._storage, page=3)
        pace = Pace(every_seconds=1, age=AGE, grace=GRACE, most=1000)
        sweep = OrphanSweep(
            keepers.database, places, keepers.eyes.still_there, {OUTPUTS: jobs.remove}, keepers.gauges, pace
        )
        await _empty(keepers)
        yield Scene(keepers, sweep, Orphans(keepers.database, sweep, age=AGE), jobs)
        await _empty(keepers)


async def _empty(keepers: Keepers) -> None:
    """The servers are shared: what other tests left there would be found too."""
    await keepers.database.pool.execute("DELETE FROM orphans")
    await keepers.database.pool.execute("DELETE FROM deadlines")
    await keepers.outside.execute(
        "DELETE FROM jobs.assets; DELETE FROM jobs.runs; DELETE FROM gateway.uploads; DELETE FROM gateway.generations"
    )
    for prefix in (OUTPUTS, UPLOADS):
        await keepers.store.remove_all_versions(prefix)


async def test_an_object_without_a_row_is_found_and_one_with_a_row_is_not(scene: Scene) -> None:
    orphan, upload = await scene.object(), await scene.object(UPLOADS)
    for _ in range(7):
        await scene.asset(await scene.object())

    found = await scene.found()

    assert found == {(Kind.OBJECT_WITHOUT_ROW, OUTPUTS, orphan), (Kind.OBJECT_WITHOUT_ROW, UPLOADS, upload)}


async def test_a_row_without_its_object_is_found(scene: Scene) -> None:
    for _ in range(4):
        await scene.asset(await scene.object())
    lost = f"{OUTPUTS}{'1' * 32}/{'2' * 32}-{'3' * 32}-video"
    await scene.asset(lost)

    assert await scene.found() == {(Kind.ROW_WITHOUT_OBJECT, "jobs.assets", lost)}


async def test_an_item_without_a_deadline_and_a_deadline_without_an_item_are_found(scene: Scene) -> None:
    keepers = scene.keepers
    subject = await keepers.subject()
    both, run_only = await keepers.completed(subject), GenerationId.new()
    await keepers.jobs_keep_a_run(subject, both)
    await keepers.jobs_keep_a_run(subject, run_only)
    deadline_only = await keepers.completed(subject)

    assert await scene.found() == {
        (Kind.ITEM_WITHOUT_DEADLINE, "jobs.runs", run_only),
        (Kind.DEADLINE_WITHOUT_ITEM, "retention.deadlines", deadline_only),
    }


async def test_a_run_that_has_not_ended_needs_no_deadline(scene: Scene) -> None:
    generation = GenerationId.new()
    await scene.keepers.jobs_keep_a_run(SubjectRef.new(), generation)
    await scene.keepers.outside.execute("UPDATE jobs.runs SET state = 'queued' WHERE generation_id = $1", generation)

    assert await scene.found() == set()


async def test_work_in_flight_is_no_orphan(scene: Scene) -> None:
    key = await scene.object()
    await scene.sweep.sweep()
    await scene.later(AGE)
    assert await scene.listed() == []

    await scene.asset(key)
    await scene.sweep.sweep()

    assert await scene.listed() == []
    assert await scene.keepers.database.pool.fetchval("SELECT count(*) FROM orphans") == 0


async def test_orphans_are_counted_and_the_count_falls_when_they_are_gone(scene: Scene) -> None:
    key = await scene.object()
    await scene.found()
    gauge = scene.keepers.gauges.orphans
    assert gauge.labels(Kind.OBJECT_WITHOUT_ROW, OUTPUTS)._value.get() == 1

    await scene.keepers.store.remove_key(key)
    await scene.sweep.sweep()

    assert [sample for metric in gauge.collect() for sample in metric.samples if sample.value] == []


async def test_the_owner_is_asked_only_after_the_grace_and_what_it_removed_is_forgotten(scene: Scene) -> None:
    gone, kept = await scene.object(), await scene.object()
    scene.jobs.keeps.add(kept)
    await scene.found()
    assert scene.jobs.asked == []

    await scene.later(GRACE)
    await scene.sweep.sweep()

    assert set(scene.jobs.asked) == {gone, kept}
    assert [(one.name, one.asked_at is not None) for one in await scene.listed()] == [(kept, True)]


async def test_an_owner_who_is_away_is_asked_again_by_the_next_sweep(scene: Scene) -> None:
    key = await scene.object()
    await scene.found()
    await scene.later(GRACE)
    scene.jobs.is_away = True
    await scene.sweep.sweep()
    assert [one.name for one in await scene.listed()] == [key]

    scene.jobs.is_away = False
    await scene.sweep.sweep()

    assert scene.jobs.asked == [key]


async def test_a_place_that_cannot_be_seen_keeps_what_is_known_of_it(scene: Scene) -> None:
    key = await scene.object()
    await scene.found()
    await scene.keepers.outside.execute("REVOKE SELECT (object_key) ON jobs.assets FROM verifier")
    try:
        await scene.sweep.sweep()
        assert [one.name for one in await scene.listed()] == [key]
    finally:
        await scene.keepers.outside.execute("GRANT SELECT (object_key) ON jobs.assets TO verifier")


async def test_many_orphans_are_noted_up_to_a_limit(scene: Scene) -> None:
    for _ in range(5):
        await scene.object()
    scene.sweep._pace = Pace(every_seconds=1, age=AGE, grace=GRACE, most=3)

    assert len(await scene.found()) == 3
