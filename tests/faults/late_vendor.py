"""A vendor that answers when a test lets it, whatever it was told meanwhile; and the jobs service that works with it.

The service runs in this process, on the servers of a running suite, in the place of the suite's own.
"""

import asyncio
import os
import secrets
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from lethe_cli.local.folder import DataFolder
from lethe_common.process import Blueprint, Frame, Parts, Process
from lethe_common.services import Service
from lethe_jobs.models import Table
from lethe_jobs.providers import Delivery, Order, Piece, Watch
from lethe_jobs.settings import JobsSettings
from lethe_jobs.wiring import build
from tests.faults.stage import OBJECT_BYTES, QUICK
from tests.suite import RunningSuite

_START_SECONDS = 60
_LOOK_SECONDS = 0.05


class LateVendor:
    """Takes orders and does not hear that one is to stop. It delivers once `may_deliver` is set."""

    name = "noop"
    is_instant = False
    at_once = 64
    at_once_everywhere: int | None = None

    def __init__(self) -> None:
        self.ordered: list[str] = []
        self.delivered: list[str] = []
        self.may_deliver = threading.Event()

    async def generate(self, order: Order, _watch: Watch) -> Delivery:
        """One piece of noise, as late as it takes."""
        run = order.run
        self.ordered.append(run.generation_id)
        while not self.may_deliver.is_set():
            await asyncio.sleep(_LOOK_SECONDS)
        self.delivered.append(run.generation_id)
        piece = Piece("video", "video/mp4", secrets.token_bytes(OBJECT_BYTES))
        return Delivery((piece,), run.width_px, run.height_px, 0, float(run.seconds))

    async def close(self) -> None:
        """It hangs up on nobody."""


@contextmanager
def jobs_with(suite: RunningSuite, vendor: LateVendor) -> Iterator[None]:
    """The suite's jobs service is another one while inside, and everything is made by this vendor."""
    suite.stop("jobs")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="jobs", daemon=True)
    thread.start()

    def do(work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(_START_SECONDS)

    process = _process(suite, vendor)
    try:
        do(process.start())
        yield
    finally:
        vendor.may_deliver.set()
        do(process.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_START_SECONDS)
        loop.close()
        suite.start("jobs")


def _process(suite: RunningSuite, vendor: LateVendor) -> Process[JobsSettings]:
    variables = {f"LETHE_{name}": value for name, value in QUICK.items()}
    variables |= suite.environment(Service.JOBS) | {
        "LETHE_PROFILE": suite.runtime.profile,
        "LETHE_CLOCK_FILE": str(DataFolder(suite.data).clock),
        "LETHE_PROCESS_NAME": Service.JOBS.value,
    }
    with patch.dict(os.environ, variables):
        settings = JobsSettings()

    async def made(frame: Frame, given: JobsSettings) -> Parts:
        return await build(frame, given, [vendor])

    return Process(Blueprint(Service.JOBS, JobsSettings, made, Table.metadata), settings)
