"""What retention tells about deadlines."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from lethe_common.events.envelope import Event
from lethe_common.events.jobs import RemovalRule
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.services import Service

ITEMS_MOST = 256
_RETENTION = (Service.RETENTION,)


class ItemsScheduled(Event):
    """Items have a new deadline, or none any more; until it each is served, at that second no more. Told for many at once."""

    type: ClassVar[str] = "retention.items.scheduled.v1"
    speakers: ClassVar[tuple[Service, ...]] = _RETENTION
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)

    class Item(Event.Part):
        """One item and its deadline; None when no clock runs any more."""

        generation_id: GenerationId
        due_at: datetime | None

    items: tuple[Item, ...] = Field(min_length=1, max_length=ITEMS_MOST)


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
