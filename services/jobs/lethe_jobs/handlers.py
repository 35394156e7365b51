"""What jobs does when something happened elsewhere.

Each handler locks its subjects first, then decides, writes and tells; the frame
commits. Workers are woken after the commit.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial

from lethe_common.clock import Clock
from lethe_common.database import Transaction
from lethe_common.events.billing import PlanChanged
from lethe_common.events.envelope import portions
from lethe_common.events.jobs import (
    AssetsRemoved,
    GenerationCancelled,
    GenerationCancelRequested,
    GenerationDeleteRequested,
    GenerationRequested,
    RemovalRule,
    UploadProcessed,
)
from lethe_common.events.privacy import ErasureCompleted, ErasureFenced, ErasureStepReported, ErasureStepRequested
from lethe_common.events.retention import ItemsDue, LegalHoldLifted, LegalHoldPlaced
from lethe_common.identifiers import GenerationId, SubjectRef, UploadId
from lethe_common.services import Service
from lethe_jobs.admissions import admit, first
from lethe_jobs.bells import Bells
from lethe_jobs.plans import Plans
from lethe_jobs.queries import erasures, removals, runs, subjects
from lethe_jobs.queries.runs import Newcomer
from lethe_jobs.queries.subjects import KnownSubject, Surroundings
from lethe_jobs.runs import Cause
from lethe_jobs.workers import Workers

_OUTPUT_CATEGORIES = "output."
_AT_ONCE = timedelta(0)


class GenerationHandlers:
    """Requests, cancellations, plans."""

    def __init__(
        self, clock: Clock, plans: Plans, bells: Bells, workers: Workers, provider_of: Callable[[str], str]
    ) -> None:
        self._clock, self._plans, self._bells, self._workers = clock, plans, bells, workers
        self._provider_of = provider_of
        self.opening_plan = plans.opening

    async def on_generations_requested(self, events: Sequence[GenerationRequested], tx: Transaction) -> None:
        requests = list({event.generation_id: event for event in events}.values())
        refs = [request.subject_ref for request in requests]
        known = await subjects.meet(tx, refs, self._plans.opening)
        around = await subjects.surroundings(
            tx,
            refs,
            [request.generation_id for request in requests],
            [self._provider_of(one.model) for one in requests],
        )
        welcome = {ref for ref, subject in known.items() if not subject.is_fenced}
        unwanted = around.forestalled | {one.generation_id for one in requests if one.subject_ref not in welcome}
        wanted = [request for request in requests if request.generation_id not in unwanted]
        if wanted:
            await self._queue(tx, self._newcomers(wanted, known, around), known, around)
        for request in requests:
            if request.generation_id in unwanted:
                # Told again if need be: billing gives the credits back once.
                self.tell_cancelled(tx, request.generation_id, request.subject_ref, request.upload_id)

    async def on_generation_cancel_requested(self, event: GenerationCancelRequested, tx: Transaction) -> None:
        # Introduced even when unknown: else nothing keeps it from passing by its request in another replica's transaction.
        known = await subjects.meet(tx, [event.subject_ref], self._plans.opening)
        if await runs.is_known(tx, event.generation_id, event.subject_ref):
            await self.stop(tx, known, event.subject_ref, event.generation_id, Cause.CANCEL_REQUESTED)
        else:
            await removals.cancel_early(tx, event.generation_id, event.subject_ref)

    async def on_plan_changed(self, event: PlanChanged, tx: Transaction) -> None:
        await subjects.meet(tx, [event.subject_ref], self._plans.opening)
        standing = self._plans.standing(event.plan)
        if await subjects.change_plan(tx, event.subject_ref, event.plan, event.since, standing.priority):
            await subjects.admit_waiting(tx, {event.subject_ref: standing.at_once})
            tx.after_commit(self._bells.queue.ring)

    async def stop(
        self,
        tx: Transaction,
        known: dict[str, subjects.KnownSubject],
        ref: SubjectRef,
        generation_id: GenerationId | None,
        cause: Cause,
    ) -> None:
        """Cancel what is queued, and ask the workers of what runs to stop: one run of a subject, or all."""
        stopped = await runs.stop_queued(tx, ref, generation_id, cause)
        for one in stopped:
            self.tell_cancelled(tx, one.generation_id, ref, one.upload_id)
        if stopped and known:
            await subjects.admit_waiting(tx, self._plans.limits(known))
            tx.after_commit(self._bells.queue.ring)
        if await runs.stop_active(tx, ref, generation_id):
            tx.after_commit(self._bells.heart.ring)

    def tell_cancelled(
        self, tx: Transaction, generation_id: GenerationId, ref: SubjectRef, upload_id: UploadId | None
    ) -> None:
        """There will be no output, and its upload is read no more."""
        now = self._clock.now()
        tx.tell(GenerationCancelled(generation_id=generation_id, subject_ref=ref, cancelled_at=now))
        if upload_id is not None:
            tx.tell(
                UploadProcessed(upload_id=upload_id, generation_id=generation_id, subject_ref=ref, processed_at=now)
            )

    def _newcomers(
        self, requests: Sequence[GenerationRequested], known: Mapping[str, KnownSubject], around: Surroundings
    ) -> list[Newcomer]:
        limits = self._plans.limits(known)
        slots = admit([(one.generation_id, one.subject_ref) for one in requests], around.occupied, limits)
        return [
            Newcomer(
                request,
                self._provider_of(request.model),
                self._plans.standing(known[request.subject_ref].plan).priority,
                slot,
            )
            for request, slot in zip(requests, slots, strict=True)
        ]

    async def _queue(
        self, tx: Transaction, newcomers: Sequence[Newcomer], known: Mapping[str, KnownSubject], around: Surroundings
    ) -> None:
        taken = self._take(tx, newcomers, around.busy_providers)
        new = await runs.queue(tx, newcomers, taken, self._workers.name, self._workers.lease)
        if len(new) < len(newcomers):
            # A run that was there already did not take the slot meant for it.
            await subjects.admit_waiting(tx, self._plans.limits(known))
        leased = [(one.provider, one.leased()) for one in newcomers if one.request.generation_id in taken & new]
        tx.after_commit(lambda: self._workers.begin(leased))
        if len(leased) < len(newcomers):
            tx.after_commit(self._bells.queue.ring)

    def _take(self, tx: Transaction, newcomers: Sequence[Newcomer], busy: set[str]) -> set[str]:
        """Which newcomers this process's workers lease at once: where nobody waits before them, and as many as are free."""
        taken: set[str] = set()
        for provider in {newcomer.provider for newcomer in newcomers} - busy:
            theirs = [
                (one.request.generation_id, one.priority, one.slot) for one in newcomers if one.provider == provider
            ]
            reserved = self._workers.reserve(provider, len(theirs))
            tx.after_commit(partial(self._workers.give_back, provider, reserved))
            tx.after_failure(partial(self._workers.give_back, provider, reserved))
            taken |= first(theirs, reserved)
        return taken


