"""A round of sweeps: none waits in vain because another one failed.

Among them are clocks of the law, which a key that cannot be rotated must not stop.
"""

from collections.abc import Sequence
from datetime import datetime

import structlog

from lethe_common import logging as logs
from lethe_common.clock import Sweep

log = structlog.get_logger()


async def sweep_all(sweeps: Sequence[Sweep], now: datetime) -> None:
    """Run each at a policy time, one after another; then raise what the first one raised that failed.

    What must not run where something before it failed is one sweep with it: `in_order`.
    """
    first: Exception | None = None
    for sweep in sweeps:
        try:
            await sweep(now)
        except Exception as error:  # noqa: BLE001  each is logged, the first is raised below, and the frame tries all again
            log.warning("sweep_failed", sweep=_name(sweep), error=logs.describe(error), where=logs.places(error))
            first = first or error
    if first is not None:
        raise first


def in_order(*sweeps: Sweep) -> Sweep:
    """One sweep of several, of which none begins before the ones before it are done."""

    async def sweep(now: datetime) -> None:
        for each in sweeps:
            await each(now)

    return sweep


def _name(sweep: Sweep) -> str:
    return str(getattr(sweep, "__qualname__", type(sweep).__name__))
