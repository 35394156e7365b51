"""Retention's own parts on a real database, with the places it looks into: rows of jobs, item keys, an object store."""

import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

import lethe_gateway.migrations
import lethe_jobs.migrations
import lethe_privacy.migrations.keys
import lethe_retention.migrations
from lethe_common.database import Database
from lethe_common.database.migration import Schema, migrate, turn_partitions
from lethe_common.events.billing import PlanChanged
from lethe_common.events.jobs import (
    AssetsRemoved,
    Delivered,
    FailureCode,
    GenerationCancelled,
    GenerationCompleted,
    GenerationFailed,
    RemovalRule,
)
from lethe_common.events.privacy import ErasureCompleted, ErasureStepRequested
from lethe_common.identifiers import (
    AssetId,
    CertificateId,
    ErasureId,
    GenerationId,
    LegalHoldId,
    RunId,
    SealKeyId,
    SubjectRef,
)
from lethe_common.policy import load_profile
from lethe_common.rpc.envelope import NoAnswer
from lethe_common.rpc.retention import ErasureClearQuestion
from lethe_common.services import Service
from lethe_common.storage import Storage
from lethe_common.telemetry import Metrics
from lethe_gateway.models import Table as GatewayTable
from lethe_jobs.models import Table as JobsTable
from lethe_privacy.key_models import KeysTable
from lethe_retention.adapters.eyes import Cluster, Eyes
from lethe_retention.deadlines import Timetable
from lethe_retention.due_items import DueItems
from lethe_retention.endpoints.calendar import Calendar
from lethe_retention.endpoints.legal_holds import LegalHolds
from lethe_retention.endpoints.simulation import Simulations
from lethe_retention.erasures import ErasureHandlers
from lethe_retention.gauges import Gauges
from lethe_retention.handlers import ItemHandlers, PlanHandlers
from lethe_retention.models import Table
from lethe_retention.sweeps import Sweeps
from lethe_retention.verification import Verification
from lethe_retention.versions import Versions
from tests.hand_clock import HandClock
from tests.outboxes import TOLD, told
from tests.servers import RunningServers
from tests.tree import ROOT

AISORA2 = ROOT / "deploy/profiles/aisora2"
RUN = """
    INSERT INTO jobs.runs (generation_id, run_id, subject_ref, hold_id, model, provider, width_px, height_px, seconds,
                           state, priority)
    VALUES ($1, $2, $3, 'hold', 'lethe-local-1', 'local', 1280, 720, 4, 'completed', 0)
"""


