"""What the privacy service answers about requests: what people ask for by right, and what operators do about it.

What anybody writes travels sealed under the request's own key (class `support`, category
`support.ticket`), from the gateway that took it to the gateway that shows it.
"""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from pydantic import Base64Bytes, Field

from lethe_common.identifiers import GenerationId, RequestId, SealKeyId, SubjectRef
from lethe_common.policy.languages import Language
from lethe_common.rpc.envelope import Call, Message
from lethe_common.rpc.legal_holds import OperatorName
from lethe_common.services import Service

_GATEWAY = (Service.GATEWAY,)
SEALED_BYTES_MOST = 32_768


LETHE, PERSON = "lethe", "person"
"""Actors in a dossier that are no operators."""


def is_reserved(operator: str) -> bool:
    """Whether an operator's name would be taken for one of those."""
    return operator.casefold() in {LETHE, PERSON}


class RequestKind(StrEnum):
    """What is asked for. `depicted`: somebody who is seen in a video that another made asks for its removal."""

    ACCESS = "access"
    PORTABILITY = "portability"
    CORRECT = "correct"
    ERASE = "erase"
    RESTRICT = "restrict"
    OBJECT = "object"
    WITHDRAW = "withdraw"
    ENQUIRY = "enquiry"
    CHILD = "child"
    DEPICTED = "depicted"


class RequestState(StrEnum):
    """How far a request is."""

    RECEIVED = "received"
    IDENTITY_CHECKED = "identity_checked"
    IN_PROGRESS = "in_progress"
    EXTENDED = "extended"
    ANSWERED = "answered"
    REFUSED = "refused"
    CLOSED = "closed"


class RequestAction(StrEnum):
    """What an operator does with a request."""

    CHECK_IDENTITY = "check_identity"
    TAKE = "take"
    EXTEND = "extend"
    ANSWER = "answer"
    REFUSE = "refuse"
    CLOSE = "close"
    LIFT = "lift"


class RefusalGround(StrEnum):
    """Why a request is refused; what people are told besides is written to them."""

    IDENTITY_NOT_PROVED = "identity_not_proved"
    UNFOUNDED = "manifestly_unfounded"
    EXCESSIVE = "excessive"
    KEPT_BY_LAW = "kept_by_law"
    RIGHTS_OF_OTHERS = "rights_of_others"
    NOTHING_HELD = "nothing_held"


class SealedText(Message):
    """What somebody wrote, sealed under the request's key."""

    sealed: Base64Bytes = Field(max_length=SEALED_BYTES_MOST)
    key_id: SealKeyId


class RequestStep(Message):
    """One line of a request's dossier: what was done, by whom, when (policy time). Never changed.

    `actor`: `person`, `lethe`, or the name an operator signed with. `text` is left out where the
    dossier is shown without what was written; `has_text` says that there is one.
    """

    number: int
    step: str
    actor: str
    at: datetime
    ground: RefusalGround | None = None
    has_text: bool = False
    text: SealedText | None = None


class Request(Message):
    """A request. `extends_to` is until when it could be extended now; None when it cannot."""

    request_id: RequestId
    subject_ref: SubjectRef
    kind: RequestKind
    state: RequestState
    generation_id: GenerationId | None
    received_at: datetime
    due_at: datetime
    extends_to: datetime | None
    is_overdue: bool
    is_due_soon: bool
    is_paused: bool
    """Nothing of the person's expires meanwhile."""
    ends_at: datetime | None
    """When the request and its dossier are deleted."""
    steps: tuple[RequestStep, ...] = ()


class RequestAnswer(Message):
    request: Request


class RequestsAnswer(Message):
    requests: tuple[Request, ...]


class RequestFileQuestion(Message):
    """A person, signed in, asks for something.

    `purposes` are those that an objection or a withdrawal is about; without any, an operator reads what is written.
    """

    request_id: RequestId
    subject_ref: SubjectRef
    kind: RequestKind
    generation_id: GenerationId | None = None
    purposes: tuple[str, ...] = Field(default=(), max_length=64)
    language: Language
    text: SealedText | None = None


