"""How an export stands, by what two services know of it."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import asyncpg
import pytest

from lethe_common.identifiers import ExportId
from lethe_common.rpc.exports import ExportLine
from lethe_gateway.errors import Gone, NotFound
from lethe_gateway.exports import shown

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
SOON = NOW + timedelta(seconds=1)


def line(state: str) -> ExportLine:
    is_ready = state == "ready"
    return ExportLine(
        export_id=ExportId.new(),
        state=state,
        requested_at=NOW,
        ready_at=NOW if is_ready else None,
        size_bytes=9 if is_ready else None,
    )


def row(state: str, due_at: datetime | None) -> asyncpg.Record:
    values: dict[str, Any] = {"state": state, "due_at": due_at, "packed_bytes": 7}
    return cast("asyncpg.Record", values)


@pytest.mark.parametrize(
    ("known", "here", "state"),
    [
        (line("packing"), None, "in_progress"),
        (line("packing"), row("packing", None), "in_progress"),
        (line("packing"), row("packed", None), "in_progress"),
        (line("ready"), row("packed", SOON), "in_progress"),
        (line("ready"), row("ready", None), "in_progress"),
        (line("ready"), row("ready", SOON), "ready"),
        (line("ready"), row("ready", NOW), "removing"),
        (line("ready"), row("removing", SOON), "removing"),
        (line("ready"), None, "removing"),
        (line("removing"), row("ready", SOON), "removing"),
    ],
)
def test_nothing_is_given_out_before_its_deadline_is_known_or_from_that_second_on(
    known: ExportLine, here: asyncpg.Record | None, state: str
) -> None:
    one = shown(known, here, NOW)

    assert (one.state, one.size_bytes) == (state, 9 if state == "ready" else None)
    if state == "ready":
        assert one.archive is here
    else:
        with pytest.raises(NotFound if state == "in_progress" else Gone):
            assert one.archive
