"""What lies in an outbox: each row is a message, with one event in it or several that were told together."""

import json
from collections.abc import Iterable
from typing import Any

import asyncpg

TOLD = "SELECT type, data FROM outbox ORDER BY event_id"


def bodies(data: bytes) -> list[dict[str, Any]]:
    """The events in a message."""
    body = json.loads(data)
    return body if isinstance(body, list) else [body]


def told(rows: Iterable[asyncpg.Record]) -> list[tuple[str, dict[str, Any]]]:
    """Type and body of all events in the rows that `TOLD` gives."""
    return [(row["type"], body) for row in rows for body in bodies(row["data"])]
