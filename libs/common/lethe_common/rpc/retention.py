"""What retention answers."""

from datetime import datetime
from typing import ClassVar

from lethe_common.rpc.envelope import Call, Message
from lethe_common.services import Service


class DeadlineSummaryQuestion(Message):
    pass


class DeadlineSummaryAnswer(Message):
    """Items by how far they are; `overdue` ones passed deadline and grace and are still there."""

    open: int
    due: int
    removed: int
    overdue: int
    next_due_at: datetime | None


class DeadlineSummary(Call[DeadlineSummaryQuestion, DeadlineSummaryAnswer]):
    name: ClassVar[str] = "deadline.summary"
    callee: ClassVar[Service] = Service.RETENTION
    callers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)
    question, answer = DeadlineSummaryQuestion, DeadlineSummaryAnswer
    idempotency: ClassVar[str] = "reads only"


CALLS = (DeadlineSummary,)
