"""Provider `noop`: delivers nothing at once. For benchmarks, to measure all but the making."""

from lethe_jobs.providers import Delivery, Order, Piece, Watch

_AT_ONCE = 1024


class NoopProvider:
    """Answers with a video without content."""

    name = "noop"
    is_instant = True
    at_once = _AT_ONCE
    at_once_everywhere: int | None = None

    async def generate(self, order: Order, _watch: Watch) -> Delivery:
        """One piece that has no object."""
        run = order.run
        piece = Piece("video", "video/mp4", None)
        return Delivery((piece,), run.width_px, run.height_px, 0, float(run.seconds))

    async def close(self) -> None:
        """Nothing is held."""
