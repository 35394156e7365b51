"""Runs: queued, claimed, kept alive, moved on, stopped."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from lethe_common.database import Transaction
from lethe_common.events.jobs import GenerationRequested
from lethe_common.identifiers import GenerationId, HoldId, RunId, SubjectRef, UploadId
from lethe_jobs.leases import Lease, Run
from lethe_jobs.runs import Cause, State, arrow

_COLUMNS = """r.generation_id, r.lease_token, r.subject_ref, r.hold_id, r.model, r.width_px, r.height_px, r.seconds,
           r.upload_id, r.attempts_count, r.postponed_count"""

# A run that finds a worker free is leased as it is queued: no second version of its row, and no wait.
QUEUE = """
    WITH queued AS (
        INSERT INTO runs (generation_id, run_id, subject_ref, hold_id, model, provider,
                          width_px, height_px, seconds, upload_id, priority, slot,
                          state, cause, lease_token, leased_by, leased_until, attempts_count)
        SELECT n.generation_id, n.run_id, n.subject_ref, n.hold_id, n.model, n.provider,
               n.width_px, n.height_px, n.seconds, n.upload_id, n.priority, n.slot,
               CASE WHEN n.is_leased THEN 'leased' ELSE 'queued' END, CASE WHEN n.is_leased THEN 'claimed' END,
               n.is_leased::int, CASE WHEN n.is_leased THEN $14 END,
               CASE WHEN n.is_leased THEN clock_timestamp() + $15::interval END, n.is_leased::int
          FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                      $7::int[], $8::int[], $9::int[], $10::text[], $11::smallint[], $12::smallint[], $13::bool[])
            AS n(generation_id, run_id, subject_ref, hold_id, model, provider, width_px, height_px, seconds, upload_id,
                 priority, slot, is_leased)
            ON CONFLICT (generation_id) DO NOTHING
        RETURNING generation_id, state
    ), arrows AS (
        INSERT INTO attempts (generation_id, from_state, to_state, cause)
        SELECT generation_id, 'queued', 'leased', 'claimed' FROM queued WHERE state = 'leased'
    )
    SELECT generation_id FROM queued
"""

# Serialises claims of one provider, so that its limit holds between processes too.
CLAIM_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('jobs.claim:' || $1, 0))"

LEASED_COUNT = "SELECT count(*) FROM runs WHERE provider = $1 AND leased_until IS NOT NULL"

# Index runs_claimable has this very order; SKIP LOCKED lets several processes claim side by side.
CLAIM = f"""
    WITH chosen AS (
        SELECT generation_id FROM runs
         WHERE provider = $1 AND state = 'queued' AND slot IS NOT NULL AND next_attempt_at <= now()
         ORDER BY priority DESC, slot, queued_at, generation_id
         LIMIT $2 FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE runs r
           SET state = 'leased', cause = 'claimed', lease_token = r.lease_token + 1, leased_by = $3,
               leased_until = clock_timestamp() + $4::interval, attempts_count = r.attempts_count + 1,
               progress = 0, updated_at = clock_timestamp()
         WHERE r.generation_id = ANY(ARRAY(SELECT generation_id FROM chosen))
        RETURNING {_COLUMNS}
    ), arrows AS (
        INSERT INTO attempts (generation_id, from_state, to_state, cause)
        SELECT generation_id, 'queued', 'leased', 'claimed' FROM claimed
    )
    SELECT * FROM claimed
"""  # noqa: S608  put together from our own constant

# num_nulls, as no index of leased runs answers it: each beat would be compared with every lease.
# Who was asked to stop gets no more time: a removal or an erasure waits for its run, and a provider may answer a day late.
BEAT = """
    WITH held AS (
        SELECT r.generation_id, b.progress FROM runs r
          JOIN unnest($1::text[], $2::bigint[], $3::int[]) AS b(generation_id, token, progress)
            ON r.generation_id = b.generation_id AND r.lease_token = b.token
         WHERE num_nulls(r.leased_until) = 0
         ORDER BY r.generation_id FOR UPDATE OF r
    )
    UPDATE runs r
       SET leased_until = CASE WHEN r.cancel_requested_at IS NULL THEN clock_timestamp() + $4::interval
                               ELSE r.leased_until END,
           progress = h.progress
      FROM held h WHERE r.generation_id = h.generation_id
    RETURNING r.generation_id, r.cancel_requested_at IS NOT NULL
