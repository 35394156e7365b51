"""What retention tells about deadlines."""

from datetime import datetime
from typing import ClassVar

from lethe_common.events.envelope import Event
from lethe_common.events.jobs import RemovalRule
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.services import Service

_RETENTION = (Service.RETENTION,)


class ItemScheduled(Event):
    """An item has a (new) deadline; until then it is served, at that second no more."""

    type: ClassVar[str] = "retention.item.scheduled.v1"
    speakers: ClassVar[tuple[Service, ...]] = _RETENTION
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)

    generation_id: GenerationId
    subject_ref: SubjectRef
    category: str
    due_at: datetime


class ItemDue(Event):
    """An item's time has come: its owner removes it."""

    type: ClassVar[str] = "retention.item.due.v1"
    speakers: ClassVar[tuple[Service, ...]] = _RETENTION
    listeners: ClassVar[tuple[Service, ...]] = (Service.JOBS, Service.GATEWAY)

    generation_id: GenerationId
    subject_ref: SubjectRef
    category: str
    due_at: datetime


class ItemRemoved(Event):
    """Retention saw with its own credentials that nothing of an item is left."""

    type: ClassVar[str] = "retention.item.removed.v1"
    speakers: ClassVar[tuple[Service, ...]] = _RETENTION
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)

    generation_id: GenerationId
    subject_ref: SubjectRef
    rule: RemovalRule
    removed_at: datetime
    verified_at: datetime
