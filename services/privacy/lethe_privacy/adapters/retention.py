"""Asking retention whether a subject may be erased, and what of it may go."""

from collections.abc import Collection, Sequence

from lethe_common.bus import Bus
from lethe_common.identifiers import LegalHoldId, SubjectRef
from lethe_common.rpc.retention import (
    ErasureClear,
    ErasureClearQuestion,
    RemovalCheck,
    RemovalCheckQuestion,
    RemovalWish,
)


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

    async def held_of(self, wishes: Sequence[RemovalWish]) -> Collection[str]:
        """Those of these generations that a hold keeps.

        Raises:
            Unavailable: retention is away; nothing is known.
        """
        return (await self._bus.ask(RemovalCheck, RemovalCheckQuestion(wishes=tuple(wishes)))).held