class RequestFile(Call[RequestFileQuestion, RequestAnswer]):
    """Take a request, and do at once what needs nobody's decision."""

    name: ClassVar[str] = "request.file"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = RequestFileQuestion, RequestAnswer
    idempotency: ClassVar[str] = "request_id is the caller's; the same one is answered again"


class RequestOwnListQuestion(Message):
    subject_ref: SubjectRef
    limit: int = Field(default=50, ge=1, le=200)


class RequestOwnList(Call[RequestOwnListQuestion, RequestsAnswer]):
    """A person's own requests, newest first, without their dossiers."""

    name: ClassVar[str] = "request.own_list"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = RequestOwnListQuestion, RequestsAnswer
    idempotency: ClassVar[str] = "reads only"


class RequestOwnQuestion(Message):
    subject_ref: SubjectRef
    request_id: RequestId


class RequestOwnShow(Call[RequestOwnQuestion, RequestAnswer]):
    """One of a person's own requests with its dossier and what was written, sealed."""

    name: ClassVar[str] = "request.own_show"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = RequestOwnQuestion, RequestAnswer
    idempotency: ClassVar[str] = "reads only"


class RequestOwnLift(Call[RequestOwnQuestion, RequestAnswer]):
    """A person ends a restriction that they asked for."""

    name: ClassVar[str] = "request.own_lift"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = RequestOwnQuestion, RequestAnswer
    idempotency: ClassVar[str] = "lifted again, it is answered again"


class RequestOwnCloseQuestion(RequestOwnQuestion):
    """`has_lapsed`: not the person's word; what the request needs of them did not come in time."""

    has_lapsed: bool = False


class RequestOwnClose(Call[RequestOwnCloseQuestion, RequestAnswer]):
    """A person takes back a request that is open."""

    name: ClassVar[str] = "request.own_close"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = RequestOwnCloseQuestion, RequestAnswer
    idempotency: ClassVar[str] = "closed again, it is answered again"


class RequestListQuestion(Message):
    """`is_open`: only what is to be answered, the most urgent first; else all, newest first."""

    is_open: bool = True
    limit: int = Field(default=50, ge=1, le=200)


class RequestList(Call[RequestListQuestion, RequestsAnswer]):
    name: ClassVar[str] = "request.list"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = RequestListQuestion, RequestsAnswer
    idempotency: ClassVar[str] = "reads only"


class RequestShowQuestion(Message):
    request_id: RequestId


class RequestShow(Call[RequestShowQuestion, RequestAnswer]):
    """One request with its dossier, without what was written."""

    name: ClassVar[str] = "request.show"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = RequestShowQuestion, RequestAnswer
    idempotency: ClassVar[str] = "reads only"


class RequestReadQuestion(Message):
    """`reason` is why the operator has to read it."""

    request_id: RequestId
    operator: OperatorName
    reason: SealedText


class RequestRead(Call[RequestReadQuestion, RequestAnswer]):
    """One request with what was written, sealed. That it was read, and by whom, enters the dossier, which its person sees."""

    name: ClassVar[str] = "request.read"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = RequestReadQuestion, RequestAnswer
    idempotency: ClassVar[str] = "read twice by one operator at one policy time, it is noted once"


class RequestDecideQuestion(Message):
    request_id: RequestId
    action: RequestAction
    operator: OperatorName
    ground: RefusalGround | None = None
    text: SealedText | None = None


class RequestDecide(Call[RequestDecideQuestion, RequestAnswer]):
    """An operator moves a request on."""

    name: ClassVar[str] = "request.decide"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = RequestDecideQuestion, RequestAnswer
    idempotency: ClassVar[str] = "done again by the same operator, it is answered again"


CALLS = (
    RequestFile,
    RequestOwnList,
    RequestOwnShow,
    RequestOwnLift,
    RequestOwnClose,
    RequestList,
    RequestShow,
    RequestRead,
    RequestDecide,
)