class RemovalHandlers:
    """Deletions, expiries, erasures, and what forbids them."""

    def __init__(self, clock: Clock, generations: GenerationHandlers, bells: Bells, *, hold_wait: timedelta) -> None:
        self._clock, self._generations, self._bells, self._hold_wait = clock, generations, bells, hold_wait

    async def on_generations_delete_requested(
        self, events: Sequence[GenerationDeleteRequested], tx: Transaction
    ) -> None:
        items = {event.generation_id: event.subject_ref for event in events}
        await self.remove(tx, items, RemovalRule.DELETED_BY_USER, Cause.DELETED)

    async def on_items_due(self, events: Sequence[ItemsDue], tx: Transaction) -> None:
        due = [item for event in events for item in event.items if item.category.startswith(_OUTPUT_CATEGORIES)]
        items = {item.generation_id: item.subject_ref for item in due}
        await self.remove(tx, items, RemovalRule.EXPIRED, Cause.EXPIRED)

    async def on_hold_placed(self, event: LegalHoldPlaced, tx: Transaction) -> None:
        """What was asked to go need not ask at each attempt whether it may."""
        await removals.hold_back_scope(tx, event.subject_ref, event.generation_id, self._hold_wait)

    async def on_hold_lifted(self, event: LegalHoldLifted, tx: Transaction) -> None:
        """What was asked to go meanwhile asks again whether it may."""
        await removals.hold_back_scope(tx, event.subject_ref, event.generation_id, _AT_ONCE)
        tx.after_commit(self._bells.removals.ring)

    async def on_erasure_fenced(self, event: ErasureFenced, tx: Transaction) -> None:
        # Introduced even when unknown: a request that is still on its way must meet the fence.
        known = await subjects.meet(tx, [event.subject_ref], self._generations.opening_plan)
        await subjects.fence(tx, event.subject_ref, event.fenced_at)
        await self._generations.stop(tx, known, event.subject_ref, None, Cause.ERASED)

    async def on_erasure_step_requested(self, event: ErasureStepRequested, tx: Transaction) -> None:
        known = await subjects.meet(tx, [event.subject_ref], self._generations.opening_plan)
        if not known:
            # Erased already: a late copy, or an erasure that is done once more after a restore. Nothing is left.
            done = ErasureStepReported(
                erasure_id=event.erasure_id, subject_ref=event.subject_ref, owner=Service.JOBS, counts=()
            )
            tx.tell(done)
            return
        await subjects.fence(tx, event.subject_ref, self._clock.now())
        await self._generations.stop(tx, known, event.subject_ref, None, Cause.ERASED)
        await erasures.request(tx, event.erasure_id, event.subject_ref)
        tx.after_commit(self._bells.erasures.ring)

    async def on_erasure_completed(self, event: ErasureCompleted, tx: Transaction) -> None:
        await erasures.remove(tx, event.subject_ref)
        await erasures.forget(tx, event.subject_ref)
        await subjects.forget(tx, event.subject_ref)

    async def remove(
        self, tx: Transaction, items: Mapping[GenerationId, SubjectRef], rule: RemovalRule, cause: Cause
    ) -> None:
        """Have generations removed, and those of them stopped that still run."""
        if not items:
            return
        # As of a cancellation: the first request of somebody may be in another replica's hands.
        known = await subjects.meet(tx, list(items.values()), self._generations.opening_plan)
        gone = await removals.request(tx, items, rule)
        for generation_id in await runs.unfinished(tx, list(items)):
            ref = items[GenerationId.trusted(generation_id)]
            mine: dict[str, subjects.KnownSubject] = {ref: known[ref]} if ref in known else {}
            await self._generations.stop(tx, mine, ref, GenerationId.trusted(generation_id), cause)
        # Gone before; whoever asks again is told again.
        for told in portions([_nothing_left(one, ref, rule) for one, ref in items.items() if one in gone]):
            tx.tell(AssetsRemoved(items=told))
        tx.after_commit(self._bells.removals.ring)


def _nothing_left(generation_id: GenerationId, ref: SubjectRef, rule: RemovalRule) -> AssetsRemoved.Item:
    return AssetsRemoved.Item(
        generation_id=generation_id, subject_ref=ref, rule=rule, rows=0, object_versions=0, prefixes=()
    )
