"""Workers: claim runs in batches as slots are free, and hand them to their providers."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import structlog

from lethe_common.bells import Bell
from lethe_common.clock import monotonic_seconds
from lethe_common.database import Database
from lethe_common.errors import Unavailable
from lethe_common.identifiers import GenerationId
from lethe_common.logging import describe, places
from lethe_jobs.gauges import Gauges
from lethe_jobs.heartbeats import Heart
from lethe_jobs.inputs import Inputs, Ready
from lethe_jobs.leases import Run, delay_after
from lethe_jobs.outputs import unstored
from lethe_jobs.performances import Performances
from lethe_jobs.providers import GenerationProvider, Watch
from lethe_jobs.queries import runs as queries
from lethe_jobs.runs import Cause
from lethe_jobs.settlements import Settlements
from lethe_jobs.verdicts import Verdict, completed, postponed, released

log = structlog.get_logger()

_WARM_SECONDS = 5.0
_STOP_SECONDS = 5.0


class Workers:
    """This process's share of the work."""

    def __init__(
        self,
        name: str,
        providers: Sequence[GenerationProvider],
        database: Database,
        bell: Bell,
        heart: Heart,
        inputs: Inputs,
        performances: Performances,
        settlements: Settlements,
        gauges: Gauges,
        *,
        lease: timedelta,
        batch: int,
        poll_seconds: float,
        idle_seconds: float,
    ) -> None:
        self.name, self.lease = name, lease
        self._providers, self._database = providers, database
        self._by_name = {provider.name: provider for provider in providers}
        self._bell, self._heart, self._inputs, self._performances = bell, heart, inputs, performances
        self._settlements, self._gauges = settlements, gauges
        self._batch, self._poll_seconds, self._idle_seconds = batch, poll_seconds, idle_seconds
        self._warm_until = 0.0
        self._busy: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    async def run(self) -> None:
        """Claim for ever; a worker of the frame. Woken by commits, with a slow poll as safety net."""
        failures = 0
        while not self._is_stopping:
            try:
                has_more = [await self._claim(provider) for provider in self._providers]
            except Unavailable as error:
                failures += 1
                log.info("claims_wait", cause=type(error).__name__)
                await asyncio.sleep(delay_after(failures).total_seconds())
                continue
            failures = 0
            if not any(has_more):
                is_warm = monotonic_seconds() < self._warm_until
                await self._bell.wait(self._poll_seconds if is_warm else self._idle_seconds)

    async def stop(self) -> None:
        """Claim no more; give runs that are not done at once back to the queue."""
        self._is_stopping = True
        self._bell.ring()
        self._heart.stop_all()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_STOP_SECONDS)
        for provider in self._providers:
            await provider.close()

    async def _claim(self, provider: GenerationProvider) -> bool:
        """Whether there may be more for this provider at once: it took as many runs as were asked for."""
        free = min(provider.at_once - self._busy[provider.name], self._batch)
        # Whoever is cut off from the bus would keep runs from the others until its questions have timed out.
        if free <= 0 or self._is_stopping or not self._inputs.can_ask:
            return False
        is_single = provider.at_once_everywhere is None
        async with self._database.single() if is_single else self._database.transaction() as tx:
            runs = await queries.claim(tx, provider.name, free, provider.at_once_everywhere, self.name, self.lease)
        if runs:
            self._start(provider, runs)
        return len(runs) == free

    def reserve(self, provider_name: str, wanted: int) -> int:
        """Set places aside for runs that are to be leased as they are queued; give them all back afterwards.

        There are none of a provider whose limit holds over all processes: that takes a look at the others.
        """
        provider = self._by_name[provider_name]
        if self._is_stopping or provider.at_once_everywhere is not None:
            return 0
        reserved = max(0, min(wanted, self._batch, provider.at_once - self._busy[provider_name]))
        self._occupy(provider, reserved)
        return reserved

    def give_back(self, provider_name: str, reserved: int) -> None:
        """The transaction is over, however it ended."""
        self._occupy(self._by_name[provider_name], -reserved)

    def begin(self, leased: Sequence[tuple[str, Run]]) -> None:
        """These were leased in this process's name."""
        for name in {name for name, _ in leased}:
            runs = [run for provider_name, run in leased if provider_name == name]
            self._start(self._by_name[name], runs)

    def _start(self, provider: GenerationProvider, runs: list[Run]) -> None:
        self._warm_until = monotonic_seconds() + _WARM_SECONDS
        self._occupy(provider, len(runs))
        self._gauges.claimed.labels(provider.name).inc(len(runs))
        self._spawn(provider, runs)

    def _occupy(self, provider: GenerationProvider, count: int) -> None:
        was_full = self._busy[provider.name] >= provider.at_once
        self._busy[provider.name] += count
        self._gauges.running.labels(provider.name).set(self._busy[provider.name])
        if was_full and count < 0:
            self._bell.ring()

    def _spawn(self, provider: GenerationProvider, runs: list[Run]) -> None:
        watches = self._heart.hold(runs)
        task = asyncio.create_task(self._work(provider, runs, watches))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            # The leases run out, and the runs are tried again.
            log.error("work_failed", error=describe(error), where=places(error))

    async def _work(self, provider: GenerationProvider, runs: list[Run], watches: dict[GenerationId, Watch]) -> None:
        left = {run.generation_id: run for run in runs}
        try:
            fetched = await self._inputs.fetch(runs)
            verdicts = list(fetched.verdicts)
            if provider.is_instant:
                verdicts += [await self._deliver(provider, ready, watches) for ready in fetched.ready]
            await self._settle_all(verdicts)
            for verdict in verdicts:
                self._release(provider, left.pop(verdict.run.generation_id))
            waiting = [] if provider.is_instant else list(fetched.ready)
            del fetched
            async with asyncio.TaskGroup() as group:
                while waiting:
                    # Each run's keys live with its own task: a neighbour that takes long does not keep them.
                    run = left.pop(waiting[-1].order.run.generation_id)
                    group.create_task(self._perform(provider, waiting.pop(), run, watches[run.generation_id]))
        finally:
            for run in left.values():
                self._release(provider, run)

    async def _deliver(self, provider: GenerationProvider, ready: Ready, watches: dict[GenerationId, Watch]) -> Verdict:
        run = ready.order.run
        if watches[run.generation_id].is_stopped():
            return released(run)
        if not self._inputs.may_begin(ready):
            return postponed(run, Cause.KEYS_STALE)
        delivery = await provider.generate(ready.order, watches[run.generation_id])
        return completed(run, Cause.DELIVERED, unstored(ready.order, delivery))

    async def _settle_all(self, verdicts: list[Verdict]) -> None:
        """Straight to one transaction: the claim already gathered them."""
        if not verdicts:
            return
        tries = 0
        while True:
            try:
                await self._settlements.write(verdicts)
            except Unavailable:
                tries += 1
                await asyncio.sleep(delay_after(tries).total_seconds())
            else:
                return

    async def _perform(self, provider: GenerationProvider, ready: Ready, run: Run, watch: Watch) -> None:
        try:
            await self._performances.perform(provider, ready, watch)
        except Exception:
            # One run's own failure must not take its neighbours along. Its lease runs out, and it is tried again.
            log.exception("run_failed", generation_id=run.generation_id)
        finally:
            self._release(provider, run)

    def _release(self, provider: GenerationProvider, run: Run) -> None:
        self._heart.let_go(run)
        self._occupy(provider, -1)
