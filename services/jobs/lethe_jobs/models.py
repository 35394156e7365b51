"""What jobs keeps: runs with their attempts and assets, and what it still has to remove."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Column, DateTime, LargeBinary, SmallInteger
from sqlmodel import Field, SQLModel

from lethe_common.catalogue import Kind, declare, held, impersonal
from lethe_common.database import registry

SCHEMA = "jobs"
OUTPUT_PREFIX = "outputs"
OBJECTS = declare(Kind.BUCKET_PREFIX, {OUTPUT_PREFIX: held("output.video")})

_PSEUDONYM = held("identity.account", is_sealed=False)
_PARAMETER = held("content.generation", is_sealed=False)
_OUTPUT = held("output.video", is_sealed=False)
_RECORD = held("erasure.record", is_sealed=False)
_GROUP = impersonal("of a group of at least `k` people, rounded: aggregates of the policy")
_MARK = impersonal("SHA-256 of a random reference that exists nowhere any more once the erasure is done")


class Table(SQLModel, registry=registry(SCHEMA)):
    """This service's tables have a metadata of their own; SQLModel's is global."""

    metadata: ClassVar[Any]


def _time(declared: dict[str, Any], *, nullable: bool = False) -> Any:
    return Field(sa_column=Column(DateTime(timezone=True), nullable=nullable, **declared))


class Subject(Table, table=True):
    """What jobs knows of an account: its plan, its place in the store, and whether it is being forgotten."""

    __tablename__ = "subjects"

    subject_ref: str = Field(primary_key=True, sa_column_kwargs=_PSEUDONYM)
    object_random: str = Field(sa_column_kwargs=impersonal("random folder of the subject's objects"))
    plan: str = Field(sa_column_kwargs=_PSEUDONYM)
    plan_since: datetime | None = _time(_PSEUDONYM, nullable=True)
    fenced_at: datetime | None = _time(_RECORD, nullable=True)


class RunRow(Table, table=True):
    """One generation being made, or made."""

    __tablename__ = "runs"

    generation_id: str = Field(primary_key=True, sa_column_kwargs=impersonal("id of the generation"))
    run_id: str = Field(sa_column_kwargs=impersonal("id of the run"))
    subject_ref: str = Field(sa_column_kwargs=_PSEUDONYM)
    hold_id: str = Field(sa_column_kwargs=impersonal("id of the credits set aside"))
    model: str = Field(sa_column_kwargs=_PARAMETER)
    provider: str = Field(sa_column_kwargs=_PARAMETER)
    width_px: int = Field(sa_column_kwargs=_PARAMETER)
    height_px: int = Field(sa_column_kwargs=_PARAMETER)
    seconds: int = Field(sa_column_kwargs=_PARAMETER)
    upload_id: str | None = Field(default=None, sa_column_kwargs=impersonal("id of the reference upload"))
    state: str = Field(sa_column_kwargs=impersonal("progress of the work"))
    cause: str | None = Field(default=None, sa_column_kwargs=impersonal("why the run is in its state"))
    priority: int = Field(sa_column=Column(SmallInteger, nullable=False, **impersonal("place in the queue")))
    slot: int | None = Field(default=None, sa_column=Column(SmallInteger, **impersonal("place in the queue")))
    lease_token: int = Field(sa_column=Column(BigInteger, nullable=False, **impersonal("fencing token")))
    leased_by: str | None = Field(default=None, sa_column_kwargs=impersonal("name of a worker process"))
    leased_until: datetime | None = _time(impersonal("lease of a worker"), nullable=True)
    attempts_count: int = Field(sa_column_kwargs=impersonal("count"))
    postponed_count: int = Field(sa_column_kwargs=impersonal("count"))
    next_attempt_at: datetime = _time(impersonal("pacing of retries"))
    progress: int = Field(sa_column=Column(SmallInteger, nullable=False, **impersonal("percent done")))
    cancel_requested_at: datetime | None = _time(_PARAMETER, nullable=True)
    object_prefix: str | None = Field(default=None, sa_column_kwargs=impersonal("random folder of the run's objects"))
    queued_at: datetime = _time(_PARAMETER)
    updated_at: datetime = _time(_PARAMETER)


class AttemptRow(Table, table=True):
    """One change of state and its cause. Never changed; goes only with its run."""

    __tablename__ = "attempts"

    generation_id: str = Field(primary_key=True, sa_column_kwargs=impersonal("id of the generation"))
    attempt_id: int = Field(sa_column=Column(BigInteger, primary_key=True, **impersonal("serial number")))
    from_state: str = Field(sa_column_kwargs=impersonal("progress of the work"))
    to_state: str = Field(sa_column_kwargs=impersonal("progress of the work"))
    cause: str = Field(sa_column_kwargs=impersonal("why the state changed"))
    at: datetime = _time(_PARAMETER)


class AssetRow(Table, table=True):
    """One stored output. `object_key` is absent for the benchmark's provider, which stores nothing."""

    __tablename__ = "assets"

    generation_id: str = Field(primary_key=True, sa_column_kwargs=impersonal("id of the generation"))
    variant: str = Field(primary_key=True, sa_column_kwargs=impersonal("kind of output"))
    asset_id: str = Field(sa_column_kwargs=impersonal("random id"))
    subject_ref: str = Field(sa_column_kwargs=_PSEUDONYM)
    object_key: str | None = Field(default=None, sa_column_kwargs=impersonal("random name in the object store"))
    object_version: str | None = Field(default=None, sa_column_kwargs=impersonal("the store's id of the version"))
    media_type: str = Field(sa_column_kwargs=impersonal("kind of file"))
    size_bytes: int = Field(sa_column=Column(BigInteger, nullable=False, **_OUTPUT))
    sealed_size_bytes: int = Field(sa_column=Column(BigInteger, nullable=False, **_OUTPUT))
    sha256: str = Field(sa_column_kwargs=_OUTPUT)
    key_id: str = Field(sa_column_kwargs=impersonal("id of a key"))
    width_px: int = Field(sa_column_kwargs=_OUTPUT)
    height_px: int = Field(sa_column_kwargs=_OUTPUT)
    frames: int = Field(sa_column_kwargs=_OUTPUT)
    duration_seconds: float = Field(sa_column_kwargs=_OUTPUT)
    stored_at: datetime = _time(_OUTPUT)


