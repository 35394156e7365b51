"""Exports: what retention has of a subject, and the deadlines of archives themselves.

Why something is held, and who asked for it, is told by nobody but who decided it.
"""

from lethe_common.clock import Clock
from lethe_common.database import Database, Transaction
from lethe_common.events.privacy import ExportReady, ExportRemoved
from lethe_common.exports import CATEGORY
from lethe_common.exports.pages import Query, answer_page
from lethe_common.rpc.exports import ExportPageAnswer, ExportPageQuestion
from lethe_common.services import Service
from lethe_retention import queries
from lethe_retention.deadlines import Removal, Timetable
from lethe_retention.telling import tell_scheduled
from lethe_retention.verification import Verification

SECTIONS = {
    "deadlines": Query(
        ("deadlines",),
        """
        SELECT item_id AS cursor, item_id, category, started_at, due_at, policy_version, state, rule, removed_at,
               closed_at, notice_at, stored_bytes
          FROM deadlines
         WHERE subject_ref = $1 AND item_id > $2 AND item_id NOT LIKE 'export%' ORDER BY item_id LIMIT $3
        """,  # index deadlines_subject
    ),
    "legal_holds": Query(
        ("legal_holds",),
        """
        SELECT hold_id AS cursor, hold_id, item_id, state, ends_at
          FROM legal_holds WHERE subject_ref = $1 AND hold_id > $2 ORDER BY hold_id LIMIT $3
        """,
    ),
    "pauses": Query(
        ("pauses",),
        """
        SELECT request_id AS cursor, request_id, began_at, ended_at
          FROM pauses WHERE subject_ref = $1 AND request_id > $2 ORDER BY request_id LIMIT $3
        """,
    ),
    "plans": Query(
        ("plans_held",),
        """
        SELECT since::text AS cursor, plan, since
          FROM plans_held
         WHERE subject_ref = $1 AND since > coalesce(nullif($2, ''), '-infinity')::timestamptz ORDER BY since LIMIT $3
        """,
    ),
}


class Exports:
    """Answers pages of the sections above."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, question: ExportPageQuestion, _caller: Service) -> ExportPageAnswer:
        """One page of a section."""
        return await answer_page(self._database, SECTIONS, question)


class ExportHandlers:
    """An archive is an item: it has a deadline from when it is ready, and its removal is looked at."""

    def __init__(self, timetable: Timetable, clock: Clock, verification: Verification) -> None:
        self._timetable, self._clock, self._verification = timetable, clock, verification

    async def on_export_ready(self, event: ExportReady, tx: Transaction) -> None:
        """Give an archive its deadline, once; it is served from when that is told."""
        await queries.lock(tx, queries.LOCK_SHARED, [event.subject_ref])
        if await queries.fenced(tx, [event.subject_ref]):
            return
        now = self._clock.now()
        deadline = self._timetable.deadline_of_export(
            event.export_id, event.subject_ref, event.ready_at, now, event.size_bytes
        )
        new = await queries.schedule(tx, [deadline], [None], self._timetable.version(now))
        if new:
            tell_scheduled(tx, [deadline])

    async def on_export_removed(self, event: ExportRemoved, tx: Transaction) -> None:
        """Believe nothing yet: note it, and have it looked at."""
        await queries.lock(tx, queries.LOCK_SHARED, [event.subject_ref])
        if await queries.fenced(tx, [event.subject_ref]):
            return
        removal = Removal(event.subject_ref, event.rule, set(event.prefixes))
        await queries.removed(tx, {event.export_id: removal}, CATEGORY, self._clock.now())
        tx.after_commit(self._verification.wake)
