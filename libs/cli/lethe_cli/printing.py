"""What commands print: for people by default, JSON lines for programs; errors go to standard error."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from rich.console import Console

OUT = Console(highlight=False, soft_wrap=True)
ERR = Console(stderr=True, highlight=False, soft_wrap=True)


def records(rows: Iterable[Mapping[str, object]]) -> None:
    """One JSON object per line."""
    for row in rows:
        OUT.file.write(json.dumps(row, default=str) + "\n")


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """A table for people, or one sentence when there is nothing.

    Cells stay whole however narrow the terminal is: ids are there to be copied into the next command.
    """
    lines = [[str(cell) for cell in row] for row in rows]
    if not lines:
        OUT.print(empty)
        return
    widths = [max(map(len, column)) for column in zip(headings, *lines, strict=True)]
    for line, style in ((headings, "bold"), *((line, None) for line in lines)):
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        OUT.print("  ".join(padded).rstrip(), style=style, markup=False)


def day(moment: float | str | None) -> str:
    """A date and time as people read it, in UTC; a dash for none."""
    if moment is None:
        return "-"
    when = datetime.fromisoformat(moment) if isinstance(moment, str) else datetime.fromtimestamp(moment, UTC)
    return when.strftime("%Y-%m-%d %H:%M UTC")
