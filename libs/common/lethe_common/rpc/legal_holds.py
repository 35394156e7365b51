"""What retention answers to operators about legal holds."""

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from lethe_common.identifiers import GenerationId, LegalHoldId, SubjectRef
from lethe_common.rpc.envelope import Call, Message
from lethe_common.services import Service

_GATEWAY = (Service.GATEWAY,)
OperatorName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=64)]
"""How an operator signs an action."""
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]
"""Why: authority and file number. Not a person's name: it is shown to all operators."""


class LegalHoldStep(Message):
    """One line of a hold's history: proposed, approved, withdrawn, lifted or ended."""

    step: str
    operator: str
    at: datetime


class LegalHold(Message):
    """A hold and its history. After its subject's erasure neither scope nor reason is known any more."""

    hold_id: LegalHoldId
    state: str
    subject_ref: SubjectRef | None
    generation_id: GenerationId | None
    reason: str | None
    ends_at: datetime | None
    waiting: int
    """Items in its scope whose time is over by now."""
    steps: tuple[LegalHoldStep, ...]


class LegalHoldListQuestion(Message):
    """`is_open`: only what is proposed or in force. Newest first."""

    is_open: bool = True
    limit: int = Field(default=50, ge=1, le=200)


class LegalHoldListAnswer(Message):
    holds: tuple[LegalHold, ...]


class LegalHoldList(Call[LegalHoldListQuestion, LegalHoldListAnswer]):
    name: ClassVar[str] = "legal_hold.list"
    callee: ClassVar[Service] = Service.RETENTION
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = LegalHoldListQuestion, LegalHoldListAnswer
    idempotency: ClassVar[str] = "reads only"


class LegalHoldProposeQuestion(Message):
    """Keep one generation, or everything of its subject when `generation_id` is None, until lifted or `ends_at`."""

    hold_id: LegalHoldId
    subject_ref: SubjectRef
    generation_id: GenerationId | None = None
    operator: OperatorName
    reason: Reason
    ends_at: datetime | None = None


class LegalHoldAnswer(Message):
    hold: LegalHold


class LegalHoldPropose(Call[LegalHoldProposeQuestion, LegalHoldAnswer]):
    name: ClassVar[str] = "legal_hold.propose"
    callee: ClassVar[Service] = Service.RETENTION
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = LegalHoldProposeQuestion, LegalHoldAnswer
    idempotency: ClassVar[str] = "hold_id is the caller's; the same one is answered again"


class LegalHoldDecisionQuestion(Message):
    hold_id: LegalHoldId
    operator: OperatorName


class LegalHoldApprove(Call[LegalHoldDecisionQuestion, LegalHoldAnswer]):
    """A second operator puts a proposed hold into force."""

    name: ClassVar[str] = "legal_hold.approve"
    callee: ClassVar[Service] = Service.RETENTION
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = LegalHoldDecisionQuestion, LegalHoldAnswer
    idempotency: ClassVar[str] = "approved again by the same operator, it is answered again"


class LegalHoldLift(Call[LegalHoldDecisionQuestion, LegalHoldAnswer]):
    """An operator ends a hold, or withdraws one that was only proposed."""

    name: ClassVar[str] = "legal_hold.lift"
    callee: ClassVar[Service] = Service.RETENTION
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = LegalHoldDecisionQuestion, LegalHoldAnswer
    idempotency: ClassVar[str] = "lifted again, it is answered again"


CALLS = (LegalHoldList, LegalHoldPropose, LegalHoldApprove, LegalHoldLift)
