"""The register of disclosures: which authority asked, by which law, who approved, and what was given or why not."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from lethe_common.identifiers import DisclosureId, SubjectRef
from lethe_common.rpc.envelope import Call, Message
from lethe_common.rpc.legal_holds import OperatorName, Reason
from lethe_common.rpc.requests import SealedText
from lethe_common.services import Service

_GATEWAY = (Service.GATEWAY,)
Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class DisclosureState(StrEnum):
    """How far a demand is."""

    REQUESTED = "requested"
    APPROVED = "approved"
    DISCLOSED = "disclosed"
    REFUSED = "refused"


class DisclosureAction(StrEnum):
    """What an operator does with one. `approved` counts one approval; the last one that is needed moves it on."""

    APPROVE = "approve"
    REFUSE = "refuse"
    DISCLOSE = "disclose"


class DisclosureStep(Message):
    """One line of its history: requested, approved, refused, disclosed or told. Never changed."""

    step: str
    operator: str
    at: datetime
    ground: str | None


class Disclosure(Message):
    """A demand and its history. After its subject's erasure it says no longer whom it was about, nor what was asked.

    `digest` is the SHA-256 (hex) of the package that was given. The subject is told unless `delay_ground`, a reference
    of a law, keeps that back until `delay_until`.
    """

    disclosure_id: DisclosureId
    subject_ref: SubjectRef | None
    state: DisclosureState
    authority: str
    legal_reference: str
    approvals: int
    approvals_needed: int
    opened_at: datetime
    delay_until: datetime | None
    delay_ground: str | None
    digest: str | None
    disclosed_at: datetime | None
    is_told: bool
    asked: SealedText | None
    steps: tuple[DisclosureStep, ...]


class DisclosureAnswer(Message):
    disclosure: Disclosure


class DisclosuresAnswer(Message):
    disclosures: tuple[Disclosure, ...]


class DisclosureOpenQuestion(Message):
    disclosure_id: DisclosureId
    subject_ref: SubjectRef
    operator: OperatorName
    authority: Reason
    legal_reference: Reason
    asked: SealedText
    delay_until: datetime | None = None
    delay_ground: Reason | None = None


class DisclosureOpen(Call[DisclosureOpenQuestion, DisclosureAnswer]):
    name: ClassVar[str] = "disclosure.open"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = DisclosureOpenQuestion, DisclosureAnswer
    idempotency: ClassVar[str] = "disclosure_id is the caller's; the same one is answered again"


class DisclosureListQuestion(Message):
    """The newest; of one subject, those it has been told of; or those of which somebody is to be told at a policy time.

    That time is the asker's, whose clock may be a moment ahead.
    """

    limit: int = Field(default=50, ge=1, le=200)
    subject_ref: SubjectRef | None = None
    to_be_told_at: datetime | None = None


class DisclosureList(Call[DisclosureListQuestion, DisclosuresAnswer]):
    name: ClassVar[str] = "disclosure.list"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = DisclosureListQuestion, DisclosuresAnswer
    idempotency: ClassVar[str] = "reads only"


class DisclosureShowQuestion(Message):
    disclosure_id: DisclosureId


class DisclosureShow(Call[DisclosureShowQuestion, DisclosureAnswer]):
    name: ClassVar[str] = "disclosure.show"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = DisclosureShowQuestion, DisclosureAnswer
    idempotency: ClassVar[str] = "reads only"


class DisclosureDecideQuestion(Message):
    """A refusal says its ground; a disclosure the digest of what is given."""

    disclosure_id: DisclosureId
    operator: OperatorName
    action: DisclosureAction
    ground: Reason | None = None
    digest: Digest | None = None


class DisclosureDecide(Call[DisclosureDecideQuestion, DisclosureAnswer]):
    name: ClassVar[str] = "disclosure.decide"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = DisclosureDecideQuestion, DisclosureAnswer
    idempotency: ClassVar[str] = (
        "a refusal, and a disclosure of the same digest, are answered again; nobody approves twice"
    )


class DisclosureTell(Call[DisclosureShowQuestion, DisclosureAnswer]):
    """Its subject was told."""

    name: ClassVar[str] = "disclosure.tell"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = DisclosureShowQuestion, DisclosureAnswer
    idempotency: ClassVar[str] = "noted once"


CALLS = (DisclosureOpen, DisclosureList, DisclosureShow, DisclosureDecide, DisclosureTell)
