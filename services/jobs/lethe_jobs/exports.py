"""Exports: what jobs has of a subject, as its archive tells it. The outputs themselves are read by the gateway."""

from lethe_common.database import Database
from lethe_common.exports.pages import Query, answer_page
from lethe_common.rpc.exports import ExportPageAnswer, ExportPageQuestion
from lethe_common.services import Service

SECTIONS = {
    "assets": Query(
        ("assets",),
        """
        SELECT generation_id || '/' || variant AS cursor, generation_id, variant, asset_id, media_type, size_bytes, sha256,
               width_px, height_px, frames, duration_seconds, stored_at
          FROM assets
         WHERE subject_ref = $1 AND (generation_id, variant) > (split_part($2, '/', 1), split_part($2, '/', 2))
         ORDER BY generation_id, variant LIMIT $3
        """,
    ),
    "attempts": Query(
        ("attempts",),
        """
        SELECT a.generation_id || '/' || a.attempt_id AS cursor, a.generation_id, a.from_state, a.to_state, a.cause, a.at
          FROM attempts a JOIN runs r USING (generation_id)
         WHERE r.subject_ref = $1
           AND (a.generation_id, a.attempt_id)
               > (split_part($2, '/', 1), coalesce(nullif(split_part($2, '/', 2), ''), '0')::bigint)
         ORDER BY a.generation_id, a.attempt_id LIMIT $3
        """,
    ),
    "cancellations": Query(
        ("early_cancels",),
        """
        SELECT generation_id AS cursor, generation_id, asked_at
          FROM early_cancels WHERE subject_ref = $1 AND generation_id > $2 ORDER BY generation_id LIMIT $3
        """,
    ),
    "queue": Query(
        ("subjects",),
        """
        SELECT subject_ref AS cursor, plan, plan_since, fenced_at
          FROM subjects WHERE subject_ref = $1 AND subject_ref > $2 LIMIT $3
        """,
    ),
    "removals": Query(
        ("removals",),
        """
        SELECT generation_id AS cursor, generation_id, rule, requested_at, removed_at
          FROM removals WHERE subject_ref = $1 AND generation_id > $2 ORDER BY generation_id LIMIT $3
        """,
    ),
    "runs": Query(
        ("runs",),
        """
        SELECT generation_id AS cursor, generation_id, run_id, model, provider, width_px, height_px, seconds, upload_id,
               state, cause, attempts_count, postponed_count, cancel_requested_at, queued_at, updated_at
          FROM runs WHERE subject_ref = $1 AND generation_id > $2 ORDER BY generation_id LIMIT $3
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
