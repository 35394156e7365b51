"""Writing verdicts: leases end, assets are noted, waiting runs move up and the facts are told, all in one transaction."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import structlog

from lethe_common.clock import Clock
from lethe_common.coalescer import Coalescer
from lethe_common.database import Database, Transaction
from lethe_common.events.envelope import Event
from lethe_common.events.jobs import GenerationCancelled, GenerationCompleted, GenerationFailed, UploadProcessed
from lethe_jobs.bells import Bells
from lethe_jobs.gauges import Gauges
from lethe_jobs.leases import Run
from lethe_jobs.plans import Plans
from lethe_jobs.queries import subjects
from lethe_jobs.queries import verdicts as queries
from lethe_jobs.queries.verdicts import Settled
from lethe_jobs.runs import State, failure_of
from lethe_jobs.verdicts import Verdict, delivered_of

log = structlog.get_logger()

_WRITERS = 2
_DEADLOCKS_MOST = 4
# A removal waits for its run to stop; a run that completed was not asked to.
_WAITED_FOR = {State.CANCELLED, State.FAILED, None}


class Settlements:
    """Verdicts that wait at one moment are written together."""

    def __init__(self, database: Database, clock: Clock, plans: Plans, bells: Bells, gauges: Gauges) -> None:
        self._database, self._clock, self._plans = database, clock, plans
        self._bells, self._gauges = bells, gauges
        self._waiting: Coalescer[Verdict, Settled | None] = Coalescer(self.write, writers=_WRITERS)

    async def run(self) -> None:
        """Serve for ever; a worker of the frame."""
        await self._waiting.run()

    async def settle(self, verdict: Verdict) -> Settled | None:
        """Write one verdict. Returns what became of the run, or None when its lease had been lost.

        Raises:
            Unavailable: the database is away; whether it was written is unknown, and trying again is safe.
        """
        return await self._waiting.put(verdict)

    async def write(self, verdicts: Sequence[Verdict]) -> list[Settled | None]:
        """Write several, each for itself: those whose lease was lost get None."""
        return await self._write(verdicts, only_expired=False)

    async def expire(self, verdicts: Sequence[Verdict]) -> list[Settled | None]:
        """Write verdicts about runs whose worker is silent, unless it spoke up meanwhile."""
        return await self._write(verdicts, only_expired=True)

    async def _write(self, verdicts: Sequence[Verdict], *, only_expired: bool) -> list[Settled | None]:
        for _ in range(_DEADLOCKS_MOST):
            try:
                return await self._write_once(verdicts, only_expired=only_expired)
            except asyncpg.DeadlockDetectedError:
                # A consumer's transaction may lock several subjects one event after the other; one of two must yield.
                log.info("settlement_yields", count=len(verdicts))
        return await self._write_once(verdicts, only_expired=only_expired)

    async def _write_once(self, verdicts: Sequence[Verdict], *, only_expired: bool) -> list[Settled | None]:
        async with self._database.transaction() as tx:
            known = await subjects.lock(tx, [verdict.run.subject_ref for verdict in verdicts])
            settled = await queries.settle(tx, verdicts, only_expired=only_expired)
            now = self._clock.now()
            outcomes = [(verdict, settled.get(verdict.run.generation_id)) for verdict in verdicts]
            stored = [
                (verdict, asset)
                for verdict, outcome in outcomes
                if outcome is not None and outcome.state is State.COMPLETED
                for asset in verdict.assets
            ]
            if stored:
                await queries.store_assets(tx, stored, now)
            admitted = await subjects.admit_waiting(tx, self._plans.limits(known)) if known else 0
            _tell(tx, outcomes, now)
            states = {outcome.state if outcome is not None else None for _, outcome in outcomes}
            if admitted or State.QUEUED in states:
                tx.after_commit(self._bells.queue.ring)
            if states & _WAITED_FOR:
                tx.after_commit(self._bells.removals.ring)
                tx.after_commit(self._bells.erasures.ring)
        self._count(outcomes)
        return [outcome for _, outcome in outcomes]

    def _count(self, outcomes: Sequence[tuple[Verdict, Settled | None]]) -> None:
        for _, outcome in outcomes:
            if outcome is None:
                self._gauges.lost.inc()
            else:
                self._gauges.settled.labels(outcome.state, outcome.cause).inc()


def _tell(tx: Transaction, outcomes: Sequence[tuple[Verdict, Settled | None]], now: datetime) -> None:
    for verdict, outcome in outcomes:
        if outcome is None or not outcome.state.is_final:
            continue
        tx.tell(_fact(verdict, outcome, now))
        if verdict.run.upload_id is not None:
            tx.tell(
                UploadProcessed(
                    upload_id=verdict.run.upload_id,
                    generation_id=verdict.run.generation_id,
                    subject_ref=verdict.run.subject_ref,
                    processed_at=now,
                )
            )


def _fact(verdict: Verdict, outcome: Settled, now: datetime) -> Event:
    run: Run = verdict.run
    if outcome.state is State.COMPLETED:
        return GenerationCompleted(
            generation_id=run.generation_id,
            subject_ref=run.subject_ref,
            asset_ids=tuple(asset.asset_id for asset in verdict.assets),
            delivered=delivered_of(verdict.assets),
            completed_at=now,
        )
    if outcome.state is State.FAILED:
        return GenerationFailed(
            generation_id=run.generation_id,
            subject_ref=run.subject_ref,
            code=failure_of(outcome.cause),
            failed_at=now,
        )
    return GenerationCancelled(generation_id=run.generation_id, subject_ref=run.subject_ref, cancelled_at=now)
