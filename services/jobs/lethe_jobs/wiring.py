"""Builds every object of the jobs service, once."""

import secrets
from collections.abc import Sequence
from datetime import timedelta

from lethe_common.events.billing import PlanChanged
from lethe_common.events.jobs import GenerationCancelRequested, GenerationDeleteRequested, GenerationRequested
from lethe_common.events.privacy import ErasureCompleted, ErasureFenced, ErasureStepRequested, KeysCalledIn
from lethe_common.events.retention import ItemsDue, LegalHoldLifted, LegalHoldPlaced
from lethe_common.leased_keys import LeasedKeys
from lethe_common.process import Frame, Parts
from lethe_common.rpc.exports import JobsExportPage
from lethe_common.rpc.jobs import AssetLocate, RunList, RunPosition, StatisticsList
from lethe_common.rpc.orphans import OutputOrphansRemove
from lethe_common.sealing import Sealer
from lethe_common.storage import Storage
from lethe_jobs.adapters.local import LocalProvider
from lethe_jobs.adapters.noop import NoopProvider
from lethe_jobs.bells import Bells
from lethe_jobs.endpoints import Endpoints
from lethe_jobs.erasures import Erasures
from lethe_jobs.expiries import Expiries
from lethe_jobs.exports import Exports
from lethe_jobs.gauges import Gauges
from lethe_jobs.handlers import GenerationHandlers, RemovalHandlers
from lethe_jobs.heartbeats import Heart
from lethe_jobs.inputs import Inputs
from lethe_jobs.orphans import Orphans
from lethe_jobs.outputs import Outputs
from lethe_jobs.paces import Pace
from lethe_jobs.performances import Performances
from lethe_jobs.plans import Plans
from lethe_jobs.providers import GenerationProvider
from lethe_jobs.queues import QueueWatch
from lethe_jobs.removals import Removals
from lethe_jobs.replays import Replays
from lethe_jobs.routes import routes
from lethe_jobs.settings import JobsSettings
from lethe_jobs.settlements import Settlements
from lethe_jobs.statistics import Statistics
from lethe_jobs.workers import Workers

_EXPIRY_LOOKS_PER_LEASE = 4


async def build(frame: Frame, settings: JobsSettings, providers: Sequence[GenerationProvider] | None = None) -> Parts:
    """Everything from its settings, with these providers if any are given.

    Raises:
        ConfigurationError: the catalogue offers a model whose provider is not here.
    """
    providers = providers or _providers(settings)
    provider_of = routes(frame.catalogue, {provider.name for provider in providers})
    plans, bells, gauges = Plans(frame.catalogue), Bells(), Gauges(frame.metrics)
    pace, lease = Pace(settings.seconds_per_second), timedelta(seconds=settings.lease_seconds)
    sealer, storage = Sealer(is_on=settings.sealing), _storage(settings)
    database, clock, bus = frame.database, frame.clock, frame.bus

    settlements = Settlements(database, clock, plans, bells, gauges)
    heart = _heart(frame, settings, bells, lease)
    leased = LeasedKeys(bus, frame.service, settings.process_name)
    inputs = Inputs(bus, leased, sealer, storage, key_seconds=settings.key_seconds)
    performances = Performances(
        database, clock, inputs, Outputs(sealer, storage), settlements, gauges, pace, settings.attempts_most
    )
    workers = Workers(
        f"{frame.service}-{secrets.token_hex(4)}", providers, database, bells.queue, heart, inputs,
        performances, settlements, gauges, lease=lease, batch=settings.claim_batch,
        poll_seconds=settings.claim_poll_seconds, idle_seconds=settings.claim_idle_seconds,
    )  # fmt: skip
    expiries = Expiries(
        database, settlements, attempts_most=settings.attempts_most, batch=settings.expired_batch,
        every_seconds=settings.lease_seconds / _EXPIRY_LOOKS_PER_LEASE,
    )  # fmt: skip
    removals = _removals(frame, settings, storage, bells, gauges)
    erasures = Erasures(
        database, storage, bells.erasures, lease=timedelta(seconds=settings.removal_lease_seconds),
        poll_seconds=settings.removal_poll_seconds,
    )  # fmt: skip
    generations = GenerationHandlers(clock, plans, bells, workers, provider_of)
    removing = RemovalHandlers(clock, generations, bells, hold_wait=timedelta(seconds=settings.removal_hold_seconds))
    answers = Endpoints(database, pace, {one.name: one.at_once for one in providers}, settings.position_most)
    return Parts(
        replay=Replays(generations, removing).bring_about,
        batch_handlers={
            GenerationRequested: generations.on_generations_requested,
            GenerationDeleteRequested: removing.on_generations_delete_requested,
            ItemsDue: removing.on_items_due,
        },
        handlers={
            GenerationCancelRequested: generations.on_generation_cancel_requested,
            PlanChanged: generations.on_plan_changed,
            LegalHoldPlaced: removing.on_hold_placed,
            LegalHoldLifted: removing.on_hold_lifted,
            ErasureFenced: removing.on_erasure_fenced,
            ErasureStepRequested: removing.on_erasure_step_requested,
            ErasureCompleted: removing.on_erasure_completed,
        },
        answers={
            RunPosition: answers.position,
            AssetLocate: answers.assets,
            RunList: answers.runs,
            StatisticsList: answers.statistics,
            JobsExportPage: Exports(database).page,
            OutputOrphansRemove: Orphans(database, bus, storage).remove,
        },
        listeners={KeysCalledIn: leased.on_called_in},
        workers=[
            workers.run, settlements.run, heart.run, heart.say_progress, expiries.run, removals.run, erasures.run,
        ],
        sweeps=[QueueWatch(database, gauges).sweep],
        rare_sweeps=[Statistics(database, frame.book).sweep, removals.prune],
        on_stop=[workers.stop],
        on_close=[storage.close],
    )  # fmt: skip


def _providers(settings: JobsSettings) -> list[GenerationProvider]:
    """The no-op provider takes the place of all others, or joins them for those models that name it."""
    noop = NoopProvider(settings.providers_noop_seconds, settings.providers_noop_object_bytes)
    if settings.providers_noop:
        return [noop]
    local = LocalProvider(settings.local_at_once)
    return [local, noop] if settings.providers_noop_beside else [local]


def _storage(settings: JobsSettings) -> Storage:
    return Storage(
        settings.s3_endpoint, settings.s3_access_key, settings.s3_secret_key.get_secret_value(), settings.s3_bucket,
        is_secure=settings.s3_secure,
    )  # fmt: skip


def _heart(frame: Frame, settings: JobsSettings, bells: Bells, lease: timedelta) -> Heart:
    return Heart(
        frame.database,
        frame.bus,
        bells.heart,
        lease=lease,
        beat_seconds=settings.heartbeat_seconds,
        progress_seconds=settings.progress_seconds,
    )


def _removals(frame: Frame, settings: JobsSettings, storage: Storage, bells: Bells, gauges: Gauges) -> Removals:
    return Removals(
        frame.database, frame.bus, storage, bells.removals, gauges,
        batch=settings.removal_batch, at_once=settings.removals_at_once,
        lease=timedelta(seconds=settings.removal_lease_seconds), poll_seconds=settings.removal_poll_seconds,
        gather_seconds=settings.removal_gather_seconds,
        tombstones=timedelta(days=settings.tombstone_days), hold_wait=timedelta(seconds=settings.removal_hold_seconds),
    )  # fmt: skip
