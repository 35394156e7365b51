"""The SQL of exports, named. `not_before` is database time: it works as a lease between processes."""

from datetime import datetime, timedelta

import asyncpg

from lethe_common.database import Transaction
from lethe_common.identifiers import ExportId, SubjectRef
from lethe_common.rpc.exports import ExportLine

_LINE = "export_id, state, requested_at, ready_at, size_bytes"

# An export and a fence of one subject see each other: whoever comes second waits.
LOCK_SUBJECT = "SELECT pg_advisory_xact_lock(hashtextextended('export ' || $1::text, 0))"
IS_FORGOTTEN = "SELECT EXISTS (SELECT 1 FROM facts WHERE subject_ref = $1 AND kind IN ('erasure_requested', 'erased'))"
UNDER_WAY = f"SELECT {_LINE} FROM exports WHERE subject_ref = $1 AND state = 'packing'"  # noqa: S608  a constant list of columns
COUNT_OF_SUBJECT = "SELECT count(*) FROM exports WHERE subject_ref = $1 AND state <> 'removing'"
OPEN = f"""
    INSERT INTO exports (export_id, subject_ref, language, state, not_before, requested_at)
    VALUES ($1, $2, $3, 'packing', now() + $5, $4)
    RETURNING {_LINE}
"""  # noqa: S608  as above
LIST = f"SELECT {_LINE} FROM exports WHERE subject_ref = $1 ORDER BY export_id DESC LIMIT 100"  # noqa: S608  as above; index exports_subject
LOCK = "SELECT subject_ref, state, ready_at, size_bytes FROM exports WHERE export_id = $1 FOR UPDATE"
READY = """
    UPDATE exports SET state = 'ready', ready_at = $2, size_bytes = $3 WHERE export_id = $1 AND state = 'packing'
"""
REMOVE = """
    UPDATE exports SET state = 'removing', asked = 1, not_before = now() + $3
     WHERE export_id = $1 AND subject_ref = $2 AND state <> 'removing'
"""
# The claim on the work is the row's own time; each time asked doubles the next wait.
TAKE_DUE = """
    UPDATE exports SET asked = asked + 1, not_before = now() + least($1::interval * power(2, least(asked, 20)), $2::interval)
     WHERE export_id = (SELECT export_id FROM exports
                         WHERE state <> 'ready' AND not_before <= now()
                         ORDER BY not_before LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING export_id, subject_ref, language, state
"""  # index exports_due
GONE = "DELETE FROM exports WHERE export_id = ANY($1::text[])"
END_ALL = "WITH gone AS (DELETE FROM exports WHERE subject_ref = $1 RETURNING 1) SELECT count(*) FROM gone"


async def opened(
    tx: Transaction, export_id: ExportId, subject_ref: SubjectRef, language: str, at: datetime, again: timedelta
) -> ExportLine:
    """Write a new export; it is asked for again after a while."""
    return line(await tx.fetchone(OPEN, export_id, subject_ref, language, at, again))


def line(row: asyncpg.Record) -> ExportLine:
    """A row as it is answered."""
    return ExportLine(**dict(row))
