"""What goes out: our rows as the messages of the RPC catalogue."""

from lethe_common.identifiers import GenerationId, SealKeyId
from lethe_common.rpc.jobs import LocatedAsset, RunRow
from lethe_jobs.queries.answers import Listed, Located


def located_asset(found: Located) -> LocatedAsset:
    """One object, as the gateway needs it to serve it."""
    return LocatedAsset(
        asset_id=found.asset_id,
        variant=found.variant,
        object_key=found.object_key,
        media_type=found.media_type,
        size_bytes=found.size_bytes,
        sealed_size_bytes=found.sealed_size_bytes,
        sha256=found.sha256,
        key_id=SealKeyId.trusted(found.key_id),
    )


def run_row(found: Listed) -> RunRow:
    """One run, as the console shows it."""
    return RunRow(
        generation_id=GenerationId.trusted(found.generation_id),
        state=found.state,
        model=found.model,
        attempts=found.attempts,
        last_cause=found.last_cause,
        queued_at=found.queued_at,
        updated_at=found.updated_at,
    )
