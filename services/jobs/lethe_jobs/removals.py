"""Removals: everything jobs has of a generation goes, and is reported once.

Objects and keys are outside the database's transaction, so a removal is a row
that is worked on until all of it is done; each step may be repeated. The last
one deletes the rows and tells, together.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from lethe_common import crashes
from lethe_common.bells import Bell
from lethe_common.bus import Bus
from lethe_common.clock import monotonic_seconds
from lethe_common.database import Database
from lethe_common.errors import LetheError, Unavailable
from lethe_common.events.envelope import portions
from lethe_common.events.jobs import AssetsRemoved
from lethe_common.rpc.privacy import KeyDestroy, KeyDestroyQuestion, LeaseWish
from lethe_common.rpc.retention import RemovalCheck, RemovalCheckQuestion, RemovalWish
from lethe_common.services import Service
from lethe_common.storage import Storage
from lethe_jobs.gauges import Gauges
from lethe_jobs.leases import delay_after
from lethe_jobs.queries import removals as queries
from lethe_jobs.queries import subjects
from lethe_jobs.queries.removals import Due, Gone

log = structlog.get_logger()

_OBJECTS_REMOVED = crashes.point("removal.objects_removed", Service.JOBS)
_KEYS_DESTROYED = crashes.point("removal.keys_destroyed", Service.JOBS)

_PRUNE_BATCH = 5000
_FEW = 50
"""What is taken when something comes after a rest: what a person deletes waits for nothing."""
_LULL_SECONDS = 0.25


class Removals:
    """Works off what has to go."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        storage: Storage,
        bell: Bell,
        gauges: Gauges,
        *,
        batch: int,
        at_once: int,
        lease: timedelta,
        poll_seconds: float,
        gather_seconds: float,
        tombstones: timedelta,
        hold_wait: timedelta,
    ) -> None:
        self._database, self._bus, self._storage, self._bell, self._gauges = database, bus, storage, bell, gauges
        self._batch, self._at_once, self._lease, self._hold_wait = batch, at_once, lease, hold_wait
        self._poll_seconds, self._gather_seconds, self._tombstones = poll_seconds, gather_seconds, tombstones
        self._gathering, self._place = asyncio.Lock(), ""

    async def run(self) -> None:
        """Remove for ever; a worker of the frame. Woken by commits, with a slow poll as safety net."""
        await asyncio.gather(*(self._work_off() for _ in range(self._at_once)))

    async def _work_off(self) -> None:
        """One batch after the other. While one waits for the store, another has its keys and rows removed."""
        few = min(_FEW, self._batch)
        while True:
            try:
                if await self.work(few) == few:
                    await self._gather()
                    while await self.work(self._batch):
                        pass
            except Unavailable as error:
                log.info("removals_wait", cause=type(error).__name__)
            await self._bell.wait(self._poll_seconds)

    async def _gather(self) -> None:
        """Let what comes by the thousand arrive first, for some seconds at most.

        Batches go in the order of the store's keys. Taken from the first that came, they lie scattered among those
        still to come, and each costs the store several times as much.
        """
        give_up_at = monotonic_seconds() + self._gather_seconds
        async with self._gathering:
            while monotonic_seconds() < give_up_at and await self._bell.wait(_LULL_SECONDS):
                pass

    async def work(self, most: int) -> int:
        """Take one batch of due removals and finish what can be. Returns how many were taken."""
        due = await self._take(most)
        if not due:
            return 0
        free = await self._free(due)
        emptied = await self._empty(free)
        _OBJECTS_REMOVED.reached()
        is_keyless = await self._destroy_keys(emptied)
        _KEYS_DESTROYED.reached()
        done = emptied if is_keyless else []
        if done:
            await self._finish(done)
        kept = {one.generation_id for one in done}
        await self._defer([one for one in free if one.generation_id not in kept])
        return len(due)

    async def _take(self, most: int) -> list[Due]:
        """From where the last batch ended, and after the last of all from the beginning.

        Else each would pass what those before it left in the index, until that is vacuumed.
        """
        async with self._database.transaction(queries.IN_ORDER) as tx:
            due = await queries.take(tx, most, self._lease, self._place)
            is_end = len(due) < most
            if is_end and self._place:
                due += await queries.take(tx, most - len(due), self._lease)
        self._place = "" if is_end else max(one.object_prefix or "" for one in due)
        return due

    async def prune(self, _now: datetime) -> None:
        """Drop tombstones older than anything the bus may still bring; a sweep of the frame."""
        async with self._database.transaction() as tx:
            await queries.prune(tx, self._tombstones, _PRUNE_BATCH)
            await subjects.prune_fences(tx, self._tombstones, _PRUNE_BATCH)

    async def _free(self, due: Sequence[Due]) -> list[Due]:
        """Those that no legal hold keeps. The others wait for its end; while nobody can say, all wait."""
        wishes = tuple(RemovalWish(generation_id=one.generation_id, subject_ref=one.subject_ref) for one in due)
        try:
            held = set((await self._bus.ask(RemovalCheck, RemovalCheckQuestion(wishes=wishes))).held)
        except LetheError as error:
            log.warning("hold_check_waits", count=len(due), cause=type(error).__name__)
            await self._defer(due)
            return []
        if held:
            log.info("removals_held", count=len(held))
            async with self._database.transaction() as tx:
                await queries.hold_back(tx, held, self._hold_wait)
        return [one for one in due if one.generation_id not in held]

    async def _empty(self, due: Sequence[Due]) -> list[Due]:
        """Remove the objects of these; those of which nothing is left. Counts are kept at once, for a crash before the report."""
        by_prefix = {one.object_prefix: one for one in due if one.object_prefix is not None}
        bare = [one for one in due if one.object_prefix is None]
        if not by_prefix:
            return bare
        try:
            noted = [version for one in by_prefix.values() for version in one.objects]
            gone = await self._storage.remove_sets(by_prefix, noted)
            counted = {
                by_prefix[prefix].generation_id: count
                for prefix, removed in gone.removed.items()
                if (count := removed.object_versions + removed.multiparts)
            }
            async with self._database.transaction() as tx:
                await queries.count_objects(tx, counted)
        except LetheError as error:
            log.warning("removals_wait_for_store", count=len(by_prefix), cause=type(error).__name__)
            return bare
        if gone.failed:
            log.warning("removals_left_objects", count=len(gone.failed))
        return bare + [one for prefix, one in by_prefix.items() if prefix not in gone.failed]

    async def _destroy_keys(self, due: Sequence[Due]) -> bool:
        if not due:
            return False
        wishes = tuple(LeaseWish(subject_ref=one.subject_ref, item_id=one.generation_id) for one in due)
        try:
            await self._bus.ask(KeyDestroy, KeyDestroyQuestion(wishes=wishes))
        except LetheError as error:
            log.warning("key_destruction_waits", count=len(due), cause=type(error).__name__)
            return False
        return True

    async def _finish(self, due: Sequence[Due]) -> None:
        async with self._database.transaction() as tx:
            gone = await queries.finish(tx, [one.generation_id for one in due])
            told = [_told(one, gone[one.generation_id]) for one in due if one.generation_id in gone]
            for items in portions(told):
                tx.tell(AssetsRemoved(items=items))
        for rule, count in Counter(one.rule for one in told).items():
            self._gauges.removed.labels(rule).inc(count)

    async def _defer(self, due: Sequence[Due]) -> None:
        if not due:
            return
        async with self._database.transaction() as tx:
            await queries.defer(tx, [(one.generation_id, delay_after(one.failures_count + 1)) for one in due])


def _told(one: Due, gone: Gone) -> AssetsRemoved.Item:
    return AssetsRemoved.Item(
        generation_id=one.generation_id,
        subject_ref=one.subject_ref,
        rule=one.rule,
        rows=gone.rows,
        object_versions=gone.object_versions,
        prefixes=(one.object_prefix,) if one.object_prefix else (),
    )
