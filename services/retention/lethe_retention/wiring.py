"""Everything retention is made of, built once."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from lethe_common.bus.requests import Answer
from lethe_common.clock import Sweep
from lethe_common.database import Database
from lethe_common.events.billing import PlanChanged
from lethe_common.events.jobs import AssetsRemoved, GenerationCancelled, GenerationCompleted, GenerationFailed
from lethe_common.events.privacy import (
    ErasureCompleted,
    ErasureStepRequested,
    ExportReady,
    ExportRemoved,
    PauseBegan,
    PauseEnded,
)
from lethe_common.process import Frame, Parts
from lethe_common.rpc.envelope import Call
from lethe_common.rpc.exports import RetentionExportPage
from lethe_common.rpc.legal_holds import LegalHoldApprove, LegalHoldLift, LegalHoldList, LegalHoldPropose
from lethe_common.rpc.orphans import OrphanList
from lethe_common.rpc.retention import (
    CalendarForecast,
    CalendarPage,
    DeadlineSummary,
    ErasureClear,
    OverdueList,
    RemovalCheck,
)
from lethe_common.rpc.simulation import PolicySimulate
from lethe_common.services import Service
from lethe_common.storage import Storage
from lethe_common.sweeps import in_order
from lethe_retention.adapters.billing import Billing
from lethe_retention.adapters.eyes import Cluster, Eyes
from lethe_retention.adapters.owners import owners
from lethe_retention.adapters.places import Places
from lethe_retention.deadlines import Timetable
from lethe_retention.due_items import DueItems
from lethe_retention.endpoints.calendar import Calendar
from lethe_retention.endpoints.legal_holds import LegalHolds
from lethe_retention.endpoints.orphans import Orphans
from lethe_retention.endpoints.simulation import Simulations
from lethe_retention.erasures import ErasureHandlers
from lethe_retention.exports import ExportHandlers, Exports
from lethe_retention.gauges import Gauges
from lethe_retention.handlers import ItemHandlers, PlanHandlers
from lethe_retention.orphan_sweep import OrphanSweep, Pace
from lethe_retention.pauses import on_pause_began, on_pause_ended
from lethe_retention.settings import Settings
from lethe_retention.sweeps import Sweeps
from lethe_retention.verification import Verification
from lethe_retention.versions import Versions


async def build(frame: Frame, settings: Settings) -> Parts:
    """Build the service.

    Raises:
        DatabaseAway: a database cannot be reached with the verifier's credentials.
    """
    gauges, timetable = Gauges(frame.metrics), Timetable(frame.book, frame.catalogue)
    databases, storage = await _verifier_databases(settings), _verifier_storage(settings)
    eyes = Eyes(databases, storage)
    verification = Verification(
        frame.database,
        eyes.still_there,
        frame.clock,
        gauges,
        batch=settings.look_batch,
        poll_seconds=settings.look_poll_seconds,
        again=timedelta(seconds=settings.look_again_seconds),
    )
    items = ItemHandlers(timetable, frame.clock, verification.wake)
    erasures = ErasureHandlers(frame.book, frame.clock)
    exports = ExportHandlers(timetable, frame.clock, verification)
    sweeps = _sweeps(frame, settings, gauges)
    versions = Versions(frame.database, frame.book, timetable, frame.clock, batch=settings.versions_batch)
    # Nothing is due by a deadline that an older version computed.
    due: list[Sweep] = [versions.apply, sweeps.tell_due]
    places = Places(databases[Cluster.DATA], storage, page=settings.orphan_page)
    orphans = OrphanSweep(frame.database, places, eyes.still_there, owners(frame.bus), gauges, _orphan_pace(settings))
    orphan_list = Orphans(frame.database, orphans, age=timedelta(seconds=settings.orphan_age_seconds))
    return Parts(
        handlers={
            ErasureStepRequested: erasures.on_erasure_step_requested,
            ErasureCompleted: erasures.on_erasure_completed,
            PauseBegan: on_pause_began,
            PauseEnded: on_pause_ended,
            ExportReady: exports.on_export_ready,
            ExportRemoved: exports.on_export_removed,
        },
        batch_handlers={
            GenerationCompleted: items.on_generations_ended,
            GenerationFailed: items.on_generations_ended,
            GenerationCancelled: items.on_generations_ended,
            AssetsRemoved: items.on_assets_removed,
            PlanChanged: PlanHandlers(timetable, frame.clock).on_plans_changed,
        },
        answers={**_answers(frame, timetable), OrphanList: orphan_list.list},
        replay=erasures.bring_about,
        workers=[verification.run, versions.run, orphans.run],
        # Real time does not wait for anybody; who moves a virtual clock wants to see the effect.
        sweeps=[in_order(*due, sweeps.settle) if frame.clock.kind == "virtual" else in_order(*due)],
        rare_sweeps=[sweeps.prune],
        on_close=[*(database.close for database in databases.values()), storage.close],
    )


def _answers(frame: Frame, timetable: Timetable) -> Mapping[type[Call[Any, Any]], Answer]:
    calendar = Calendar(frame.database, frame.book, timetable, frame.clock)
    holds = LegalHolds(frame.database, frame.clock)
    return {
        DeadlineSummary: calendar.summary,
        OverdueList: calendar.overdue,
        CalendarForecast: calendar.forecast,
        CalendarPage: calendar.page,
        RemovalCheck: holds.check,
        RetentionExportPage: Exports(frame.database).page,
        PolicySimulate: Simulations(frame.database, frame.book, frame.catalogue, frame.clock).simulate,
        ErasureClear: holds.clear,
        LegalHoldList: holds.list,
        LegalHoldPropose: holds.propose,
        LegalHoldApprove: holds.approve,
        LegalHoldLift: holds.lift,
    }


def _orphan_pace(settings: Settings) -> Pace:
    return Pace(
        every_seconds=settings.orphan_sweep_seconds,
        age=timedelta(seconds=settings.orphan_age_seconds),
        grace=timedelta(seconds=settings.orphan_grace_seconds),
        most=settings.orphans_most,
    )


def _sweeps(frame: Frame, settings: Settings, gauges: Gauges) -> Sweeps:
    due_items = DueItems(frame.database, Billing(frame.bus).plans_count, gauges, batch=settings.due_batch)
    return Sweeps(
        frame.database,
        frame.book,
        due_items,
        gauges,
        batch=settings.due_batch,
        due_again=timedelta(seconds=settings.due_again_seconds),
        closed_period=timedelta(days=settings.closed_days),
        fence_period=timedelta(days=settings.fence_days),
        settle_seconds=settings.settle_seconds,
        settle_poll_seconds=settings.settle_poll_seconds,
    )


async def _verifier_databases(settings: Settings) -> dict[Cluster, Database]:
    urls = {
        Cluster.DATA: settings.verifier_database_url.get_secret_value(),
        Cluster.KEYS: settings.verifier_keys_database_url.get_secret_value(),
    }
    return {
        cluster: await Database.open(url, Service.RETENTION, schema="pg_catalog", size=settings.verifier_pool_size)
        for cluster, url in urls.items()
    }


def _verifier_storage(settings: Settings) -> Storage:
    return Storage(
        settings.s3_endpoint,
        settings.s3_verifier_access_key,
        settings.s3_verifier_secret_key.get_secret_value(),
        settings.s3_bucket,
        is_secure=settings.s3_secure,
    )
