"""Asking retention whether a subject may be erased."""

from collections.abc import Sequence

from lethe_common.bus import Bus
from lethe_common.identifiers import LegalHoldId, SubjectRef
from lethe_common.rpc.retention import ErasureClear, ErasureClearQuestion


class Retention:
    """Keeps legal holds."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def held_by(self, subject_ref: SubjectRef) -> Sequence[LegalHoldId]:
        """The holds that keep anything of a subject.

        Raises:
            Unavailable: retention is away; the step is taken again.
        """
        return (await self._bus.ask(ErasureClear, ErasureClearQuestion(subject_ref=subject_ref))).held_by
