"""What goes out: our rows as the messages of the RPC catalogue."""

from collections.abc import Iterable
from itertools import groupby

import asyncpg

from lethe_common.identifiers import GenerationId, SealKeyId
from lethe_common.rpc.jobs import LocatedAsset, RunRow, StatisticsGroup, StatisticsSpan
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


def statistics_spans(rows: Iterable[asyncpg.Record]) -> tuple[StatisticsSpan, ...]:
    """Spans with their groups, from the rows of the groups in order."""
    return tuple(_span(list(of_span)) for _, of_span in groupby(rows, key=lambda row: row["began_at"]))


def _span(rows: list[asyncpg.Record]) -> StatisticsSpan:
    of_all = {name: rows[0][name] for name in ("began_at", "ended_at", "k", "rounding")}
    groups = [
        StatisticsGroup(**{name: row[name] for name in StatisticsGroup.model_fields})
        for row in rows
        if row["model"] is not None
    ]
    return StatisticsSpan(**of_all, groups=tuple(groups))
