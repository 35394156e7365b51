"""Retention's tables: declarations only. What they refuse is in the migrations."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import ARRAY, DateTime, Text
from sqlmodel import Field, SQLModel

from lethe_common.catalogue import held, impersonal
from lethe_common.database import registry

_MOMENT = DateTime(timezone=True)
_PARAMETERS = held("content.generation", is_sealed=False)
_ACCOUNT = held("identity.account", is_sealed=False)
_ERASURE = held("erasure.record", is_sealed=False)
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
    policy_version: int = Field(sa_column_kwargs=impersonal("the policy's version that the deadline was computed by"))
    state: str = Field(sa_column_kwargs=_STEP)
    told_at: datetime | None = Field(sa_type=_MOMENT, sa_column_kwargs=_STEP)
    rule: str | None = Field(sa_column_kwargs=_STEP)
    prefixes: list[str] = Field(sa_type=ARRAY(Text), sa_column_kwargs=impersonal("random object prefixes"))
    removed_at: datetime | None = Field(sa_type=_MOMENT, sa_column_kwargs=_STEP)
    look_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=_STEP)
    closed_at: datetime | None = Field(sa_type=_MOMENT, sa_column_kwargs=_STEP)


class PlanHeldRow(Table, table=True):
    """A plan a subject had, and since when."""

    __tablename__: ClassVar[Any] = "plans_held"

    subject_ref: str = Field(primary_key=True, sa_column_kwargs=_ACCOUNT)
    since: datetime = Field(primary_key=True, sa_type=_MOMENT, sa_column_kwargs=_ACCOUNT)
    plan: str = Field(sa_column_kwargs=_ACCOUNT)


class FenceRow(Table, table=True):
    """A subject that is being or was erased, by the digest of its reference; kept while late messages may come."""

    __tablename__: ClassVar[Any] = "fences"

    mark: bytes = Field(
        primary_key=True,
        sa_column_kwargs=impersonal("SHA-256 of a random reference that exists nowhere once the erasure is done"),
    )
    fenced_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=_ERASURE)
    done_at: datetime | None = Field(sa_type=_MOMENT, sa_column_kwargs=_ERASURE)