"""

MOVE = """
    WITH moved AS (
        UPDATE runs r
           SET state = $4, cause = $5, object_prefix = coalesce(r.object_prefix, $6), updated_at = clock_timestamp()
         WHERE r.generation_id = $1 AND r.lease_token = $2 AND r.state = $3 AND r.cancel_requested_at IS NULL
        RETURNING r.generation_id, r.object_prefix
    ), arrows AS (
        INSERT INTO attempts (generation_id, from_state, to_state, cause) SELECT generation_id, $3, $4, $5 FROM moved
    )
    SELECT object_prefix FROM moved
"""

EXPIRED = f"""
    SELECT {_COLUMNS} FROM runs r
     WHERE r.leased_until < now() AND r.state = ANY($1::text[])
     ORDER BY r.leased_until LIMIT $2
"""  # noqa: S608  put together from our own constant

STOP_QUEUED = """
    WITH stopped AS (
        UPDATE runs r
           SET state = 'cancelled', cause = $3, slot = NULL, cancel_requested_at = now(), updated_at = now()
         WHERE r.generation_id IN (
               SELECT q.generation_id FROM runs q
                WHERE q.subject_ref = $1 AND q.state = 'queued' AND ($2::text IS NULL OR q.generation_id = $2)
                ORDER BY q.generation_id FOR UPDATE)
        RETURNING r.generation_id, r.upload_id
    ), arrows AS (
        INSERT INTO attempts (generation_id, from_state, to_state, cause)
        SELECT generation_id, 'queued', 'cancelled', $3 FROM stopped
    )
    SELECT generation_id, upload_id FROM stopped
"""

STOP_ACTIVE = """
    UPDATE runs r SET cancel_requested_at = coalesce(r.cancel_requested_at, now())
     WHERE r.generation_id IN (
           SELECT q.generation_id FROM runs q
            WHERE q.subject_ref = $1 AND q.leased_until IS NOT NULL AND ($2::text IS NULL OR q.generation_id = $2)
            ORDER BY q.generation_id FOR UPDATE)
"""

UNFINISHED = """
    SELECT generation_id FROM runs
     WHERE generation_id = ANY($1::text[]) AND state NOT IN ('completed', 'failed', 'cancelled')
"""

IS_KNOWN = "SELECT EXISTS (SELECT 1 FROM runs WHERE generation_id = $1 AND subject_ref = $2)"


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A run about to be queued. `slot` is None when it has to wait for one of its subject's."""

    request: GenerationRequested
    provider: str
    priority: int
    slot: int | None

    def leased(self) -> Run:
        """The run as whoever leased it on arrival holds it."""
        request = self.request
        return Run(
            lease=Lease(request.generation_id, 1),
            subject_ref=request.subject_ref,
            hold_id=request.hold_id,
            model=request.model,
            width_px=request.width_px,
            height_px=request.height_px,
            seconds=request.seconds,
            upload_id=request.upload_id,
            attempts_count=1,
            postponed_count=0,
        )


@dataclass(frozen=True, slots=True)
class Stopped:
    """A run that was cancelled before any worker had it."""

    generation_id: GenerationId
    upload_id: UploadId | None


