"""What retention tells about deadlines."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from lethe_common.events.envelope import ITEMS_MOST, Event
from lethe_common.events.jobs import RemovalRule
from lethe_common.identifiers import ExportId, GenerationId, LegalHoldId, SubjectRef
from lethe_common.services import Service

_RETENTION = (Service.RETENTION,)


class ItemsScheduled(Event):
    """Items have a new deadline, or none any more; until it each is served, at that second no more. Told for many at once."""

    type: ClassVar[str] = "retention.items.scheduled.v1"
    speakers: ClassVar[tuple[Service, ...]] = _RETENTION
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)

    class Item(Event.Part):
        """One item and its deadline, None when no clock runs any more; of two, that of more `moves` is the newer."""

        generation_id: GenerationId
        due_at: datetime | None
        moves: int = Field(default=0, ge=0)

    items: tuple[Item, ...] = Field(min_length=1, max_length=ITEMS_MOST)


class ItemsDue(Event):
    """The time of these items has come: their owner removes them."""

    type: ClassVar[str] = "retention.items.due.v1"
    speakers: ClassVar[tuple[Service, ...]] = _RETENTION
    listeners: ClassVar[tuple[Service, ...]] = (Service.JOBS, Service.GATEWAY)

    class Item(Event.Part):
        """One item, its owner, and when its time was over."""

        generation_id: GenerationId
        subject_ref: SubjectRef
        category: str
        due_at: datetime

    items: tuple[Item, ...] = Field(min_length=1, max_length=ITEMS_MOST)


class ItemsRemoved(Event):
    """Retention saw with its own credentials that nothing of these items is left."""

    type: ClassVar[str] = "retention.items.removed.v1"
    speakers: ClassVar[tuple[Service, ...]] = _RETENTION
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)

    class Item(Event.Part):
        """One item, why it went, and when its owner and retention said so."""

        generation_id: GenerationId
        rule: RemovalRule
        removed_at: datetime
        verified_at: datetime

    items: tuple[Item, ...] = Field(min_length=1, max_length=ITEMS_MOST)


class LegalHoldPlaced(Event):
    """From now on nothing in this scope is removed: one generation, or everything of the subject when it is None."""

    type: ClassVar[str] = "retention.hold.placed.v1"
    speakers: ClassVar[tuple[Service, ...]] = _RETENTION
    listeners: ClassVar[tuple[Service, ...]] = (Service.JOBS,)

    hold_id: LegalHoldId
    subject_ref: SubjectRef
    generation_id: GenerationId | None
    placed_at: datetime
    ends_at: datetime | None


class LegalHoldLifted(Event):
    """A hold was lifted or ended. Another one may still cover the same: who removes asks again."""

    type: ClassVar[str] = "retention.hold.lifted.v1"
    speakers: ClassVar[tuple[Service, ...]] = _RETENTION
    listeners: ClassVar[tuple[Service, ...]] = (Service.JOBS, Service.PRIVACY)

    hold_id: LegalHoldId
    subject_ref: SubjectRef
    generation_id: GenerationId | None
    lifted_at: datetime


class NoticeDue(Event):
    """Some of a subject's items go soon. Each item is told of once for each deadline it gets."""

    type: ClassVar[str] = "retention.notice.due.v1"
    speakers: ClassVar[tuple[Service, ...]] = _RETENTION
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)

    class Item(Event.Part):
        """One item and its deadline."""

        generation_id: GenerationId
        due_at: datetime

    subject_ref: SubjectRef
    items: tuple[Item, ...] = Field(min_length=1, max_length=ITEMS_MOST)


class ExportsScheduled(Event):
    """Archives of exports have a new deadline; until it each is served. None: no clock runs."""

    type: ClassVar[str] = "retention.exports.scheduled.v1"
    speakers: ClassVar[tuple[Service, ...]] = _RETENTION
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)

    class Item(Event.Part):
        """One export and its archive's deadline; of two, that of more `moves` is the newer."""

        export_id: ExportId
        due_at: datetime | None
        moves: int = Field(default=0, ge=0)

    items: tuple[Item, ...] = Field(min_length=1, max_length=ITEMS_MOST)


class ExportsDue(Event):
    """The time of these archives has come: the gateway removes them."""

    type: ClassVar[str] = "retention.exports.due.v1"
    speakers: ClassVar[tuple[Service, ...]] = _RETENTION
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)

    class Item(Event.Part):
        """One export, its owner, and when its archive's time was over."""

        export_id: ExportId
        subject_ref: SubjectRef
        due_at: datetime

    items: tuple[Item, ...] = Field(min_length=1, max_length=ITEMS_MOST)


class ExportsRemoved(Event):
    """Retention saw with its own credentials that nothing of these archives is left."""

    type: ClassVar[str] = "retention.exports.removed.v1"
    speakers: ClassVar[tuple[Service, ...]] = _RETENTION
    listeners: ClassVar[tuple[Service, ...]] = (Service.PRIVACY,)

    class Item(Event.Part):
        """One export, why its archive went, and when that was verified."""

        export_id: ExportId
        rule: RemovalRule
        verified_at: datetime

    items: tuple[Item, ...] = Field(min_length=1, max_length=ITEMS_MOST)
