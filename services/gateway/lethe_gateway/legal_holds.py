"""Legal holds as the gateway meets them: before anything is removed, retention is asked."""

from collections.abc import Sequence

from lethe_common.bus import Bus
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.rpc.retention import RemovalCheck, RemovalCheckQuestion, RemovalWish


class LegalHolds:
    """Asks retention."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def held(self, items: Sequence[tuple[str, str]]) -> set[str]:
        """Which generations, of (subject, generation), a hold keeps.

        Raises:
            Unavailable: retention is away, and nobody can say.
        """
        wishes = tuple(
            RemovalWish(subject_ref=SubjectRef.trusted(ref), generation_id=GenerationId.trusted(item))
            for ref, item in items
        )
        return set((await self._bus.ask(RemovalCheck, RemovalCheckQuestion(wishes=wishes))).held)
