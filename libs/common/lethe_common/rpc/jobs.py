"""What the jobs service answers."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from lethe_common.identifiers import GenerationId, SealKeyId, SubjectRef
from lethe_common.rpc.envelope import Call, Message
from lethe_common.services import Service

_GATEWAY = (Service.GATEWAY,)


class PositionQuestion(Message):
    generation_id: GenerationId
    subject_ref: SubjectRef


class PositionAnswer(Message):
    """Place in the queue (0: not queued) and seconds until the end, as a guess."""

    position: int
    eta_seconds: int


class RunPosition(Call[PositionQuestion, PositionAnswer]):
    name: ClassVar[str] = "run.position"
    callee: ClassVar[Service] = Service.JOBS
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = PositionQuestion, PositionAnswer
    timeout_seconds: ClassVar[float] = 1.0
    idempotency: ClassVar[str] = "reads only"


class AssetLocateQuestion(Message):
    generation_id: GenerationId
    subject_ref: SubjectRef


class LocatedAsset(Message):
    """One sealed object of a generation. `variant` is `video` or `thumbnail`."""

    asset_id: str
    variant: str
    object_key: str
    media_type: str
    size_bytes: int
    sealed_size_bytes: int
    sha256: str
    key_id: SealKeyId


class AssetLocateAnswer(Message):
    assets: tuple[LocatedAsset, ...] = Field(max_length=16)


class AssetLocate(Call[AssetLocateQuestion, AssetLocateAnswer]):
    name: ClassVar[str] = "asset.locate"
    callee: ClassVar[Service] = Service.JOBS
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = AssetLocateQuestion, AssetLocateAnswer
    idempotency: ClassVar[str] = "reads only"


class RunRow(Message):
    """A run as the operator's console shows it: no person, no content."""

    generation_id: GenerationId
    state: str
    model: str
    attempts: int
    last_cause: str | None
    queued_at: datetime
    updated_at: datetime


class RunListQuestion(Message):
    state: str | None = None
    limit: int = Field(default=50, ge=1, le=200)


class RunListAnswer(Message):
    """Of runs that ended those are listed and counted that are among so many of the `newest`."""

    runs: tuple[RunRow, ...]
    by_state: dict[str, int]
    newest: int


class RunList(Call[RunListQuestion, RunListAnswer]):
    name: ClassVar[str] = "run.list"
    callee: ClassVar[Service] = Service.JOBS
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = RunListQuestion, RunListAnswer
    idempotency: ClassVar[str] = "reads only"


class StatisticsGroup(Message):
    """Videos of one kind, rounded, of at least as many people as the policy says."""

    model: str
    width_px: int
    height_px: int
    videos: int


class StatisticsSpan(Message):
    """A span of policy time that was counted, with the bounds that held then; groups that were too small are missing."""

    began_at: datetime
    ended_at: datetime
    k: int
    rounding: int
    groups: tuple[StatisticsGroup, ...]


class StatisticsQuestion(Message):
    spans: int = Field(default=12, ge=1, le=120)


class StatisticsAnswer(Message):
    """Newest first."""

    spans: tuple[StatisticsSpan, ...]


class StatisticsList(Call[StatisticsQuestion, StatisticsAnswer]):
    name: ClassVar[str] = "statistics.list"
    callee: ClassVar[Service] = Service.JOBS
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = StatisticsQuestion, StatisticsAnswer
    idempotency: ClassVar[str] = "reads only"


CALLS = (RunPosition, AssetLocate, RunList, StatisticsList)
