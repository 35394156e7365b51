"""The register of breaches: what happened, since when it is known, who has to hear of it by when, and who did."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from lethe_common.identifiers import BreachId
from lethe_common.rpc.envelope import Call, Message
from lethe_common.rpc.legal_holds import OperatorName
from lethe_common.rpc.processors import Reference
from lethe_common.rpc.requests import SealedText
from lethe_common.services import Service

_GATEWAY = (Service.GATEWAY,)
Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]
PEOPLE_MOST = 2_000_000_000


class BreachStepKind(StrEnum):
    """One line of a breach's history. `told`: those whom it touches were written to; `warned` is the suite's own."""

    OPENED = "opened"
    NOTED = "noted"
    NOTIFIED = "notified"
    TOLD = "told"
    WARNED = "warned"
    CLOSED = "closed"


class BreachStep(Message):
    """What was done, by whom, when. `at` of a notification is when it was made. What is written stays sealed."""

    number: int
    step: BreachStepKind
    operator: str
    at: datetime
    duty: str | None = None
    reference: str | None = None
    count: int | None = None
    text: SealedText | None = None


class BreachDuty(Message):
    """Who has to hear of it by when; `done_at` once they did."""

    duty: str
    says: str
    source: str
    due_at: datetime
    done_at: datetime | None
    is_overdue: bool
    is_due_soon: bool


class Breach(Message):
    """A breach. `categories` are the policy's, `places` their stores, `people` about how many it touches (None: not known)."""

    breach_id: BreachId
    is_open: bool
    known_at: datetime
    categories: tuple[str, ...]
    places: tuple[str, ...]
    people: int | None
    is_high_risk: bool
    duties: tuple[BreachDuty, ...]
    steps: tuple[BreachStep, ...]


class BreachAnswer(Message):
    breach: Breach


class BreachOpenQuestion(Message):
    """`known_at`: when it became known, which is when clocks begin; not later than now."""

    breach_id: BreachId
    operator: OperatorName
    known_at: datetime
    categories: tuple[Name, ...] = Field(max_length=100)
    places: tuple[Name, ...] = Field(default=(), max_length=100)
    people: int | None = Field(default=None, ge=0, le=PEOPLE_MOST)
    is_high_risk: bool = False
    text: SealedText


class BreachOpen(Call[BreachOpenQuestion, BreachAnswer]):
    name: ClassVar[str] = "breach.open"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = BreachOpenQuestion, BreachAnswer
    idempotency: ClassVar[str] = "breach_id is the caller's; the same one is answered again"


class BreachListQuestion(Message):
    """`is_open`: only those that are not closed. Newest first."""

    is_open: bool = True
    limit: int = Field(default=50, ge=1, le=200)


class BreachListAnswer(Message):
    breaches: tuple[Breach, ...]


class BreachList(Call[BreachListQuestion, BreachListAnswer]):
    name: ClassVar[str] = "breach.list"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = BreachListQuestion, BreachListAnswer
    idempotency: ClassVar[str] = "reads only"


class BreachShowQuestion(Message):
    breach_id: BreachId


class BreachShow(Call[BreachShowQuestion, BreachAnswer]):
    name: ClassVar[str] = "breach.show"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = BreachShowQuestion, BreachAnswer
    idempotency: ClassVar[str] = "reads only"


class BreachNoteQuestion(Message):
    """What was done about a breach. A notification names its duty, its reference and when it was made."""

    breach_id: BreachId
    operator: OperatorName
    step: BreachStepKind
    at: datetime | None = None
    duty: Name | None = None
    reference: Reference | None = None
    count: int | None = Field(default=None, ge=0, le=PEOPLE_MOST)
    text: SealedText | None = None


class BreachNote(Call[BreachNoteQuestion, BreachAnswer]):
    name: ClassVar[str] = "breach.note"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = BreachNoteQuestion, BreachAnswer
    idempotency: ClassVar[str] = (
        "a notification, a telling and a closing are noted once; a note made twice says the same"
    )


CALLS = (BreachOpen, BreachList, BreachShow, BreachNote)
