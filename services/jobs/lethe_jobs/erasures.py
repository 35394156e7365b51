"""Erasures: everything jobs has of a subject goes, counted before and after.

The subject's row itself stays as its fence until the whole erasure is completed.
"""

from dataclasses import replace
from datetime import timedelta

import structlog

from lethe_common import crashes
from lethe_common.bells import Bell
from lethe_common.database import UNFLUSHED, Database
from lethe_common.errors import LetheError, Unavailable
from lethe_common.events.privacy import ErasureStepReported, StoreCount
from lethe_common.services import Service
from lethe_common.storage import Storage, subject_prefix
from lethe_jobs.leases import delay_after
from lethe_jobs.models import OUTPUT_PREFIX
from lethe_jobs.queries import erasures as queries
from lethe_jobs.queries import subjects
from lethe_jobs.queries.erasures import DueErasure, Found

log = structlog.get_logger()

_OUTPUTS_REMOVED = crashes.point("erasure.outputs_removed", Service.JOBS)

_BATCH = 8


class Erasures:
    """Works off subjects that have to go, once none of their runs is under way."""

    def __init__(
        self, database: Database, storage: Storage, bell: Bell, *, lease: timedelta, poll_seconds: float
    ) -> None:
        self._database, self._storage, self._bell = database, storage, bell
        self._lease, self._poll_seconds = lease, poll_seconds

    async def run(self) -> None:
        """Erase for ever; a worker of the frame. Woken by commits, with a slow poll as safety net."""
        while True:
            try:
                while await self.work():
                    pass
            except Unavailable as error:
                log.info("erasures_wait", cause=type(error).__name__)
            await self._bell.wait(self._poll_seconds)

    async def work(self) -> int:
        """Take due erasures and finish what can be. Returns how many were taken."""
        async with self._database.transaction(UNFLUSHED) as tx:
            due = await queries.take(tx, _BATCH, self._lease)
        for one in due:
            try:
                await self._erase(one)
            except LetheError as error:
                log.warning("erasure_waits", erasure_id=one.erasure_id, cause=type(error).__name__)
                async with self._database.transaction() as tx:
                    await queries.defer(tx, one.erasure_id, delay_after(one.failures_count + 1))
        return len(due)

    async def _erase(self, due: DueErasure) -> None:
        prefix = subject_prefix(OUTPUT_PREFIX, due.object_random) if due.object_random else None
        before, removed = await self._remove_objects(due, prefix)
        _OUTPUTS_REMOVED.reached()
        # Looking counts one page at most; removing counts all.
        before = replace(before, object_versions=max(before.object_versions, removed))
        async with self._database.transaction() as tx:
            await subjects.lock(tx, [due.subject_ref])
            await queries.remove(tx, due.subject_ref)
            records, assets = await queries.count(tx, due.subject_ref)
            if await queries.report(tx, due.erasure_id):
                # Removing ends with a look that finds no object.
                tx.tell(_report(due, before, Found(records, assets, 0), prefix))

    async def _remove_objects(self, due: DueErasure, prefix: str | None) -> tuple[Found, int]:
        """Note what there is, then remove its objects: what was noted first of all, and how many objects went now."""
        found = await self._storage.find_each([prefix] if prefix else [])
        async with self._database.transaction() as tx:
            before = await queries.note_before(tx, due, sum(one.count for one in found.values()))
        removed = [await self._storage.remove_all_versions(under, found=one) for under, one in found.items()]
        return before, sum(one.object_versions + one.multiparts for one in removed)


def _report(due: DueErasure, before: Found, after: Found, prefix: str | None) -> ErasureStepReported:
    return ErasureStepReported(
        erasure_id=due.erasure_id,
        subject_ref=due.subject_ref,
        owner=Service.JOBS,
        counts=(
            StoreCount(store="pg:jobs", category="content.generation", before=before.records, after=after.records),
            StoreCount(store="pg:jobs", category="output.video", before=before.assets, after=after.assets),
            StoreCount(
                store="s3:output.video", category="output.video",
                before=before.object_versions, after=after.object_versions,
            ),
        ),
        prefixes=(prefix,) if prefix else (),
    )  # fmt: skip
