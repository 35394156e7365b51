"""What retention does when a fact starts, moves or ends a clock."""

from collections.abc import Callable, Sequence
from datetime import datetime

from lethe_common.clock import Clock
from lethe_common.database import Transaction
from lethe_common.events.billing import PlanChanged
from lethe_common.events.jobs import AssetsRemoved, GenerationCancelled, GenerationCompleted, GenerationFailed
from lethe_retention import queries
from lethe_retention.deadlines import CATEGORY, PlanSince, Removal, Timetable
from lethe_retention.telling import tell_scheduled

Outcome = GenerationCompleted | GenerationFailed | GenerationCancelled
_PAGE = 1000


class ItemHandlers:
    """Items begin when their generation ended, however it did: its prompt is kept as its video is."""

    def __init__(self, timetable: Timetable, clock: Clock, wake_verification: Callable[[], None]) -> None:
        self._timetable, self._clock, self._wake = timetable, clock, wake_verification

    async def on_generations_ended(self, events: Sequence[Outcome], tx: Transaction) -> None:
        """Give each item its deadline, once; those of erased owners go with them."""
        by_id = {event.generation_id: event for event in events}
        refs = {event.subject_ref for event in events}
        await queries.lock(tx, queries.LOCK_SHARED, refs)
        gone, plans = await queries.fenced(tx, refs), await queries.plans(tx, refs)
        now = self._clock.now()
        deadlines = [
            self._timetable.deadline(
                key, event.subject_ref, _ended_at(event), plans[event.subject_ref], now, _stored_bytes(event)
            )
            for key, event in by_id.items()
            if event.subject_ref not in gone
        ]
        notices = [self._timetable.notice_at(deadline, now) for deadline in deadlines]
        new = await queries.schedule(tx, deadlines, notices, self._timetable.version(now))
        running = [deadline for deadline in deadlines if deadline.due_at is not None]
        tell_scheduled(tx, [deadline for deadline in running if deadline.item_id in new])

    async def on_assets_removed(self, events: Sequence[AssetsRemoved], tx: Transaction) -> None:
        """Believe nothing yet: note it, and have it looked at."""
        items = [item for event in events for item in event.items]
        refs = {item.subject_ref for item in items}
        await queries.lock(tx, queries.LOCK_SHARED, refs)
        gone = await queries.fenced(tx, refs)
        removals: dict[str, Removal] = {}
        for item in items:
            if item.subject_ref not in gone:
                removal = removals.setdefault(item.generation_id, Removal(item.subject_ref, item.rule))
                removal.prefixes.update(item.prefixes)
        await queries.removed(tx, removals, CATEGORY, self._clock.now())
        tx.after_commit(self._wake)


class PlanHandlers:
    """A change of plan moves the open deadlines of its subject as the policy says; a passed one is never revived."""

    def __init__(self, timetable: Timetable, clock: Clock) -> None:
        self._timetable, self._clock = timetable, clock

    async def on_plans_changed(self, events: Sequence[PlanChanged], tx: Transaction) -> None:
        """Remember the plans, and compute again what is open."""
        refs = {event.subject_ref for event in events}
        await queries.lock(tx, queries.LOCK_ALONE, refs)
        gone = await queries.fenced(tx, refs)
        kept = [event for event in events if event.subject_ref not in gone]
        await tx.execute(
            queries.HOLD_PLANS,
            [event.subject_ref for event in kept],
            [event.plan for event in kept],
            [event.since for event in kept],
        )
        plans = await queries.plans(tx, {event.subject_ref for event in kept})
        for subject_ref, held in plans.items():
            await self._move(tx, subject_ref, held)

    async def _move(self, tx: Transaction, subject_ref: str, held: Sequence[PlanSince]) -> None:
        last_id, now = "", self._clock.now()
        while True:
            page = [queries.deadline(row) for row in await tx.fetch(queries.OPEN_PAGE, subject_ref, last_id, _PAGE)]
            # What cannot be computed stays as it is: a raise would leave the plan unheard of, and nothing would ever be due.
            again = [self._timetable.again(one, held, now) or one for one in page]
            moved = [new for old, new in zip(page, again, strict=True) if new.moves != old.moves]
            if moved:
                notices = [self._timetable.notice_at(one, now) for one in moved]
                await queries.move(tx, moved, notices, self._timetable.version(now))
                tell_scheduled(tx, moved)
            if len(page) < _PAGE:
                return
            last_id = page[-1].item_id


def _ended_at(event: Outcome) -> datetime:
    if isinstance(event, GenerationCompleted):
        return event.completed_at
    return event.failed_at if isinstance(event, GenerationFailed) else event.cancelled_at


def _stored_bytes(event: Outcome) -> int:
    return event.delivered.stored_bytes if isinstance(event, GenerationCompleted) else 0
