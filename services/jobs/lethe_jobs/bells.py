"""Bells: how a commit in this process wakes who waits for its rows, without a poll."""

import asyncio
import contextlib
from dataclasses import dataclass, field


class Bell:
    """Rung once or often before it is heard, it wakes who listens then, once."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """There is something to do."""
        self._rung.set()

    async def wait(self, timeout_seconds: float) -> bool:
        """Return when it was rung since the last wait, or after the timeout; whether it was rung."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._rung.wait()
        was_rung = self._rung.is_set()
        self._rung.clear()
        return was_rung


@dataclass(frozen=True)
class Bells:
    """One bell for each worker that rows are written for."""

    queue: Bell = field(default_factory=Bell)
    heart: Bell = field(default_factory=Bell)
    removals: Bell = field(default_factory=Bell)
    erasures: Bell = field(default_factory=Bell)
