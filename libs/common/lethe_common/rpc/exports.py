"""Exports: a page of what an owner has of a subject, and the exports themselves as their owner asks for them."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field, JsonValue

from lethe_common.identifiers import ExportId, SubjectRef
from lethe_common.policy.languages import Language
from lethe_common.rpc.envelope import Call, Message
from lethe_common.services import Service

_GATEWAY = (Service.GATEWAY,)
PAGE_RECORDS = 200
_READS = "reads only"


class ExportPageQuestion(Message):
    """`after` is the cursor that the page before ended with; empty at first."""

    subject_ref: SubjectRef
    section: str = Field(max_length=32)
    after: str = Field(default="", max_length=200)


class ExportPageAnswer(Message):
    """Records as an archive has them: references, parameters and amounts. What is kept sealed stays so, in base64."""

    records: tuple[dict[str, JsonValue], ...] = Field(max_length=PAGE_RECORDS)
    after: str | None
    """None: this was the last page."""


class BillingExportPage(Call[ExportPageQuestion, ExportPageAnswer]):
    name: ClassVar[str] = "export.page"
    callee: ClassVar[Service] = Service.BILLING
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = ExportPageQuestion, ExportPageAnswer
    idempotency: ClassVar[str] = _READS


class JobsExportPage(Call[ExportPageQuestion, ExportPageAnswer]):
    name: ClassVar[str] = "export.page"
    callee: ClassVar[Service] = Service.JOBS
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = ExportPageQuestion, ExportPageAnswer
    idempotency: ClassVar[str] = _READS


class RetentionExportPage(Call[ExportPageQuestion, ExportPageAnswer]):
    name: ClassVar[str] = "export.page"
    callee: ClassVar[Service] = Service.RETENTION
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = ExportPageQuestion, ExportPageAnswer
    idempotency: ClassVar[str] = _READS


class PrivacyExportPage(Call[ExportPageQuestion, ExportPageAnswer]):
    name: ClassVar[str] = "export.page"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = ExportPageQuestion, ExportPageAnswer
    idempotency: ClassVar[str] = _READS


PAGE_CALLS: dict[Service, type[Call[ExportPageQuestion, ExportPageAnswer]]] = {
    call.callee: call for call in (BillingExportPage, JobsExportPage, RetentionExportPage, PrivacyExportPage)
}


class ExportLine(Message):
    """One export: requested, packing, ready, or removing."""

    export_id: ExportId
    state: str
    requested_at: datetime
    ready_at: datetime | None
    size_bytes: int | None


class ExportOpenQuestion(Message):
    """The owner, signed in, asks for a copy. `language` is the one its explanation is written in."""

    subject_ref: SubjectRef
    language: Language


class ExportOpen(Call[ExportOpenQuestion, ExportLine]):
    name: ClassVar[str] = "export.open"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = ExportOpenQuestion, ExportLine
    idempotency: ClassVar[str] = "one export under way per subject; asked again, it is answered"


class ExportListQuestion(Message):
    subject_ref: SubjectRef


class ExportListAnswer(Message):
    """All exports of a subject that are not gone, the newest first."""

    exports: tuple[ExportLine, ...]


class ExportList(Call[ExportListQuestion, ExportListAnswer]):
    name: ClassVar[str] = "export.list"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = ExportListQuestion, ExportListAnswer
    idempotency: ClassVar[str] = _READS


class ExportEndQuestion(Message):
    export_id: ExportId
    subject_ref: SubjectRef


class ExportEndAnswer(Message):
    """False: there is no such export of this subject, or it is gone already."""

    is_known: bool


class ExportEnd(Call[ExportEndQuestion, ExportEndAnswer]):
    name: ClassVar[str] = "export.end"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = ExportEndQuestion, ExportEndAnswer
    idempotency: ClassVar[str] = "ending what ends already changes nothing"


CALLS = (*PAGE_CALLS.values(), ExportOpen, ExportList, ExportEnd)
