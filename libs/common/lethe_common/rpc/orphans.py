"""Orphans: what one store has and another does not. Retention finds them; who owns an object removes it."""

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from lethe_common.rpc.envelope import Call, Message
from lethe_common.services import Service

OBJECTS_MOST = 100
ObjectKey = Annotated[str, StringConstraints(max_length=256, pattern=r"^[a-z][a-z0-9_.-]*(/[A-Za-z0-9_.-]+)+$")]


class OrphanCount(Message):
    """Orphans of one kind in one place, those old enough to be no work in flight."""

    kind: str
    place: str
    count: int


class Orphan(Message):
    """One of them. `name` is an object's random key, or a generation's id."""

    kind: str
    place: str
    name: str
    first_seen_at: datetime
    asked_at: datetime | None


class OrphanListQuestion(Message):
    limit: int = Field(default=50, ge=1, le=200)


class OrphanListAnswer(Message):
    """The oldest first. `swept_at`: when all places were last looked through."""

    counts: tuple[OrphanCount, ...]
    orphans: tuple[Orphan, ...]
    swept_at: datetime | None


class OrphanList(Call[OrphanListQuestion, OrphanListAnswer]):
    name: ClassVar[str] = "orphan.list"
    callee: ClassVar[Service] = Service.RETENTION
    callers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)
    question, answer = OrphanListQuestion, OrphanListAnswer
    idempotency: ClassVar[str] = "reads only"


class OrphansRemoveQuestion(Message):
    """Objects to which no row of their owner was seen to lead. The owner looks again before it removes one."""

    keys: tuple[ObjectKey, ...] = Field(min_length=1, max_length=OBJECTS_MOST)


class OrphansRemoveAnswer(Message):
    """The keys that are gone now. The others belong to something, are held, or are being written."""

    removed: tuple[str, ...]


class OutputOrphansRemove(Call[OrphansRemoveQuestion, OrphansRemoveAnswer]):
    name: ClassVar[str] = "orphans.remove"
    callee: ClassVar[Service] = Service.JOBS
    callers: ClassVar[tuple[Service, ...]] = (Service.RETENTION,)
    question, answer = OrphansRemoveQuestion, OrphansRemoveAnswer
    timeout_seconds: ClassVar[float] = 60.0
    idempotency: ClassVar[str] = "removing what is gone removes nothing"


class UploadOrphansRemove(Call[OrphansRemoveQuestion, OrphansRemoveAnswer]):
    name: ClassVar[str] = "orphans.remove"
    callee: ClassVar[Service] = Service.GATEWAY
    callers: ClassVar[tuple[Service, ...]] = (Service.RETENTION,)
    question, answer = OrphansRemoveQuestion, OrphansRemoveAnswer
    timeout_seconds: ClassVar[float] = 60.0
    idempotency: ClassVar[str] = "removing what is gone removes nothing"


class ExportOrphansRemove(Call[OrphansRemoveQuestion, OrphansRemoveAnswer]):
    name: ClassVar[str] = "export_orphans.remove"
    callee: ClassVar[Service] = Service.GATEWAY
    callers: ClassVar[tuple[Service, ...]] = (Service.RETENTION,)
    question, answer = OrphansRemoveQuestion, OrphansRemoveAnswer
    timeout_seconds: ClassVar[float] = 60.0
    idempotency: ClassVar[str] = "removing what is gone removes nothing"


CALLS = (OrphanList, OutputOrphansRemove, UploadOrphansRemove, ExportOrphansRemove)
