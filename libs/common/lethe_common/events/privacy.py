"""What the privacy service tells about erasures, exports, and requests that keep what is over from being deleted."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from lethe_common.events.envelope import Event
from lethe_common.events.jobs import RemovalRule
from lethe_common.identifiers import CertificateId, ErasureId, ExportId, RequestId, SubjectRef
from lethe_common.policy.languages import Language
from lethe_common.services import Service

_PRIVACY = (Service.PRIVACY,)
_OWNERS = (Service.GATEWAY, Service.JOBS, Service.BILLING, Service.RETENTION)


class ErasureFenced(Event):
    """A subject asked to be forgotten: refuse new work, cancel what runs, drop late results, revoke access."""

    type: ClassVar[str] = "privacy.erasure.fenced.v1"
    speakers: ClassVar[tuple[Service, ...]] = _PRIVACY
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY, Service.JOBS, Service.BILLING)

    erasure_id: ErasureId
    subject_ref: SubjectRef
    fenced_at: datetime


class KeysCalledIn(Event):
    """A subject is fenced: each process says so when it has none of its keys in memory. Said again until all have."""

    type: ClassVar[str] = "privacy.keys.called_in.v1"
    speakers: ClassVar[tuple[Service, ...]] = _PRIVACY
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY, Service.JOBS)
    is_stored: ClassVar[bool] = False

    subject_ref: SubjectRef


class ErasureStepRequested(Event):
    """Every owner removes what it has of the subject and reports what it found and what is left."""

    type: ClassVar[str] = "privacy.erasure.step_requested.v1"
    speakers: ClassVar[tuple[Service, ...]] = _PRIVACY
    listeners: ClassVar[tuple[Service, ...]] = _OWNERS

    erasure_id: ErasureId
    subject_ref: SubjectRef


class StoreCount(Event.Part):
    """How much of one category one store held of a subject, before and after."""

    store: str
    category: str
    before: int = Field(ge=0)
    after: int = Field(ge=0)
    retained_ground: str | None = None


class ErasureStepReported(Event):
    """One owner is done. `prefixes` are object prefixes where nothing may be left."""

    type: ClassVar[str] = "privacy.erasure.step_reported.v1"
    speakers: ClassVar[tuple[Service, ...]] = _OWNERS
    listeners: ClassVar[tuple[Service, ...]] = _PRIVACY

    erasure_id: ErasureId
    subject_ref: SubjectRef
    owner: Service
    counts: tuple[StoreCount, ...] = Field(max_length=64)
    prefixes: tuple[str, ...] = Field(default=(), max_length=16)


class ErasureCompleted(Event):
    """Nothing of the subject is left where Lethe looked; the certificate is signed."""

    type: ClassVar[str] = "privacy.erasure.completed.v1"
    speakers: ClassVar[tuple[Service, ...]] = _PRIVACY
    listeners: ClassVar[tuple[Service, ...]] = (Service.RETENTION, Service.JOBS, Service.BILLING)

    erasure_id: ErasureId
    subject_ref: SubjectRef
    certificate_id: CertificateId
    completed_at: datetime


class ErasureMoved(Event):
    """An erasure was certified, or is held: whoever waits for it looks again. Lost, they look a little later."""

    type: ClassVar[str] = "privacy.erasure.moved.v1"
    speakers: ClassVar[tuple[Service, ...]] = _PRIVACY
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)
    is_stored: ClassVar[bool] = False

    erasure_id: ErasureId


class PauseBegan(Event):
    """Nothing of a subject expires until this pause ends: it asked for a copy, or restricted the processing."""

    type: ClassVar[str] = "privacy.pause.began.v1"
    speakers: ClassVar[tuple[Service, ...]] = _PRIVACY
    listeners: ClassVar[tuple[Service, ...]] = (Service.RETENTION,)

    request_id: RequestId
    subject_ref: SubjectRef
    began_at: datetime


class PauseEnded(Event):
    """The pause of this request is over; what is due by now goes."""

    type: ClassVar[str] = "privacy.pause.ended.v1"
    speakers: ClassVar[tuple[Service, ...]] = _PRIVACY
    listeners: ClassVar[tuple[Service, ...]] = (Service.RETENTION,)

    request_id: RequestId
    subject_ref: SubjectRef
    ended_at: datetime


class ExportStepRequested(Event):
    """Somebody asked for a copy of their data: collect it from its owners and pack it. Told again until it is reported."""

    type: ClassVar[str] = "privacy.export.step_requested.v1"
    speakers: ClassVar[tuple[Service, ...]] = _PRIVACY
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)

    export_id: ExportId
    subject_ref: SubjectRef
    language: Language


class ExportCount(Event.Part):
    """How many records one section of an archive has, and whose they are."""

    owner: Service
    section: str
    records: int = Field(ge=0)


class ExportStepReported(Event):
    """An archive is packed and sealed. `counts` has a line for each section, those without a record included."""

    type: ClassVar[str] = "privacy.export.step_reported.v1"
    speakers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)
    listeners: ClassVar[tuple[Service, ...]] = _PRIVACY

    export_id: ExportId
    subject_ref: SubjectRef
    size_bytes: int = Field(ge=0)
    counts: tuple[ExportCount, ...] = Field(max_length=64)


class ExportReady(Event):
    """Everything of the subject is in its archive, whose period begins."""

    type: ClassVar[str] = "privacy.export.ready.v1"
    speakers: ClassVar[tuple[Service, ...]] = _PRIVACY
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY, Service.RETENTION)

    export_id: ExportId
    subject_ref: SubjectRef
    ready_at: datetime
    size_bytes: int = Field(ge=0)


class ExportRemovalRequested(Event):
    """Its owner wants an export to end, packed or not: remove its archive. Told again until it is seen to be gone."""

    type: ClassVar[str] = "privacy.export.removal_requested.v1"
    speakers: ClassVar[tuple[Service, ...]] = _PRIVACY
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)

    export_id: ExportId
    subject_ref: SubjectRef


class ExportRemoved(Event):
    """An archive, its key and its row are gone, says who had them. `prefixes` are where nothing may be left."""

    type: ClassVar[str] = "privacy.export.removed.v1"
    speakers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)
    listeners: ClassVar[tuple[Service, ...]] = (Service.RETENTION,)

    export_id: ExportId
    subject_ref: SubjectRef
    rule: RemovalRule
    prefixes: tuple[str, ...] = Field(default=(), max_length=16)
