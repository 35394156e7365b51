"""What the privacy service tells about erasures, and about requests that keep what is over from being deleted."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from lethe_common.events.envelope import Event
from lethe_common.identifiers import CertificateId, ErasureId, RequestId, SubjectRef
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
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY, Service.RETENTION, Service.JOBS, Service.BILLING)

    erasure_id: ErasureId
    subject_ref: SubjectRef
    certificate_id: CertificateId
    completed_at: datetime


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
