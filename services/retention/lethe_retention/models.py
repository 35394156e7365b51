"""Retention's tables: declarations only. What they refuse is in the migrations."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import ARRAY, BigInteger, DateTime, Text
from sqlmodel import Field, SQLModel

from lethe_common.catalogue import held, impersonal
from lethe_common.database import registry

_MOMENT = DateTime(timezone=True)
_PARAMETERS = held("content.generation", is_sealed=False)
_ACCOUNT = held("identity.account", is_sealed=False)
_ERASURE = held("erasure.record", is_sealed=False)
_HOLD = held("hold.record", is_sealed=False)
_STEP = impersonal("how far the removal is")


class Table(SQLModel, registry=registry("retention")):
    """The root of retention's tables."""


class DeadlineRow(Table, table=True):
    """Until when one item is kept, and how far its removal is."""

    __tablename__: ClassVar[Any] = "deadlines"

    item_id: str = Field(primary_key=True, sa_column_kwargs=_PARAMETERS)
    subject_ref: str = Field(sa_column_kwargs=_ACCOUNT)
    category: str = Field(sa_column_kwargs=impersonal("a category of the policy"))
    started_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=_PARAMETERS)
    due_at: datetime | None = Field(sa_type=_MOMENT, sa_column_kwargs=_PARAMETERS)
    moves: int = Field(sa_column_kwargs=impersonal("how often the deadline was moved"))
    policy_version: int = Field(sa_column_kwargs=impersonal("the policy's version that the deadline was computed by"))
    state: str = Field(sa_column_kwargs=_STEP)
    told_at: datetime | None = Field(sa_type=_MOMENT, sa_column_kwargs=_STEP)
    rule: str | None = Field(sa_column_kwargs=_STEP)
    prefixes: list[str] = Field(sa_type=ARRAY(Text), sa_column_kwargs=impersonal("random object prefixes"))
    removed_at: datetime | None = Field(sa_type=_MOMENT, sa_column_kwargs=_STEP)
    look_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=_STEP)
    closed_at: datetime | None = Field(sa_type=_MOMENT, sa_column_kwargs=_STEP)
    notice_at: datetime | None = Field(sa_type=_MOMENT, sa_column_kwargs=_STEP)
    is_noticed: bool = Field(sa_column_kwargs=impersonal("whether its owner was told of this deadline"))
    stored_bytes: int = Field(sa_type=BigInteger, sa_column_kwargs=_PARAMETERS)


class PlanHeldRow(Table, table=True):
    """A plan a subject had, and since when."""

    __tablename__: ClassVar[Any] = "plans_held"

    subject_ref: str = Field(primary_key=True, sa_column_kwargs=_ACCOUNT)
    since: datetime = Field(primary_key=True, sa_type=_MOMENT, sa_column_kwargs=_ACCOUNT)
    plan: str = Field(sa_column_kwargs=_ACCOUNT)


class LegalHoldRow(Table, table=True):
    """What must not be removed while the law asks for it. Scope and reason go with the subject's erasure."""

    __tablename__: ClassVar[Any] = "legal_holds"

    hold_id: str = Field(primary_key=True, sa_column_kwargs=impersonal("random id"))
    subject_ref: str | None = Field(sa_column_kwargs=_HOLD)
    item_id: str | None = Field(sa_column_kwargs=_HOLD)
    state: str = Field(sa_column_kwargs=impersonal("how far the hold is"))
    reason: str | None = Field(sa_column_kwargs=_HOLD)
    ends_at: datetime | None = Field(sa_type=_MOMENT, sa_column_kwargs=impersonal("end of the hold"))


class LegalHoldStepRow(Table, table=True):
    """Who did what with a hold, and when. Never changed."""

    __tablename__: ClassVar[Any] = "legal_hold_steps"
    __table_args__: ClassVar[Any] = ({"info": {"append_only": True}},)

    hold_id: str = Field(primary_key=True, sa_column_kwargs=impersonal("random id"))
    step: str = Field(primary_key=True, sa_column_kwargs=impersonal("of a fixed list"))
    operator: str = Field(sa_column_kwargs=_HOLD)
    at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=_HOLD)


class PauseRow(Table, table=True):
    """Nothing of a subject expires from its beginning to its end. It goes some days after its end, or with the subject."""

    __tablename__: ClassVar[Any] = "pauses"

    request_id: str = Field(primary_key=True, sa_column_kwargs=impersonal("random id"))
    subject_ref: str = Field(sa_column_kwargs=_ACCOUNT)
    began_at: datetime | None = Field(sa_type=_MOMENT, sa_column_kwargs=_ACCOUNT)
    ended_at: datetime | None = Field(sa_type=_MOMENT, sa_column_kwargs=_ACCOUNT)


class OrphanRow(Table, table=True):
    """Something that one store has and another does not. It goes as soon as it is not seen any more."""

    __tablename__: ClassVar[Any] = "orphans"

    kind: str = Field(primary_key=True, sa_column_kwargs=impersonal("of a fixed list"))
    place: str = Field(primary_key=True, sa_column_kwargs=impersonal("name of a table or an object prefix"))
    name: str = Field(primary_key=True, sa_column_kwargs=_PARAMETERS)
    first_seen_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=impersonal("time of a sweep"))
    last_seen_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=impersonal("time of a sweep"))
    asked_at: datetime | None = Field(sa_type=_MOMENT, sa_column_kwargs=impersonal("time of a request"))


class FenceRow(Table, table=True):
    """A subject that is being or was erased, by the digest of its reference; kept while late messages may come."""

    __tablename__: ClassVar[Any] = "fences"

    mark: bytes = Field(
        primary_key=True,
        sa_column_kwargs=impersonal("SHA-256 of a random reference that exists nowhere once the erasure is done"),
    )
    fenced_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=_ERASURE)
    done_at: datetime | None = Field(sa_type=_MOMENT, sa_column_kwargs=_ERASURE)
