"""The gateway, as billing asks it."""

from collections.abc import Sequence

from lethe_common.bus import Bus
from lethe_common.identifiers import GenerationId
from lethe_common.rpc.gateway import AcceptedQuestion, GenerationAccepted


class Gateway:
    """Knows which generations were accepted."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def accepted(self, generation_ids: Sequence[GenerationId]) -> set[GenerationId]:
        """Which of at most 256 generations were accepted.

        Raises:
            NoAnswer: the gateway is away or too slow.
        """
        answer = await self._bus.ask(GenerationAccepted, AcceptedQuestion(generation_ids=tuple(generation_ids)))
        return set(answer.accepted)
