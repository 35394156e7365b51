"""Policy time that a test moves by hand."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Literal

START = datetime(2026, 12, 1, 12, tzinfo=UTC)


class HandClock:
    """Stands still until told otherwise."""

    kind: Literal["real", "virtual"] = "virtual"

    def __init__(self, now: datetime = START) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    async def wait_for_change(self, timeout_seconds: float) -> None:
        await asyncio.sleep(timeout_seconds)

    def advance(self, **by: float) -> datetime:
        """Move forward by a timedelta's arguments and return the new time."""
        self._now += timedelta(**by)
        return self._now