@dataclass
class Keepers:
    """One retention, and what others have of its items."""

    database: Database
    clock: HandClock
    eyes: Eyes
    outside: asyncpg.Connection
    keys_outside: asyncpg.Connection
    store: Storage
    settle_seconds: float = 5.0
    profile: Path = AISORA2
    billing: dict[str, set[datetime]] = field(default_factory=dict)
    """When each plan began that somebody has had, as billing knows it."""
    is_billing_away: bool = False

    def __post_init__(self) -> None:
        profile = load_profile(self.profile)
        self.book = profile.book
        self.gauges = Gauges(Metrics())
        timetable = Timetable(self.book, profile.catalogue)
        self.verification = Verification(
            self.database,
            self.eyes.still_there,
            self.clock,
            self.gauges,
            batch=50,
            poll_seconds=0.05,
            again=timedelta(seconds=0.05),
        )
        self.items = ItemHandlers(timetable, self.clock, self.verification.wake)
        self.versions = Versions(self.database, self.book, timetable, self.clock, batch=50)
        self.plans = PlanHandlers(timetable, self.clock)
        self.erasures = ErasureHandlers(self.book, self.clock)
        self.holds = LegalHolds(self.database, self.clock)
        self.calendar = Calendar(self.database, self.book, timetable, self.clock)
        self.simulations = Simulations(self.database, self.book, profile.catalogue, self.clock)
        self.sweeps = Sweeps(
            self.database,
            self.book,
            DueItems(self.database, self.plans_count, self.gauges, batch=50),
            self.gauges,
            batch=50,
            due_again=timedelta(seconds=600),
            closed_period=timedelta(days=8),
            fence_period=timedelta(days=14),
            settle_seconds=self.settle_seconds,
            settle_poll_seconds=0.02,
        )

    async def plans_count(self, subject_refs: Collection[SubjectRef]) -> dict[str, int]:
        if self.is_billing_away:
            raise NoAnswer("plans.count")
        return {ref: len(self.billing[ref]) for ref in subject_refs if ref in self.billing}

    async def plan(self, subject: SubjectRef, plan: str, since: datetime | None = None) -> None:
        event = PlanChanged(subject_ref=subject, plan=plan, since=since or self.clock.now())
        self.billing.setdefault(subject, set()).add(event.since)
        async with self.database.transaction() as tx:
            await self.plans.on_plans_changed([event], tx)

    async def subject(self, plan: str = "free") -> SubjectRef:
        subject = SubjectRef.new()
        await self.plan(subject, plan)
        return subject

    async def completed(self, subject: SubjectRef, generation: GenerationId | None = None) -> GenerationId:
        generation = generation or GenerationId.new()
        event = GenerationCompleted(
            generation_id=generation,
            subject_ref=subject,
            asset_ids=(AssetId.new(),),
            delivered=Delivered(width_px=1280, height_px=720, duration_seconds=4, stored_bytes=1000),
            completed_at=self.clock.now(),
        )
        await self.ended(event)
        return generation

    async def ended(self, *events: GenerationCompleted | GenerationFailed | GenerationCancelled) -> None:
        async with self.database.transaction() as tx:
            await self.items.on_generations_ended(events, tx)

    async def failed(self, subject: SubjectRef) -> GenerationId:
        generation, at = GenerationId.new(), self.clock.now()
        code = FailureCode.TIMED_OUT
        await self.ended(GenerationFailed(generation_id=generation, subject_ref=subject, code=code, failed_at=at))
        return generation

    async def cancelled(self, subject: SubjectRef) -> GenerationId:
        generation, at = GenerationId.new(), self.clock.now()
        await self.ended(GenerationCancelled(generation_id=generation, subject_ref=subject, cancelled_at=at))
        return generation

    async def removed(
        self, subject: SubjectRef, generation: GenerationId, *prefixes: str, rule: RemovalRule = RemovalRule.EXPIRED
    ) -> None:
        item = AssetsRemoved.Item(
            generation_id=generation, subject_ref=subject, rule=rule, rows=1, object_versions=1, prefixes=prefixes
        )
        async with self.database.transaction() as tx:
            await self.items.on_assets_removed([AssetsRemoved(items=(item,))], tx)

    async def clear(self, subject: SubjectRef) -> tuple[LegalHoldId, ...]:
        """Privacy asks before it erases."""
        return (await self.holds.clear(ErasureClearQuestion(subject_ref=subject), Service.PRIVACY)).held_by

    async def erase(self, subject: SubjectRef, erasure_id: ErasureId) -> None:
        event = ErasureStepRequested(erasure_id=erasure_id, subject_ref=subject)
        async with self.database.transaction() as tx:
            await self.erasures.on_erasure_step_requested(event, tx)

    async def finish(self, subject: SubjectRef, erasure_id: ErasureId) -> None:
        event = ErasureCompleted(
            erasure_id=erasure_id,
            subject_ref=subject,
            certificate_id=CertificateId.new(),
            completed_at=self.clock.now(),
        )
        async with self.database.transaction() as tx:
            await self.erasures.on_erasure_completed(event, tx)

    async def sweep(self) -> None:
        await self.versions.apply(self.clock.now())
        await self.sweeps.tell_due(self.clock.now())
        await self.sweeps.prune(self.clock.now())

    async def look(self) -> None:
        while await self.verification.look():
            pass

    async def told(self, subject: SubjectRef) -> list[tuple[str, dict[str, Any]]]:
        rows = await self.database.pool.fetch(TOLD)
        owners = dict(await self.database.pool.fetch("SELECT item_id, subject_ref FROM deadlines"))
        about = []
        for type_, body in told(rows):
            kind = type_.removeprefix("retention.").removesuffix(".v1")
            if kind.startswith("items."):
                mine = [item for item in body["items"] if owners.get(item["generation_id"]) == subject]
                about += [(kind.replace("items", "item"), item) for item in mine]
            elif body.get("subject_ref") == subject:
                about.append((kind, body))
        return about

    async def kinds(self, subject: SubjectRef) -> list[str]:
        return [kind for kind, _ in await self.told(subject)]

    def overdue(self) -> dict[tuple[str, str], float]:
        """What the gauge shows, by category and age, without zeros."""
        (metric,) = self.gauges.overdue.collect()
        return {
            (sample.labels["category"], sample.labels["age"]): sample.value for sample in metric.samples if sample.value
        }

    async def due_days(self, generation: GenerationId) -> float:
        """Days from now until an item's deadline."""
        due_at = await self.database.pool.fetchval("SELECT due_at FROM deadlines WHERE item_id = $1", generation)
        return float((due_at - self.clock.now()) / timedelta(days=1))

    async def jobs_keep_a_run(self, subject: SubjectRef, generation: GenerationId) -> None:
        await self.outside.execute(RUN, generation, RunId.new(), subject)

    async def jobs_drop_the_run(self, generation: GenerationId) -> None:
        await self.outside.execute("DELETE FROM jobs.runs WHERE generation_id = $1", generation)

    async def privacy_keeps_a_key(self, subject: SubjectRef, generation: GenerationId) -> None:
        """A row in the key store, whatever else its columns ask for."""
        await self.keys_outside.execute("SET session_replication_role = replica")
        await self.keys_outside.execute(
            "INSERT INTO keys.item_keys SELECT * FROM json_populate_record(NULL::keys.item_keys, $1::json)",
            json.dumps(await self._key_row(subject, generation)),
        )

    async def privacy_destroys_the_key(self, generation: GenerationId) -> None:
        await self.keys_outside.execute("DELETE FROM keys.item_keys WHERE item_id = $1", generation)

    async def _key_row(self, subject: SubjectRef, generation: GenerationId) -> dict[str, object]:
        rows = await self.keys_outside.fetch(
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'keys' AND table_name = 'item_keys'"
        )
        by_type: dict[str, object] = {"bytea": "\\x" + "00" * 60, "integer": 1, "bigint": 1, "smallint": 1}
        by_name: dict[str, object] = {
            "item_id": generation,
            "subject_ref": subject,
            "key_id": SealKeyId.new(),
            "key_class": "content",
        }
        return {
            row["column_name"]: by_name.get(
                row["column_name"], by_type.get(row["data_type"], self.clock.now().isoformat())
            )
            for row in rows
        }


