"""The one place where a worker's run leaves its lease: finished, or back into the queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lethe_common.database import Transaction
from lethe_common.identifiers import GenerationId
from lethe_jobs.runs import Cause, State
from lethe_jobs.verdicts import Asset, Verdict

# A token that is no longer the run's matches nothing: who lost the lease writes nothing.
# A run that was asked to stop ends cancelled, whatever its worker made of it.
# The CASE keeps the index of leased runs out of the plan: with it each verdict would be compared with every lease.
SETTLE = """
    WITH held AS (
        SELECT r.generation_id, r.state AS before, w.delay, w.counts,
               CASE WHEN r.cancel_requested_at IS NULL THEN w.state ELSE 'cancelled' END AS after,
               CASE WHEN r.cancel_requested_at IS NULL THEN w.cause ELSE 'cancel_requested' END AS cause
          FROM runs r
          JOIN unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::interval[], $6::bool[])
               AS w(generation_id, token, state, cause, delay, counts)
            ON r.generation_id = w.generation_id AND r.lease_token = w.token
         WHERE CASE WHEN $7 THEN r.leased_until < now() ELSE r.leased_until IS NOT NULL END
         ORDER BY r.generation_id FOR UPDATE OF r
    ), settled AS (
        UPDATE runs r
           SET state = h.after, cause = h.cause, leased_by = NULL, leased_until = NULL, updated_at = clock_timestamp(),
               slot = CASE WHEN h.after = 'queued' THEN r.slot END,
               progress = CASE h.after WHEN 'completed' THEN 100 WHEN 'queued' THEN 0 ELSE r.progress END,
               next_attempt_at = now() + h.delay,
               attempts_count = r.attempts_count - CASE WHEN h.counts THEN 0 ELSE 1 END,
               postponed_count = r.postponed_count + CASE WHEN h.after = 'queued' THEN 1 ELSE 0 END
          FROM held h WHERE r.generation_id = h.generation_id
        RETURNING r.generation_id, h.after, h.cause
    ), arrows AS (
        INSERT INTO attempts (generation_id, from_state, to_state, cause)
        SELECT generation_id, before, after, cause FROM held
    )
    SELECT generation_id, after, cause FROM settled
"""

STORE_ASSETS = """
    INSERT INTO assets (generation_id, variant, asset_id, subject_ref, object_key, media_type, size_bytes,
                        sealed_size_bytes, sha256, key_id, width_px, height_px, frames, duration_seconds, object_version,
                        stored_at)
    SELECT *, $16 FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
                         $8::bigint[], $9::text[], $10::text[], $11::int[], $12::int[], $13::int[], $14::float8[], $15::text[])
"""

ARE_STORED = "SELECT EXISTS (SELECT 1 FROM assets WHERE generation_id = $1 AND object_key = ANY($2::text[]))"


@dataclass(frozen=True, slots=True)
class Settled:
    """What really became of a run."""

    state: State
    cause: Cause


async def settle(tx: Transaction, verdicts: Sequence[Verdict], *, only_expired: bool) -> dict[GenerationId, Settled]:
    """End leases. Runs that are missing from the answer had been taken over."""
    rows = await tx.fetch(
        SETTLE,
        [verdict.run.generation_id for verdict in verdicts],
        [verdict.run.lease.token for verdict in verdicts],
        [verdict.state for verdict in verdicts],
        [verdict.cause for verdict in verdicts],
        [verdict.delay for verdict in verdicts],
        [verdict.counts_as_attempt for verdict in verdicts],
        only_expired,
    )
    return {GenerationId.trusted(row[0]): Settled(State(row[1]), Cause(row[2])) for row in rows}


async def store_assets(tx: Transaction, stored: Sequence[tuple[Verdict, Asset]], now: datetime) -> None:
    """Write the assets of completed runs, completed `now` in policy time."""
    await tx.execute(
        STORE_ASSETS,
        [verdict.run.generation_id for verdict, _ in stored],
        [asset.variant for _, asset in stored],
        [asset.asset_id for _, asset in stored],
        [verdict.run.subject_ref for verdict, _ in stored],
        [asset.object_key for _, asset in stored],
        [asset.media_type for _, asset in stored],
        [asset.size_bytes for _, asset in stored],
        [asset.sealed_size_bytes for _, asset in stored],
        [asset.sha256 for _, asset in stored],
        [asset.key_id for _, asset in stored],
        [asset.width_px for _, asset in stored],
        [asset.height_px for _, asset in stored],
        [asset.frames for _, asset in stored],
        [asset.duration_seconds for _, asset in stored],
        [asset.object_version for _, asset in stored],
        now,
    )


async def are_stored(tx: Transaction, generation_id: str, object_keys: Sequence[str]) -> bool:
    """Whether these objects are a generation's assets, so that they must not be dropped."""
    return bool(await tx.fetchval(ARE_STORED, generation_id, object_keys))
