"""What is told about generations. Facts about runs, never about persons:
a subject is a random reference, and what they wrote stays sealed where it is."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from lethe_common.events.envelope import ITEMS_MOST, Event
from lethe_common.identifiers import AssetId, GenerationId, HoldId, SubjectRef, UploadId
from lethe_common.services import Service

_GATEWAY = (Service.GATEWAY,)
_JOBS = (Service.JOBS,)


class FailureCode(StrEnum):
    """Why a generation ended without output. Shown to the user as it stands."""

    PROVIDER_FAILED = "provider_failed"
    BAD_INPUT = "bad_input"
    REFUSED = "refused"
    TIMED_OUT = "timed_out"


class GenerationRequested(Event):
    """A generation was accepted and its credits are held. The input is fetched by its id."""

    type: ClassVar[str] = "jobs.generation.requested.v1"
    speakers: ClassVar[tuple[Service, ...]] = _GATEWAY
    listeners: ClassVar[tuple[Service, ...]] = _JOBS

    generation_id: GenerationId
    subject_ref: SubjectRef
    hold_id: HoldId
    model: str
    width_px: int = Field(gt=0)
    height_px: int = Field(gt=0)
    seconds: int = Field(gt=0)
    upload_id: UploadId | None = None
    requested_at: datetime


class GenerationCancelRequested(Event):
    """The owner no longer wants a generation."""

    type: ClassVar[str] = "jobs.generation.cancel_requested.v1"
    speakers: ClassVar[tuple[Service, ...]] = _GATEWAY
    listeners: ClassVar[tuple[Service, ...]] = _JOBS

    generation_id: GenerationId
    subject_ref: SubjectRef


class GenerationDeleteRequested(Event):
    """The owner deleted a generation: cancel it if it runs, remove every trace of it."""

    type: ClassVar[str] = "jobs.generation.delete_requested.v1"
    speakers: ClassVar[tuple[Service, ...]] = _GATEWAY
    listeners: ClassVar[tuple[Service, ...]] = _JOBS

    generation_id: GenerationId
    subject_ref: SubjectRef


class GenerationStarted(Event):
    """A provider begins to render. May come again after a worker died; a run that is made at once is never said to start."""

    type: ClassVar[str] = "jobs.generation.started.v1"
    speakers: ClassVar[tuple[Service, ...]] = _JOBS
    listeners: ClassVar[tuple[Service, ...]] = _GATEWAY

    generation_id: GenerationId
    subject_ref: SubjectRef
    started_at: datetime


class GenerationProgressed(Event):
    """How far a run is. Not stored: the next frame replaces a lost one."""

    type: ClassVar[str] = "jobs.generation.progressed.v1"
    speakers: ClassVar[tuple[Service, ...]] = _JOBS
    listeners: ClassVar[tuple[Service, ...]] = _GATEWAY
    is_stored: ClassVar[bool] = False

    generation_id: GenerationId
    percent: int = Field(ge=0, le=100)


class Delivered(Event.Part):
    """What the provider really delivered, which may be less than was asked."""

    width_px: int = Field(gt=0)
    height_px: int = Field(gt=0)
    duration_seconds: float = Field(ge=0)
    stored_bytes: int = Field(default=0, ge=0)
    """What all its objects take in the object store."""


class GenerationCompleted(Event):
    """The output is stored and readable. Told once per generation."""

    type: ClassVar[str] = "jobs.generation.completed.v1"
    speakers: ClassVar[tuple[Service, ...]] = _JOBS
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY, Service.BILLING, Service.RETENTION)

    generation_id: GenerationId
    subject_ref: SubjectRef
    asset_ids: tuple[AssetId, ...] = Field(min_length=1, max_length=16)
    delivered: Delivered
    completed_at: datetime


class GenerationFailed(Event):
    """There will be no output."""

    type: ClassVar[str] = "jobs.generation.failed.v1"
    speakers: ClassVar[tuple[Service, ...]] = _JOBS
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY, Service.BILLING, Service.RETENTION)

    generation_id: GenerationId
    subject_ref: SubjectRef
    code: FailureCode
    failed_at: datetime


class GenerationCancelled(Event):
    """A generation was stopped before it had output."""

    type: ClassVar[str] = "jobs.generation.cancelled.v1"
    speakers: ClassVar[tuple[Service, ...]] = _JOBS
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY, Service.BILLING, Service.RETENTION)

    generation_id: GenerationId
    subject_ref: SubjectRef
    cancelled_at: datetime


class RemovalRule(StrEnum):
    """Why an item went."""

    EXPIRED = "expired"
    DELETED_BY_USER = "deleted_by_user"
    ERASED = "erased"


class AssetsRemoved(Event):
    """The jobs service removed all it had of generations: rows, every object version, multiparts, their keys."""

    type: ClassVar[str] = "jobs.assets.removed.v1"
    speakers: ClassVar[tuple[Service, ...]] = _JOBS
    listeners: ClassVar[tuple[Service, ...]] = (Service.RETENTION,)

    class Item(Event.Part):
        """One generation. `prefixes` (random) are where no object may be left; retention looks for itself."""

        generation_id: GenerationId
        subject_ref: SubjectRef
        rule: RemovalRule
        rows: int = Field(ge=0)
        object_versions: int = Field(ge=0)
        prefixes: tuple[str, ...] = Field(max_length=16)

    items: tuple[Item, ...] = Field(min_length=1, max_length=ITEMS_MOST)


class UploadProcessed(Event):
    """No run will read this upload again; its policy clock starts. The gateway, which stored it, removes it."""

    type: ClassVar[str] = "jobs.upload.processed.v1"
    speakers: ClassVar[tuple[Service, ...]] = _JOBS
    listeners: ClassVar[tuple[Service, ...]] = _GATEWAY

    upload_id: UploadId
    generation_id: GenerationId
    subject_ref: SubjectRef
    processed_at: datetime
