"""What an erasure says to processes, and need not arrive: that keys are called in, and that it is worth a look."""

from lethe_common.bus import Bus
from lethe_common.events.privacy import ErasureMoved, KeysCalledIn
from lethe_common.identifiers import ErasureId, SubjectRef


class Processes:
    """Hears nothing back here: whoever has let go asks `keys.let_go`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def call_in(self, subject_ref: SubjectRef) -> None:
        """Say it once. It may be lost; the erasure's step says it again."""
        await self._bus.say(KeysCalledIn(subject_ref=subject_ref))

    async def hint(self, erasure_id: ErasureId) -> None:
        """Say that an erasure has moved to where somebody may wait for it."""
        await self._bus.say(ErasureMoved(erasure_id=erasure_id))
