"""What billing answers."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from lethe_common.identifiers import GenerationId, HoldId, SubjectRef
from lethe_common.rpc.envelope import Call, Message
from lethe_common.services import Service

_GATEWAY = (Service.GATEWAY,)
PLANS_MOST = 5000
"""Of how many subjects one question may ask the plan."""


class Order(Message):
    """What is to be generated, as far as its price goes."""

    model: str = Field(max_length=64)
    width_px: int = Field(gt=0, le=8192)
    height_px: int = Field(gt=0, le=8192)
    seconds: int = Field(gt=0, le=600)


class HoldRequest(Message):
    """Set credits aside for one generation.

    `key` and `body_hash` are HMACs (hex) of what the client chose. With `is_retry`
    (the SDK's own retry, without a key) the subject's latest hold of the same
    `body_hash` from the last 15 minutes is the answer.
    """

    subject_ref: SubjectRef
    key: str = Field(pattern="^[0-9a-f]{32,64}$")
    body_hash: str = Field(pattern="^[0-9a-f]{32,64}$")
    generation_id: GenerationId
    order: Order
    quote_id: str | None = Field(default=None, pattern="^quote_[0-9a-f]{32}$")
    is_retry: bool = False


class HoldOutcome(StrEnum):
    PLACED = "placed"
    EXISTING = "existing"
    INSUFFICIENT = "insufficient_credits"
    CONFLICT = "idempotency_conflict"
    UNKNOWN_SUBJECT = "unknown_subject"
    UNKNOWN_PRICE = "unknown_price"
    QUOTE_GONE = "quote_gone"


class HoldAnswer(Message):
    """The hold and the generation it is for; `generation_id` is the first one's when it existed."""

    outcome: HoldOutcome
    hold_id: HoldId | None = None
    generation_id: GenerationId | None = None
    credits: int = 0
    available: int = 0


class HoldPlaceQuestion(Message):
    """All holds that wait at this moment, in one message."""

    holds: tuple[HoldRequest, ...] = Field(min_length=1, max_length=256)


class HoldPlaceAnswer(Message):
    """One answer per request, in their order."""

    answers: tuple[HoldAnswer, ...]


class HoldPlace(Call[HoldPlaceQuestion, HoldPlaceAnswer]):
    name: ClassVar[str] = "hold.place"
    callee: ClassVar[Service] = Service.BILLING
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = HoldPlaceQuestion, HoldPlaceAnswer
    idempotency: ClassVar[str] = "unique (subject_ref, key); the first call's hold is answered"


class HoldReleaseQuestion(Message):
    """The hold of a generation that its gateway did not accept."""

    subject_ref: SubjectRef
    generation_id: GenerationId


class HoldReleaseAnswer(Message):
    """Whether there was an open one."""

    is_released: bool


class HoldRelease(Call[HoldReleaseQuestion, HoldReleaseAnswer]):
    """Gives the credits back at once instead of when the hold expires; as then, a completion that comes after all is charged."""

    name: ClassVar[str] = "hold.release"
    callee: ClassVar[Service] = Service.BILLING
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = HoldReleaseQuestion, HoldReleaseAnswer
    idempotency: ClassVar[str] = "a hold that is no longer open stays as it is"


class QuoteQuestion(Message):
    subject_ref: SubjectRef
    order: Order


class QuoteAnswer(Message):
    """A price that binds until `expires_at`."""

    quote_id: str
    credits: int
    price_version: str
    available: int
    expires_at: datetime


class QuoteMake(Call[QuoteQuestion, QuoteAnswer]):
    name: ClassVar[str] = "quote.make"
    callee: ClassVar[Service] = Service.BILLING
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = QuoteQuestion, QuoteAnswer
    idempotency: ClassVar[str] = "a second quote costs nothing and expires"


class GrantLine(Message):
    source: str
    amount: int
    remaining: int
    granted_at: datetime
    expires_at: datetime | None


class TransferLine(Message):
    """One line of the ledger, as its owner may see it."""

    transfer_id: str
    kind: str
    debit: str
    credit: str
    amount: int
    generation_id: GenerationId | None
    created_at: datetime


class BalanceQuestion(Message):
    subject_ref: SubjectRef
    history_limit: int = Field(default=0, ge=0, le=200)
    history_after: str | None = Field(default=None, pattern="^xfer_[0-9a-f]{32}$")


class BalanceAnswer(Message):
    """What can be spent, what is set aside, and what a late charge left to be paid from the next credits."""

    available: int
    held: int
    owed: int = 0
    plan: str
    grants: tuple[GrantLine, ...]
    history: tuple[TransferLine, ...] = ()
    has_more: bool = False


class BalanceGet(Call[BalanceQuestion, BalanceAnswer]):
    name: ClassVar[str] = "balance.get"
    callee: ClassVar[Service] = Service.BILLING
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = BalanceQuestion, BalanceAnswer
    idempotency: ClassVar[str] = "reads only"


class PlanChangeQuestion(Message):
    """An operator moves a subject to another plan."""

    subject_ref: SubjectRef
    plan: str = Field(max_length=64)


class PlanChangeAnswer(Message):
    plan: str
    since: datetime


class PlanChange(Call[PlanChangeQuestion, PlanChangeAnswer]):
    name: ClassVar[str] = "plan.change"
    callee: ClassVar[Service] = Service.BILLING
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = PlanChangeQuestion, PlanChangeAnswer
    idempotency: ClassVar[str] = "changing to the plan one has changes nothing"


class PlansCountQuestion(Message):
    """How many plans each of many has had."""

    subject_refs: tuple[SubjectRef, ...] = Field(max_length=PLANS_MOST)


class PlanCount(Message):
    subject_ref: SubjectRef
    count: int = Field(gt=0)


class PlansCountAnswer(Message):
    """How many plans each has had, the first one included; whom billing does not know is missing."""

    plans: tuple[PlanCount, ...]


class PlansCount(Call[PlansCountQuestion, PlansCountAnswer]):
    """Asked before an item is told to be due: an event of a better plan may still be on its way."""

    name: ClassVar[str] = "plans.count"
    callee: ClassVar[Service] = Service.BILLING
    callers: ClassVar[tuple[Service, ...]] = (Service.RETENTION,)
    question, answer = PlansCountQuestion, PlansCountAnswer
    idempotency: ClassVar[str] = "reads only"


class LedgerVerifyQuestion(Message):
    pass


class LedgerVerifyAnswer(Message):
    """Whether the books balance, and by how much they do not."""

    is_balanced: bool
    transfers: int
    accounts: int
    open_holds: int
    differences: tuple[str, ...] = Field(default=(), max_length=50)


class LedgerVerify(Call[LedgerVerifyQuestion, LedgerVerifyAnswer]):
    name: ClassVar[str] = "ledger.verify"
    callee: ClassVar[Service] = Service.BILLING
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = LedgerVerifyQuestion, LedgerVerifyAnswer
    timeout_seconds: ClassVar[float] = 60.0
    idempotency: ClassVar[str] = "reads only"


Source = Literal["plan", "top_up", "promo", "goodwill", "refund"]
CALLS = (HoldPlace, HoldRelease, QuoteMake, BalanceGet, PlanChange, PlansCount, LedgerVerify)
