"""One run by one provider, from its lease to its verdict."""

import asyncio

import structlog

from lethe_common import crashes
from lethe_common.clock import Clock, monotonic_seconds
from lethe_common.database import Database
from lethe_common.errors import Unavailable
from lethe_common.events.jobs import GenerationStarted
from lethe_common.logging import places
from lethe_common.services import Service
from lethe_common.storage import ObjectMissing, StorageError, new_object_prefix
from lethe_jobs.errors import BadInput, InputUnreadable, KeysStale, ProviderFailed, RunStopped
from lethe_jobs.gauges import Gauges
from lethe_jobs.inputs import Inputs, Ready, missing_is
from lethe_jobs.leases import Run, delay_after
from lethe_jobs.models import OUTPUT_PREFIX
from lethe_jobs.outputs import Outputs
from lethe_jobs.paces import Pace
from lethe_jobs.providers import Delivery, GenerationProvider, Order, Watch
from lethe_jobs.queries import runs as queries
from lethe_jobs.queries import subjects
from lethe_jobs.queries import verdicts as verdict_queries
from lethe_jobs.runs import Cause, State
from lethe_jobs.settlements import Settlements
from lethe_jobs.verdicts import Asset, Verdict, broken, completed, failed, postponed, released

log = structlog.get_logger()

_RENDERED = crashes.point("run.rendered", Service.JOBS)
_STORED = crashes.point("run.stored", Service.JOBS)


class Performances:
    """Makes a run's output, and settles it whatever happens."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        inputs: Inputs,
        outputs: Outputs,
        settlements: Settlements,
        gauges: Gauges,
        pace: Pace,
        attempts_most: int,
    ) -> None:
        self._database, self._clock, self._inputs, self._outputs = database, clock, inputs, outputs
        self._settlements, self._gauges, self._pace = settlements, gauges, pace
        self._attempts_most = attempts_most

    async def perform(self, provider: GenerationProvider, ready: Ready, watch: Watch) -> None:
        """Make, store, settle; drop what was stored if nobody wants it any more."""
        began = monotonic_seconds()
        run = ready.order.run
        verdict = await self._attempt(provider, ready, watch)
        settled = await self._settle(verdict)
        if settled is State.COMPLETED:
            took = monotonic_seconds() - began
            self._gauges.made.labels(provider.name).observe(took)
            self._pace.observe(run.seconds, took)
        elif verdict.assets:
            await self._drop(run, verdict.assets)

    async def _attempt(self, provider: GenerationProvider, ready: Ready, watch: Watch) -> Verdict:
        run = ready.order.run
        try:
            await self._move(run, State.LEASED, State.RENDERING, Cause.STARTED)
            order = await self._inputs.with_reference(ready)
            delivery = await provider.generate(order, watch)
            _RENDERED.reached()
            assets = await self._store(order, delivery, watch)
            _STORED.reached()
            return completed(run, Cause.DELIVERED, assets)
        except RunStopped:
            # Settling turns this into a cancellation where one was asked for; a lost lease writes nothing.
            return released(run)
        except BadInput:
            return failed(run, Cause.BAD_INPUT)
        except (ObjectMissing, InputUnreadable) as error:
            return failed(run, missing_is(error))
        except ProviderFailed as error:
            cause = error.__cause__
            log.warning("provider_failed", provider=provider.name, generation_id=run.generation_id,
                        attempt=run.attempts_count, where=places(cause or error))  # fmt: skip
            return broken(run, Cause.PROVIDER_FAILED, self._attempts_most)
        except (Unavailable, StorageError) as error:
            log.info("run_waits", cause=type(error).__name__, generation_id=run.generation_id)
            return postponed(run, _waits_for(error))

    async def _store(self, order: Order, delivery: Delivery, watch: Watch) -> tuple[Asset, ...]:
        """Raises:
        RunStopped: the run is not this worker's to finish.
        """
        run = order.run
        if watch.is_stopped():
            raise RunStopped("The run is to stop.")
        prefix = await self._move(run, State.RENDERING, State.STORING, Cause.RENDERED)
        if run.attempts_count > 1 or run.postponed_count:
            await self._outputs.clear(prefix)
        return await self._outputs.store(order, delivery, prefix)

    async def _move(self, run: Run, before: State, after: State, cause: Cause) -> str:
        async with self._database.transaction() as tx:
            prefix = None
            if after is State.STORING:
                random = await subjects.object_random(tx, run.subject_ref)
                if random is None:
                    raise RunStopped("The subject is gone.")
                prefix = new_object_prefix(OUTPUT_PREFIX, random)
            moved = await queries.move(tx, run.lease, before, after, cause, prefix)
            if moved is not None and cause is Cause.STARTED:
                tx.tell(
                    GenerationStarted(
                        generation_id=run.generation_id, subject_ref=run.subject_ref, started_at=self._clock.now()
                    )
                )
        if moved is None:
            raise RunStopped("The lease is lost, or the run is to stop.")
        return moved

    async def _settle(self, verdict: Verdict) -> State | None:
        """Settle, however long the database is away; the token decides whether it still counts."""
        tries = 0
        while True:
            try:
                outcome = await self._settlements.settle(verdict)
            except Unavailable:
                tries += 1
                await asyncio.sleep(delay_after(tries).total_seconds())
            else:
                return outcome.state if outcome else None

    async def _drop(self, run: Run, assets: tuple[Asset, ...]) -> None:
        keys = [asset.object_key for asset in assets if asset.object_key is not None]
        async with self._database.transaction() as tx:
            # A commit whose answer was lost may have completed the run with these very objects.
            if await verdict_queries.are_stored(tx, run.generation_id, keys):
                return
        await self._outputs.drop(assets)
        log.info("late_result_dropped", generation_id=run.generation_id, count=len(keys))


def _waits_for(error: Unavailable | StorageError) -> Cause:
    if isinstance(error, StorageError):
        return Cause.STORAGE_AWAY
    return Cause.KEYS_STALE if isinstance(error, KeysStale) else Cause.SERVICE_AWAY
