"""The ledger of facts: what somebody decided about their data, and what no restored backup may undo.

A fact is recorded before its effect and before the answer: what cannot be recorded
is not confirmed. Each owner goes through the facts it has not seen at its start, so
that old data becomes data in which all of them hold.
"""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from lethe_common.identifiers import SubjectRef
from lethe_common.rpc.envelope import Call, Message
from lethe_common.services import Service

OWNERS = (Service.GATEWAY, Service.JOBS, Service.BILLING, Service.RETENTION)
"""Whose data a backup holds. Privacy's own, the keys and these facts, lie outside."""
FACTS_MOST = 500
FOUND_MOST = 500
_HASH = "^[0-9a-f]{64}$"


class FactKind(StrEnum):
    """What is true since then. `ref` names what it is about, where that is not the subject as a whole."""

    LEDGER_BEGUN = "ledger_begun"
    ERASURE_REQUESTED = "erasure_requested"
    ERASED = "erased"
    ITEM_DELETED = "item_deleted"
    WITHDRAWN = "withdrawn"
    OBJECTED = "objected"
    RESTRICTED = "restricted"
    RESTRICTION_ENDED = "restriction_ended"
    PAUSE_BEGAN = "pause_began"
    PAUSE_ENDED = "pause_ended"
    KEY_REVOKED = "key_revoked"
    SESSION_ENDED = "session_ended"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  the name of a fact


ONCE = frozenset({
    FactKind.LEDGER_BEGUN, FactKind.ERASURE_REQUESTED, FactKind.ERASED, FactKind.ITEM_DELETED, FactKind.KEY_REVOKED,
    FactKind.SESSION_ENDED, FactKind.PAUSE_BEGAN, FactKind.PAUSE_ENDED,
})  # fmt: skip
"""Facts that cannot become truer: recording one again changes nothing."""


class NewFact(Message):
    """A fact to be recorded. `ref`: an item, a key, a request, a session's digest in hex, a purpose; empty for the whole subject."""

    kind: FactKind
    subject_ref: SubjectRef | None
    ref: str = Field(default="", max_length=64)
    at: datetime


class Fact(NewFact):
    """A recorded fact with its place, counted from 1."""

    number: int = Field(ge=1)


class FactsRecordQuestion(Message):
    facts: tuple[NewFact, ...] = Field(min_length=1, max_length=FACTS_MOST)


class FactsRecordAnswer(Message):
    """They are on disk."""


class FactsRecord(Call[FactsRecordQuestion, FactsRecordAnswer]):
    name: ClassVar[str] = "facts.record"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)
    question, answer = FactsRecordQuestion, FactsRecordAnswer
    idempotency: ClassVar[str] = "a fact recorded twice is as true as once"


class FactsPageQuestion(Message):
    """The facts after one that is known, by its number and the chain's hash there; number 0 knows none."""

    after: int = Field(ge=0)
    hash: str = Field(default="", pattern=f"{_HASH}|^$")
    limit: int = Field(default=FACTS_MOST, ge=0, le=FACTS_MOST)


class FactsPageAnswer(Message):
    """In order. `hash` is the chain's at the last of them; `settled` is a fact whose effect is not under way any more."""

    facts: tuple[Fact, ...]
    hash: str
    settled: int
    settled_hash: str


class FactsPage(Call[FactsPageQuestion, FactsPageAnswer]):
    """Refused with `ledger_behind` by a ledger that does not reach to the known fact, and with `ledger_other` by another one."""

    name: ClassVar[str] = "facts.page"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = OWNERS
    question, answer = FactsPageQuestion, FactsPageAnswer
    idempotency: ClassVar[str] = "reads only"


class FactsReplayedQuestion(Message):
    """All facts up to this one hold in the caller's data."""

    through: int = Field(ge=0)


class FactsReplayedAnswer(Message):
    """Who still has to say so since data were restored."""

    waiting: tuple[Service, ...]


class FactsReplayed(Call[FactsReplayedQuestion, FactsReplayedAnswer]):
    name: ClassVar[str] = "facts.replayed"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = OWNERS
    question, answer = FactsReplayedQuestion, FactsReplayedAnswer
    idempotency: ClassVar[str] = "saying it again changes nothing"


class ErasureAgainQuestion(Message):
    """Subjects that are forgotten, and of whom a restored backup brought something back."""

    subject_refs: tuple[SubjectRef, ...] = Field(min_length=1, max_length=FOUND_MOST)


class ErasureAgainAnswer(Message):
    opened: int


class ErasureAgain(Call[ErasureAgainQuestion, ErasureAgainAnswer]):
    """Erase them once more, with a certificate of its own. Only who was erased can be named."""

    name: ClassVar[str] = "erasure.again"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = OWNERS
    question, answer = ErasureAgainQuestion, ErasureAgainAnswer
    idempotency: ClassVar[str] = "one open erasure per subject"


CALLS = (FactsRecord, FactsPage, FactsReplayed, ErasureAgain)