class Removal(Table, table=True):
    """A generation that has to go, or went: then the row keeps a late request from bringing it back."""

    __tablename__ = "removals"

    generation_id: str = Field(primary_key=True, sa_column_kwargs=impersonal("id of the generation"))
    subject_ref: str = Field(sa_column_kwargs=_PSEUDONYM)
    rule: str = Field(sa_column_kwargs=impersonal("why it goes"))
    place: str = Field(sa_column_kwargs=impersonal("random folder of its objects, for the order of the work"))
    object_versions: int = Field(sa_column_kwargs=impersonal("count"))
    failures_count: int = Field(sa_column_kwargs=impersonal("count"))
    next_attempt_at: datetime = _time(impersonal("pacing of retries"))
    requested_at: datetime = _time(_PARAMETER)
    removed_at: datetime | None = _time(_PARAMETER, nullable=True)


class EarlyCancel(Table, table=True):
    """A cancellation that came before the request it is about."""

    __tablename__ = "early_cancels"

    generation_id: str = Field(primary_key=True, sa_column_kwargs=impersonal("id of the generation"))
    subject_ref: str = Field(sa_column_kwargs=_PSEUDONYM)
    asked_at: datetime = _time(_PARAMETER)


class Erasure(Table, table=True):
    """A subject whose everything has to go. `*_before` is what the first count found."""

    __tablename__ = "erasures"

    erasure_id: str = Field(primary_key=True, sa_column_kwargs=impersonal("id of the erasure"))
    subject_ref: str = Field(sa_column_kwargs=_RECORD)
    requested_at: datetime = _time(_RECORD)
    runs_before: int | None = Field(default=None, sa_column_kwargs=impersonal("count"))
    assets_before: int | None = Field(default=None, sa_column_kwargs=impersonal("count"))
    versions_before: int | None = Field(default=None, sa_column_kwargs=impersonal("count"))
    failures_count: int = Field(sa_column_kwargs=impersonal("count"))
    next_attempt_at: datetime = _time(impersonal("pacing of retries"))
    reported_at: datetime | None = _time(_RECORD, nullable=True)


class Fence(Table, table=True):
    """A subject that was erased, by the digest of its reference; kept while late messages may come."""

    __tablename__ = "fences"

    mark: bytes = Field(sa_column=Column(LargeBinary, primary_key=True, **_MARK))
    done_at: datetime = _time(_RECORD)


class StatisticsSpan(Table, table=True):
    """A span of time that was counted, and the policy's bounds at that time."""

    __tablename__ = "statistics_spans"

    began_at: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True, **_GROUP))
    ended_at: datetime = _time(_GROUP)
    k: int = Field(sa_column_kwargs=_GROUP)
    rounding: int = Field(sa_column_kwargs=_GROUP)


class StatisticsGroup(Table, table=True):
    """How many videos of one kind were made in a span. Never changed."""

    __tablename__ = "statistics_groups"

    began_at: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True, **_GROUP))
    model: str = Field(primary_key=True, sa_column_kwargs=_GROUP)
    width_px: int = Field(primary_key=True, sa_column_kwargs=_GROUP)
    height_px: int = Field(primary_key=True, sa_column_kwargs=_GROUP)
    videos: int = Field(sa_column=Column(BigInteger, nullable=False, **_GROUP))
