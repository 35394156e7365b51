"""Place in the queue and time to the end, as far as the jobs service can guess them."""

from dataclasses import dataclass

import asyncpg

from lethe_common.bus import Bus
from lethe_common.errors import LetheError
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.rpc.jobs import PositionQuestion, RunPosition

_ASK_SECONDS = 0.5
_LEAST_MS, _MOST_MS = 250, 2000


@dataclass(frozen=True, slots=True)
class Position:
    """0 is not queued; seconds are a guess."""

    position: int
    eta_seconds: int


class Positions:
    """Asks for guesses, and does without when nobody answers."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def of(self, row: asyncpg.Record) -> Position | None:
        """Where a generation's run is, or None when it is not known right now."""
        question = PositionQuestion(
            generation_id=GenerationId.trusted(row["generation_id"]), subject_ref=SubjectRef.trusted(row["subject_ref"])
        )
        try:
            answer = await self._bus.ask(RunPosition, question, _ASK_SECONDS)
        except LetheError:
            return None
        return Position(answer.position, answer.eta_seconds)

    async def poll_after_ms(self, row: asyncpg.Record) -> int:
        """When a client should ask again: at the expected end, and at least every two seconds.

        The SDK keeps the first value it gets for the whole wait.
        """
        known = await self.of(row)
        if known is None:
            return 1000
        return max(_LEAST_MS, min(known.eta_seconds * 1000 // 2, _MOST_MS))
