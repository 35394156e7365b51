"""A bell: how a commit in this process wakes who waits for its rows; the time-out is the safety net of the wake-up."""

import asyncio
import contextlib


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
