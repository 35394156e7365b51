"""What may never be undone is recorded first: in the ledger of facts, before its effect here and before the answer.

While the ledger cannot be reached nothing of the kind is confirmed; the person is
told to try again, and knows that it did not happen yet.
"""

from datetime import datetime

from lethe_common.bus import Bus
from lethe_common.clock import Clock
from lethe_common.identifiers import SubjectRef
from lethe_common.rpc.facts import FactKind, FactsRecord, FactsRecordQuestion, NewFact


class Facts:
    """Records them. Each method returns when the fact is on disk.

    Raises, each of them:
        Unavailable: the privacy service is away.
    """

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus, self._clock = bus, clock

    async def item_deleted(self, subject_ref: str, generation_id: str) -> None:
        """Its owner deleted a generation."""
        await self._record(FactKind.ITEM_DELETED, subject_ref, generation_id)

    async def key_revoked(self, subject_ref: str, key_id: str) -> None:
        """An API key is valid no more."""
        await self._record(FactKind.KEY_REVOKED, subject_ref, key_id)

    async def session_ended(self, subject_ref: str, token_hash: bytes) -> None:
        """Somebody signed out."""
        await self._record(FactKind.SESSION_ENDED, subject_ref, token_hash.hex())

    async def password_changed(self, subject_ref: str, at: datetime) -> None:
        """Passwords set before this instant are valid no more, nor are sessions begun until then."""
        await self._record(FactKind.PASSWORD_CHANGED, subject_ref, "", at)

    async def _record(self, kind: FactKind, subject_ref: str, ref: str, at: datetime | None = None) -> None:
        fact = NewFact(kind=kind, subject_ref=SubjectRef.trusted(subject_ref), ref=ref, at=at or self._clock.now())
        await self._bus.ask(FactsRecord, FactsRecordQuestion(facts=(fact,)))