async def queue(
    tx: Transaction, newcomers: Sequence[Newcomer], leased: Collection[str], worker: str, lease: timedelta
) -> set[GenerationId]:
    """Queue runs, those named in `leased` already in this worker's hands. Returns which are new; others stay as they are."""
    requests = [newcomer.request for newcomer in newcomers]
    rows = await tx.fetch(
        QUEUE,
        [request.generation_id for request in requests],
        [RunId.new() for _ in requests],
        [request.subject_ref for request in requests],
        [request.hold_id for request in requests],
        [request.model for request in requests],
        [newcomer.provider for newcomer in newcomers],
        [request.width_px for request in requests],
        [request.height_px for request in requests],
        [request.seconds for request in requests],
        [request.upload_id for request in requests],
        [newcomer.priority for newcomer in newcomers],
        [newcomer.slot for newcomer in newcomers],
        [request.generation_id in leased for request in requests],
        worker,
        lease,
    )
    return {GenerationId.trusted(row[0]) for row in rows}


async def claim(
    tx: Transaction, provider: str, count: int, at_once: int | None, worker: str, lease: timedelta
) -> list[Run]:
    """Lease up to `count` runs, the first in the queue's order, within the provider's limit over all processes."""
    if at_once is not None:
        await tx.execute(CLAIM_TURN, provider)
        count = min(count, at_once - await tx.fetchval(LEASED_COUNT, provider))
    if count <= 0:
        return []
    return [run_of(row) for row in await tx.fetch(CLAIM, provider, count, worker, lease)]


async def beat(tx: Transaction, held: Sequence[tuple[Lease, int]], lease: timedelta) -> dict[GenerationId, bool]:
    """Keep leases with their progress. Returns those still held, and whether each is asked to stop: such a lease runs out."""
    rows = await tx.fetch(
        BEAT,
        [one.generation_id for one, _ in held],
        [one.token for one, _ in held],
        [percent for _, percent in held],
        lease,
    )
    return {GenerationId.trusted(row[0]): row[1] for row in rows}


async def move(
    tx: Transaction, lease: Lease, before: State, after: State, cause: Cause, object_prefix: str | None = None
) -> str | None:
    """Take an arrow between two active states, and note where objects will be.

    Returns the run's object prefix ('' when it has none), or None when the lease is lost or the run is to stop.
    """
    arrow(before, after)
    row = await tx.fetchrow(MOVE, lease.generation_id, lease.token, before, after, cause, object_prefix)
    return None if row is None else row[0] or ""


async def expired(tx: Transaction, states: Sequence[State], limit: int) -> list[Run]:
    """Runs whose lease ran out."""
    return [run_of(row) for row in await tx.fetch(EXPIRED, list(states), limit)]


async def stop_queued(tx: Transaction, ref: str, generation_id: str | None, cause: Cause) -> list[Stopped]:
    """Cancel queued runs of a locked subject: one, or all."""
    rows = await tx.fetch(STOP_QUEUED, ref, generation_id, cause)
    return [Stopped(GenerationId.trusted(row[0]), row[1] and UploadId.trusted(row[1])) for row in rows]


async def stop_active(tx: Transaction, ref: str, generation_id: str | None) -> int:
    """Ask the workers of a subject's runs to stop: one, or all. Returns how many run."""
    return int((await tx.execute(STOP_ACTIVE, ref, generation_id)).rpartition(" ")[2])


async def unfinished(tx: Transaction, generation_ids: Sequence[str]) -> set[str]:
    """Which of these runs are queued or under way."""
    return {row[0] for row in await tx.fetch(UNFINISHED, generation_ids)}


async def is_known(tx: Transaction, generation_id: str, ref: str) -> bool:
    """Whether the subject has this run."""
    return bool(await tx.fetchval(IS_KNOWN, generation_id, ref))


def run_of(row: asyncpg.Record) -> Run:
    """A row of the columns every claim returns."""
    return Run(
        lease=Lease(GenerationId.trusted(row[0]), row[1]),
        subject_ref=SubjectRef.trusted(row[2]),
        hold_id=HoldId.trusted(row[3]),
        model=row[4],
        width_px=row[5],
        height_px=row[6],
        seconds=row[7],
        upload_id=row[8] and UploadId.trusted(row[8]),
        attempts_count=row[9],
        postponed_count=row[10],
    )
