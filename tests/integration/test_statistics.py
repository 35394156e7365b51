"""Statistics tell of groups: too few people, one who made very much, and whoever is missing afterwards are not seen."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from lethe_common.database import Database
from lethe_common.identifiers import AssetId, GenerationId, RunId, SealKeyId, SubjectRef
from lethe_common.policy import load_profile
from lethe_common.rpc.jobs import StatisticsQuestion, StatisticsSpan
from lethe_common.services import Service
from lethe_jobs.endpoints import Endpoints
from lethe_jobs.paces import Pace
from lethe_jobs.statistics import Statistics, last_span
from tests.integration.jobs_stand import ScriptedProvider, Stand, jobs, stand
from tests.servers import RunningServers
from tests.unit.common.policy_files import in_two_versions

K, ROUNDING, WEEK = 20, 10, timedelta(days=7)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SPAN = last_span(NOW, WEEK)
RUNS = """
    INSERT INTO jobs.runs (generation_id, run_id, subject_ref, hold_id, model, provider, width_px, height_px, seconds,
                           state, priority)
    SELECT g, r, $3, 'hold', $4, 'noop', 1280, 720, 4, 'completed', 0 FROM unnest($1::text[], $2::text[]) AS t(g, r)
"""
ASSETS = """
    INSERT INTO jobs.assets (generation_id, variant, asset_id, subject_ref, media_type, size_bytes, sealed_size_bytes,
                             sha256, key_id, width_px, height_px, frames, duration_seconds, stored_at)
    SELECT g, 'video', a, $3, 'video/mp4', 1, 1, repeat('0', 64), $4, 1280, 720, 96, 4, $5
      FROM unnest($1::text[], $2::text[]) AS t(g, a)
"""


class Office:
    """Makes and reads statistics of videos that a test says were stored."""

    def __init__(self, at: Stand, database: Database, profile: Path) -> None:
        self.at, self.database = at, database
        self.statistics = Statistics(database, load_profile(profile).book)

    async def stored(self, model: str, *, people: int = 1, each: int = 1, at: datetime = SPAN.began_at) -> SubjectRef:
        """So many videos of each of so many people; the last of them."""
        subjects = [SubjectRef.new() for _ in range(people)]
        for subject in subjects:
            ids = [GenerationId.new() for _ in range(each)]
            await self.at.eye.execute(RUNS, ids, [RunId.new() for _ in ids], subject, model)
            await self.at.eye.execute(ASSETS, ids, [AssetId.new() for _ in ids], subject, SealKeyId.new(), at)
        return subjects[-1]

    async def spans(self) -> tuple[StatisticsSpan, ...]:
        answers = Endpoints(self.database, Pace(1.0), {}, 1)
        return (await answers.statistics(StatisticsQuestion(), Service.GATEWAY)).spans

    async def groups(self) -> dict[str, int]:
        """Of the newest span: videos by model."""
        return {group.model: group.videos for group in (await self.spans())[0].groups}


@pytest.fixture
async def office(servers: RunningServers, tmp_path: Path) -> AsyncIterator[Office]:
    folder = in_two_versions(
        tmp_path / "profile",
        "2026-11-23",
        ("rounding: 10, period: P7D", "rounding: 10, period: P5D"),
        profile="soragpt",
    )
    async with stand(servers) as at:
        async with jobs(at, [ScriptedProvider()]):
            pass  # so that the tables are there
        database = await Database.open(servers.dsn("jobs"), Service.JOBS)
        yield Office(at, database, folder)
        await database.close()


async def test_small_groups_are_left_out_and_one_person_weighs_little(office: Office) -> None:
    await office.stored("popular", people=K, each=3)
    await office.stored("popular", each=1000)
    await office.stored("rare", people=K - 1, each=50)
    await office.stored("late", people=K, at=SPAN.ended_at)
    await office.stored("early", people=K, at=SPAN.began_at - timedelta(microseconds=1))
    await office.statistics.sweep(NOW)

    assert await office.groups() == {"popular": K * 3 + ROUNDING}


async def test_nobody_who_comes_or_goes_is_seen_in_the_difference(office: Office) -> None:
    await office.stored("popular", people=K, each=2)
    gone = await office.stored("popular", each=7)
    await office.statistics.sweep(NOW)
    before = await office.spans()
    for table in ("assets", "runs"):
        await office.at.eye.execute(f"DELETE FROM jobs.{table} WHERE subject_ref = $1", gone)
    for later in (timedelta(hours=1), timedelta(days=1)):
        await office.statistics.sweep(NOW + later)

    assert await office.spans() == before
    assert [(one.began_at, one.ended_at, one.k, one.rounding) for one in before] == [
        (SPAN.began_at, SPAN.ended_at, K, ROUNDING)
    ]
    assert all(group.videos % ROUNDING == 0 for one in before for group in one.groups)


async def test_a_span_under_another_period_begins_where_the_last_one_ended(office: Office) -> None:
    await office.stored("popular", people=K)
    for days in range(16):
        await office.statistics.sweep(NOW + timedelta(days=days))

    spans = sorted(await office.spans(), key=lambda one: one.began_at)
    assert {one.ended_at - one.began_at for one in spans} == {WEEK, timedelta(days=5)}
    assert all(one.ended_at <= other.began_at for one, other in pairwise(spans))


async def test_a_policy_without_statistics_makes_none(office: Office, tmp_path: Path) -> None:
    await office.stored("popular", people=K)
    silent = in_two_versions(tmp_path / "silent", "2026-12-23", profile="aisora2")
    await Statistics(office.database, load_profile(silent).book).sweep(NOW)

    assert await office.spans() == ()
