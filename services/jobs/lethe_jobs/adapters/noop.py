"""Provider `noop`: makes nothing. For benchmarks, to measure all but the making, and for tests of faults.

With a duration it behaves as a remote vendor does: a run waits, without any work
here, and what comes back is stored like every other output.
"""

import asyncio
import secrets

from lethe_common.clock import monotonic_seconds
from lethe_jobs.errors import RunStopped
from lethe_jobs.providers import Delivery, Order, Piece, Watch

_AT_ONCE = 1024
_LOOK_SECONDS = 0.1
_WHOLE_PERCENT = 100


class NoopProvider:
    """Answers with a video without content, at once; or after some seconds with so many random bytes."""

    name = "noop"
    at_once = _AT_ONCE
    at_once_everywhere: int | None = None

    def __init__(self, seconds: float = 0.0, object_bytes: int = 0) -> None:
        self._seconds, self._object_bytes = seconds, object_bytes
        self.is_instant = not seconds and not object_bytes

    async def generate(self, order: Order, watch: Watch) -> Delivery:
        """One piece, which has no object unless it was given a size."""
        await self._wait(watch)
        run = order.run
        content = secrets.token_bytes(self._object_bytes) if self._object_bytes else None
        piece = Piece("video", "video/mp4", content)
        return Delivery((piece,), run.width_px, run.height_px, 0, float(run.seconds))

    async def close(self) -> None:
        """Nothing is held."""

    async def _wait(self, watch: Watch) -> None:
        """Raises:
        RunStopped: the watch said stop.
        """
        began = monotonic_seconds()
        while (passed := monotonic_seconds() - began) < self._seconds:
            if watch.is_stopped():
                raise RunStopped("The run is to stop.")
            watch.reach(int(passed / self._seconds * _WHOLE_PERCENT))
            await asyncio.sleep(min(_LOOK_SECONDS, self._seconds - passed))
