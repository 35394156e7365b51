"""The register of processors as every process follows it: read before anything goes out, then again every few seconds."""

import asyncio

import structlog

from lethe_common.bus import Bus
from lethe_common.clock import monotonic_seconds
from lethe_common.egress.contracts import Contracts, Span
from lethe_common.errors import Unavailable
from lethe_common.rpc.envelope import Refused
from lethe_common.rpc.processors import ContractsQuestion, ProcessorContracts

log = structlog.get_logger()

_AGAIN_SECONDS, _AGAIN_MOST_SECONDS = 0.1, 2.0


class Register:
    """Brings what operators entered to where passages are decided."""

    def __init__(self, bus: Bus, contracts: Contracts, *, every_seconds: float) -> None:
        self._bus, self._contracts, self._every_seconds = bus, contracts, every_seconds

    async def catch_up(self) -> None:
        """Read the register; waits for the privacy service."""
        delay = _AGAIN_SECONDS
        while not await self._read():
            await asyncio.sleep(delay)
            delay = min(delay * 2, _AGAIN_MOST_SECONDS)

    async def follow(self) -> None:
        """Read it again and again; a worker of the frame. What was heard last counts on, for a while."""
        while True:
            await asyncio.sleep(self._every_seconds)
            await self._read()

    async def _read(self) -> bool:
        asked_at = monotonic_seconds()
        try:
            answer = await self._bus.ask(ProcessorContracts, ContractsQuestion())
        except (Unavailable, Refused) as error:
            log.info("register_waits", cause=type(error).__name__)
            return False
        spans = {one.recipient_id: Span(one.starts_on, one.ends_on) for one in answer.contracts}
        self._contracts.take(spans, asked_at)
        return True
