"""Everything retention is made of, built once."""

from datetime import timedelta

from lethe_common.clock import Sweep
from lethe_common.database import Database
from lethe_common.events.billing import PlanChanged
from lethe_common.events.jobs import AssetRemoved, GenerationCancelled, GenerationCompleted, GenerationFailed
from lethe_common.events.privacy import ErasureCompleted, ErasureFenced, ErasureStepRequested
from lethe_common.process import Frame, Parts
from lethe_common.rpc.retention import DeadlineSummary
from lethe_common.services import Service
from lethe_common.storage import Storage
from lethe_retention.adapters.eyes import Cluster, Eyes
from lethe_retention.deadlines import Timetable
from lethe_retention.endpoints import Calendar
from lethe_retention.erasures import ErasureHandlers
from lethe_retention.gauges import Gauges
from lethe_retention.handlers import ItemHandlers, PlanHandlers
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
    verification = Verification(
        frame.database,
        Eyes(databases, storage, at_once=settings.look_at_once).still_there,
        frame.clock,
        gauges,
        batch=settings.look_batch,
        poll_seconds=settings.look_poll_seconds,
        again=timedelta(seconds=settings.look_again_seconds),
    )
    items = ItemHandlers(timetable, frame.clock, verification.wake)
    erasures = ErasureHandlers(frame.clock)
    sweeps = _sweeps(frame, settings, gauges)
    versions = Versions(frame.database, frame.book, timetable, frame.clock, batch=settings.versions_batch)
    due: list[Sweep] = [versions.apply, sweeps.tell_due]
    return Parts(
        handlers={
            ErasureFenced: erasures.on_erasure_fenced,
            ErasureStepRequested: erasures.on_erasure_step_requested,
            ErasureCompleted: erasures.on_erasure_completed,
        },
        batch_handlers={
            GenerationCompleted: items.on_generations_ended,
            GenerationFailed: items.on_generations_ended,
            GenerationCancelled: items.on_generations_ended,
            AssetRemoved: items.on_assets_removed,
            PlanChanged: PlanHandlers(timetable, frame.clock).on_plans_changed,
        },
        answers={DeadlineSummary: Calendar(frame.database, frame.book, frame.clock).summary},
        workers=[verification.run, versions.run],
        # Real time does not wait for anybody; who moves a virtual clock wants to see the effect.
        sweeps=[*due, sweeps.settle] if frame.clock.kind == "virtual" else due,
        on_close=[*(database.close for database in databases.values()), storage.close],
    )


def _sweeps(frame: Frame, settings: Settings, gauges: Gauges) -> Sweeps:
    return Sweeps(
        frame.database,
        frame.book,
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
