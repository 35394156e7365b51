"""How rows become answers. What goes in is defined in `lethe_common.rpc.retention`."""

import asyncpg

from lethe_common.rpc.retention import DeadlineSummaryAnswer


def summary(row: asyncpg.Record) -> DeadlineSummaryAnswer:
    """The calendar in five numbers."""
    return DeadlineSummaryAnswer(
        open=row["open"],
        due=row["due"],
        removed=row["removed"],
        overdue=row["overdue"],
        next_due_at=row["next_due_at"],
    )
