"""Calling leased keys in from every process that may have them."""

from lethe_common.bus import Bus
from lethe_common.events.privacy import KeysCalledIn
from lethe_common.identifiers import SubjectRef


class Processes:
    """Hears nothing back here: whoever has let go asks `keys.let_go`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def call_in(self, subject_ref: SubjectRef) -> None:
        """Say it once. It may be lost; the erasure's step says it again."""
        await self._bus.say(KeysCalledIn(subject_ref=subject_ref))
