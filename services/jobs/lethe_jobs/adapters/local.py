"""Provider `local`: the renderer of this package, in threads of its own, as many as the machine has cores."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from lethe_jobs.adapters.local_renderer import BadOrder, BadReference, RenderCancelled, Rendered, render
from lethe_jobs.errors import BadInput, ProviderFailed, RunStopped
from lethe_jobs.providers import Delivery, Order, Piece, Watch


class LocalProvider:
    """Draws videos. Drawing releases the interpreter lock for most of its time, so threads suffice."""

    name = "local"
    is_instant = False
    at_once_everywhere: int | None = None

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="render")

    async def generate(self, order: Order, watch: Watch) -> Delivery:
        """Draw one video and its thumbnail."""
        run = order.run
        work = (order.prompt, order.seed, run.width_px, run.height_px, run.seconds, order.reference)
        drawing = asyncio.get_running_loop().run_in_executor(
            self._threads, render, *work, watch.reach, watch.is_stopped
        )
        try:
            rendered = await drawing
        except RenderCancelled as error:
            raise RunStopped(str(error)) from error
        except (BadOrder, BadReference) as error:
            raise BadInput(str(error)) from error
        except asyncio.CancelledError:
            watch.stop()
            raise
        except Exception as error:
            # Codecs fail in many ways; the run is tried again, and the log says where it broke.
            raise ProviderFailed("The renderer failed.") from error
        return _delivery(rendered)

    async def close(self) -> None:
        """Start no more; what is being drawn was told to stop by its watch."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _delivery(rendered: Rendered) -> Delivery:
    pieces = (Piece("video", "video/mp4", rendered.video), Piece("thumbnail", "image/webp", rendered.thumbnail))
    return Delivery(pieces, rendered.width_px, rendered.height_px, rendered.frames, rendered.duration_seconds)