@asynccontextmanager
async def opened_keepers(servers: RunningServers, profile: Path = AISORA2) -> AsyncIterator[Keepers]:
    """The schemas brought up to date, and retention on its own, on a profile."""
    await migrate(servers.dsn("retention_owner"), schema("retention", lethe_retention.migrations, Table.metadata))
    await migrate(servers.dsn("gateway_owner"), schema("gateway", lethe_gateway.migrations, GatewayTable.metadata))
    await migrate(servers.dsn("jobs_owner"), schema("jobs", lethe_jobs.migrations, JobsTable.metadata))
    revisions = ROOT / next(iter(lethe_privacy.migrations.keys.__path__))
    keys = Schema("keys", "privacy", revisions, KeysTable.metadata, has_frame_tables=False)
    await migrate(servers.keys_dsn("privacy_owner"), keys)
    database = await Database.open(servers.dsn("retention"), Service.RETENTION)
    await turn_partitions(database.pool, 3, 7)
    databases = {
        Cluster.DATA: await Database.open(servers.dsn("verifier"), Service.RETENTION, schema="pg_catalog", size=2),
        Cluster.KEYS: await Database.open(servers.keys_dsn("verifier"), Service.RETENTION, schema="pg_catalog", size=2),
    }
    seeing, writing = storage(servers, "verifier"), storage(servers, "jobs")
    outside = await asyncpg.connect(servers.superuser_dsn())
    keys_outside = await asyncpg.connect(servers.superuser_dsn("lethe_keys"))
    try:
        eyes = Eyes(databases, seeing)
        yield Keepers(database, HandClock(), eyes, outside, keys_outside, writing, profile=profile)
    finally:
        await outside.close()
        await keys_outside.close()
        for one in (database, *databases.values()):
            await one.close()
        await seeing.close()
        await writing.close()


def schema(name: str, migrations: Any, metadata: Any) -> Schema:
    return Schema(name, name, ROOT / next(iter(migrations.__path__)), metadata)


def storage(servers: RunningServers, identity: str) -> Storage:
    key = servers.s3_key(identity)
    return Storage(servers.s3_endpoint, key.access_key, key.secret_key, servers.runtime.s3_bucket)
