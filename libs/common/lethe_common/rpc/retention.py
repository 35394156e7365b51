"""What retention answers: the calendar of deadlines, and whether a legal hold forbids a removal."""

from datetime import date, datetime
from typing import ClassVar

from pydantic import Field

from lethe_common.identifiers import GenerationId, LegalHoldId, SubjectRef
from lethe_common.rpc.envelope import Call, Message
from lethe_common.services import Service

REMOVALS_MOST = 1000
"""Items of one question about removals: what one request to the store may delete."""


class DeadlineSummaryQuestion(Message):
    pass


class DeadlineSummaryAnswer(Message):
    """Items by how far they are. `overdue` ones passed deadline and grace and are still there; `held` ones may be."""

    open: int
    due: int
    removed: int
    overdue: int
    held: int
    next_due_at: datetime | None


class DeadlineSummary(Call[DeadlineSummaryQuestion, DeadlineSummaryAnswer]):
    name: ClassVar[str] = "deadline.summary"
    callee: ClassVar[Service] = Service.RETENTION
    callers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)
    question, answer = DeadlineSummaryQuestion, DeadlineSummaryAnswer
    idempotency: ClassVar[str] = "reads only"


class OverdueCount(Message):
    """Items of a category by how long they are overdue: `under_1h`, `under_1d`, `under_7d`, `over_7d`."""

    category: str
    age: str
    count: int


class OverdueItem(Message):
    """An item that passed deadline and grace and is still there. `state` says where it hangs."""

    generation_id: GenerationId
    category: str
    due_at: datetime
    state: str
    late_seconds: int


class OverdueListQuestion(Message):
    limit: int = Field(default=50, ge=1, le=200)


class OverdueListAnswer(Message):
    """The longest overdue first."""

    counts: tuple[OverdueCount, ...]
    items: tuple[OverdueItem, ...]


class OverdueList(Call[OverdueListQuestion, OverdueListAnswer]):
    name: ClassVar[str] = "overdue.list"
    callee: ClassVar[Service] = Service.RETENTION
    callers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)
    question, answer = OverdueListQuestion, OverdueListAnswer
    idempotency: ClassVar[str] = "reads only"


class ForecastDay(Message):
    """What goes on one day (UTC) by its deadline, if nothing moves it."""

    day: date
    category: str
    count: int
    stored_bytes: int


class ForecastQuestion(Message):
    days: int = Field(default=30, ge=1, le=366)


class ForecastAnswer(Message):
    """In order of days; what a legal hold keeps is left out."""

    days: tuple[ForecastDay, ...]


class CalendarForecast(Call[ForecastQuestion, ForecastAnswer]):
    name: ClassVar[str] = "calendar.forecast"
    callee: ClassVar[Service] = Service.RETENTION
    callers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)
    question, answer = ForecastQuestion, ForecastAnswer
    timeout_seconds: ClassVar[float] = 20.0
    idempotency: ClassVar[str] = "reads only"


class KeepRule(Message):
    """Why an item goes when it goes: so long after this event, by this plan, counted so when plans change.

    Without a period no clock runs: it is kept until its owner deletes it.
    """

    from_event: str
    plan: str | None
    period_seconds: int | None
    on_plan_change: str


class CalendarItem(Message):
    """One item and its deadline. `state`: open, due (being removed) or removed (being looked at)."""

    generation_id: GenerationId
    category: str
    started_at: datetime
    due_at: datetime | None
    state: str
    is_held: bool
    stored_bytes: int
    rule: KeepRule


class CalendarQuestion(Message):
    """One page of a subject's items, oldest first, after the item `after`."""

    subject_ref: SubjectRef
    after: GenerationId | None = None
    limit: int = Field(default=20, ge=1, le=100)


class CalendarAnswer(Message):
    items: tuple[CalendarItem, ...]
    has_more: bool


class CalendarPage(Call[CalendarQuestion, CalendarAnswer]):
    name: ClassVar[str] = "calendar.page"
    callee: ClassVar[Service] = Service.RETENTION
    callers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)
    question, answer = CalendarQuestion, CalendarAnswer
    idempotency: ClassVar[str] = "reads only"


class RemovalWish(Message):
    """One generation somebody is about to remove."""

    generation_id: GenerationId
    subject_ref: SubjectRef


class RemovalCheckQuestion(Message):
    wishes: tuple[RemovalWish, ...] = Field(min_length=1, max_length=REMOVALS_MOST)


class RemovalCheckAnswer(Message):
    """The generations that a legal hold keeps; the others may go."""

    held: tuple[GenerationId, ...]


class RemovalCheck(Call[RemovalCheckQuestion, RemovalCheckAnswer]):
    """Asked by whoever removes, right before it does."""

    name: ClassVar[str] = "removal.check"
    callee: ClassVar[Service] = Service.RETENTION
    callers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY, Service.JOBS, Service.PRIVACY)
    question, answer = RemovalCheckQuestion, RemovalCheckAnswer
    timeout_seconds: ClassVar[float] = 2.0
    idempotency: ClassVar[str] = "reads only"


class ErasureClearQuestion(Message):
    subject_ref: SubjectRef


class ErasureClearAnswer(Message):
    """The holds that keep anything of the subject. None: the erasure may go on, and no hold can be placed any more."""

    held_by: tuple[LegalHoldId, ...]


class ErasureClear(Call[ErasureClearQuestion, ErasureClearAnswer]):
    """Asked before anything of a subject is erased."""

    name: ClassVar[str] = "erasure.clear"
    callee: ClassVar[Service] = Service.RETENTION
    callers: ClassVar[tuple[Service, ...]] = (Service.PRIVACY,)
    question, answer = ErasureClearQuestion, ErasureClearAnswer
    idempotency: ClassVar[str] = "a subject that was cleared is cleared"


CALLS = (DeadlineSummary, OverdueList, CalendarForecast, CalendarPage, RemovalCheck, ErasureClear)
