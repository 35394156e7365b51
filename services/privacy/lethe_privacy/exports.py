"""Exports: a saga of few steps, in the rows of `exports`.

    packing ──the gateway reported every section──> ready ──its time is over, seen to be gone──> no row
       └──────────── its owner wants it to end ────────┴──> removing ──seen to be gone──> no row

What is outstanding is asked for again until it is done, so a crash anywhere is
followed by the same step. An erasure takes all rows of its subject with its fence.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from lethe_common.clock import Clock
from lethe_common.database import Database, Transaction
from lethe_common.events.privacy import (
    ExportCount,
    ExportReady,
    ExportRemovalRequested,
    ExportStepReported,
    ExportStepRequested,
)
from lethe_common.events.retention import ExportsRemoved
from lethe_common.exports import SECTIONS
from lethe_common.identifiers import ExportId, SubjectRef
from lethe_common.policy.languages import Language
from lethe_common.rpc.exports import (
    ExportEndAnswer,
    ExportEndQuestion,
    ExportLine,
    ExportListAnswer,
    ExportListQuestion,
    ExportOpenQuestion,
)
from lethe_common.services import Service
from lethe_privacy import export_queries as queries
from lethe_privacy.errors import SubjectGone, TooManyExports

log = structlog.get_logger()

_REMOVING = "removing"
OnReady = Callable[[Transaction, SubjectRef], Awaitable[None]]
"""What follows once a copy is ready, in the same transaction."""


@dataclass(frozen=True, slots=True)
class ExportPace:
    """How often what is outstanding is asked for, and how many archives one subject may have."""

    poll_seconds: float
    again_first: timedelta
    again_most: timedelta
    per_subject: int


def missing_sections(counts: Iterable[ExportCount]) -> set[str]:
    """Which sections of an archive an account of it does not speak of."""
    told = {(count.owner, count.section) for count in counts}
    return {f"{one.owner}.{one.name}" for one in SECTIONS if (one.owner, one.name) not in told}


class Exports:
    """Opens exports, and sees to it that they are packed, and end."""

    def __init__(self, database: Database, clock: Clock, pace: ExportPace, on_ready: OnReady) -> None:
        self._database, self._clock, self._pace, self._on_ready = database, clock, pace, on_ready

    async def open(self, question: ExportOpenQuestion, _caller: Service) -> ExportLine:
        """Begin an export, or join the one under way.

        Raises:
            SubjectGone: the subject is being forgotten.
            TooManyExports: it has as many archives as it may.
        """
        ref = question.subject_ref
        async with self._database.transaction() as tx:
            await tx.execute(queries.LOCK_SUBJECT, ref)
            if await tx.fetchval(queries.IS_FORGOTTEN, ref):
                raise SubjectGone
            under_way = await tx.fetchrow(queries.UNDER_WAY, ref)
            if under_way is not None:
                return queries.line(under_way)
            if await tx.fetchval(queries.COUNT_OF_SUBJECT, ref) >= self._pace.per_subject:
                raise TooManyExports(self._pace.per_subject)
            now, export_id = self._clock.now(), ExportId.new()
            line = await queries.opened(tx, export_id, ref, question.language, now, self._pace.again_first)
            tx.tell(ExportStepRequested(export_id=export_id, subject_ref=ref, language=question.language))
        return line

    async def begin(self, subject_ref: SubjectRef, language: Language) -> None:
        """Begin an export for somebody who asks by right. Whoever has as many as they may deletes one first.

        Raises:
            SubjectGone: the subject is being forgotten.
        """
        try:
            await self.open(ExportOpenQuestion(subject_ref=subject_ref, language=language), Service.PRIVACY)
        except TooManyExports:
            log.info("export_not_begun", cause="too_many_exports")

    async def list(self, question: ExportListQuestion, _caller: Service) -> ExportListAnswer:
        """All exports of a subject that are not gone, the newest first."""
        async with self._database.single() as tx:
            rows = await tx.fetch(queries.LIST, question.subject_ref)
        return ExportListAnswer(exports=tuple(queries.line(row) for row in rows))

    async def end(self, question: ExportEndQuestion, _caller: Service) -> ExportEndAnswer:
        """Have an archive removed, packed or not."""
        async with self._database.transaction() as tx:
            row = await tx.fetchrow(queries.LOCK, question.export_id)
            if row is None or row["subject_ref"] != question.subject_ref:
                return ExportEndAnswer(is_known=False)
            if row["state"] != _REMOVING:
                await tx.execute(queries.REMOVE, question.export_id, question.subject_ref, self._pace.again_first)
                tx.tell(ExportRemovalRequested(export_id=question.export_id, subject_ref=question.subject_ref))
        return ExportEndAnswer(is_known=True)

    async def run(self) -> None:
        """Ask again for what is outstanding, for ever; a worker of the frame."""
        while True:
            if not await self.ask_again():
                await asyncio.sleep(self._pace.poll_seconds)

    async def ask_again(self) -> bool:
        """Ask for one thing that was not done in time; False when none is due."""
        async with self._database.transaction() as tx:
            row = await tx.fetchrow(queries.TAKE_DUE, self._pace.again_first, self._pace.again_most)
            if row is None:
                return False
            export_id, ref = ExportId.trusted(row["export_id"]), SubjectRef.trusted(row["subject_ref"])
            if row["state"] == _REMOVING:
                tx.tell(ExportRemovalRequested(export_id=export_id, subject_ref=ref))
            else:
                tx.tell(ExportStepRequested(export_id=export_id, subject_ref=ref, language=row["language"]))
        log.info("export_asked_again", export_id=export_id, state=row["state"])
        return True

    async def on_step_reported(self, event: ExportStepReported, tx: Transaction) -> None:
        """An archive that has every section is ready, and its period begins. One that lacks any is never given out."""
        row = await tx.fetchrow(queries.LOCK, event.export_id)
        if row is None:
            # It was ended before it was packed: nobody would ever remove it.
            tx.tell(ExportRemovalRequested(export_id=event.export_id, subject_ref=event.subject_ref))
        elif row["subject_ref"] != event.subject_ref or row["state"] == _REMOVING:
            return
        elif row["state"] == "ready":
            # It was asked for twice and packed twice; its time runs since the first.
            tx.tell(_ready(event, row["ready_at"], row["size_bytes"]))
        elif missing := missing_sections(event.counts):
            log.error("export_incomplete", export_id=event.export_id, count=len(missing))
        else:
            now = self._clock.now()
            await tx.execute(queries.READY, event.export_id, now, event.size_bytes)
            await self._on_ready(tx, event.subject_ref)
            tx.tell(_ready(event, now, event.size_bytes))

    async def on_exports_removed(self, event: ExportsRemoved, tx: Transaction) -> None:
        """Retention saw that nothing is left: nothing is left to know either."""
        await tx.execute(queries.GONE, [item.export_id for item in event.items])


async def end_all(tx: Transaction, subject_ref: SubjectRef) -> int:
    """Forget a subject's exports because it is fenced; how many there were. None can be opened afterwards."""
    await tx.execute(queries.LOCK_SUBJECT, subject_ref)
    count: int = await tx.fetchval(queries.END_ALL, subject_ref)
    return count


def _ready(event: ExportStepReported, ready_at: datetime, size_bytes: int) -> ExportReady:
    return ExportReady(
        export_id=event.export_id, subject_ref=event.subject_ref, ready_at=ready_at, size_bytes=size_bytes
    )
