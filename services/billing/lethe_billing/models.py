"""Billing's tables: what they hold is declared here, what they refuse is in the migrations.

A wallet is known by a random id that never leaves billing; `subjects` is the only
table that says whose it is. Erasing a subject deletes that row, its holds, grants
and quotes; the transfers, which nobody may change, then belong to nobody.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, Integer, LargeBinary, SmallInteger, Text, Uuid
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlmodel import Field, SQLModel

from lethe_common.catalogue import held, impersonal
from lethe_common.database import registry

SCHEMA = "billing"
_MONEY = held("ledger.transfer", is_sealed=False)
_ACCOUNT = held("identity.account", is_sealed=False)
_PARAMETERS = held("content.generation", is_sealed=False)
_ERASURE = held("erasure.record", is_sealed=False)
_MARK = impersonal("SHA-256 of a random reference that exists nowhere any more once the erasure is done")
_RANDOM = impersonal("random id that never leaves billing")


class Table(SQLModel, registry=registry(SCHEMA)):
    """The root of billing's tables."""


class WalletRow(Table, table=True):
    """A subject's balances: a cache of its transfers, locked by whoever moves its credits."""

    __tablename__ = "wallets"

    wallet_id: UUID = Field(sa_column=Column(Uuid, primary_key=True, **_RANDOM))
    available: int = Field(sa_column=Column(BigInteger, nullable=False, **_MONEY))
    held: int = Field(sa_column=Column(BigInteger, nullable=False, **_MONEY))
    owed: int = Field(sa_column=Column(BigInteger, nullable=False, **_MONEY))
    is_closed: bool = Field(sa_column=Column(Boolean, nullable=False, **impersonal("a switch")))


class SubjectRow(Table, table=True):
    """Whose wallet it is, and on which plan."""

    __tablename__ = "subjects"

    subject_ref: str = Field(sa_column=Column(Text, primary_key=True, **_ACCOUNT))
    wallet_id: UUID = Field(sa_column=Column(Uuid, nullable=False, **_RANDOM))
    plan: str = Field(sa_column=Column(Text, nullable=False, **_ACCOUNT))
    plan_since: datetime = Field(sa_column=Column(TIMESTAMP(timezone=True), nullable=False, **_ACCOUNT))
    plans_count: int = Field(sa_column=Column(Integer, nullable=False, server_default="1", **_ACCOUNT))
    opened_at: datetime = Field(sa_column=Column(TIMESTAMP(timezone=True), nullable=False, **_ACCOUNT))


class TransferRow(Table, table=True):
    """One line of the ledger."""

    __tablename__ = "transfers"
    __table_args__ = ({"info": {"append_only": True}},)

    transfer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True, **_RANDOM))
    kind: str = Field(sa_column=Column(Text, nullable=False, **_MONEY))
    debit_account: str = Field(sa_column=Column(Text, nullable=False, **_MONEY))
    credit_account: str = Field(sa_column=Column(Text, nullable=False, **_MONEY))
    wallet_id: UUID = Field(sa_column=Column(Uuid, nullable=False, **_MONEY))
    cause_ref: UUID = Field(sa_column=Column(Uuid, nullable=False, **_RANDOM))
    amount: int = Field(sa_column=Column(BigInteger, nullable=False, **_MONEY))
    created_at: datetime = Field(sa_column=Column(TIMESTAMP(timezone=True), nullable=False, **_MONEY))


class CarriedRow(Table, table=True):
    """What the lines of a wallet that were old enough to go had summed up to."""

    __tablename__ = "carried"
    __table_args__ = ({"info": {"append_only": True}},)

    wallet_id: UUID = Field(sa_column=Column(Uuid, primary_key=True, **_RANDOM))
    available: int = Field(sa_column=Column(BigInteger, nullable=False, **_MONEY))
    held: int = Field(sa_column=Column(BigInteger, nullable=False, **_MONEY))
    owed: int = Field(sa_column=Column(BigInteger, nullable=False, **_MONEY))
    transfers: int = Field(sa_column=Column(BigInteger, nullable=False, **impersonal("a number of lines")))
    until: datetime = Field(sa_column=Column(TIMESTAMP(timezone=True), nullable=False, **_MONEY))


class GrantRow(Table, table=True):
    """Credits given."""

    __tablename__ = "grants"

    grant_id: str = Field(sa_column=Column(Text, primary_key=True, **_ACCOUNT))
    wallet_id: UUID = Field(sa_column=Column(Uuid, nullable=False, **_RANDOM))
    cause_ref: UUID = Field(sa_column=Column(Uuid, nullable=False, **_RANDOM))
    source: str = Field(sa_column=Column(Text, nullable=False, **_ACCOUNT))
    amount: int = Field(sa_column=Column(BigInteger, nullable=False, **_ACCOUNT))
    remaining: int = Field(sa_column=Column(BigInteger, nullable=False, **_ACCOUNT))
    priority: int = Field(sa_column=Column(SmallInteger, nullable=False, **impersonal("a rank")))
    granted_at: datetime = Field(sa_column=Column(TIMESTAMP(timezone=True), nullable=False, **_ACCOUNT))
    expires_at: datetime | None = Field(sa_column=Column(TIMESTAMP(timezone=True), **_ACCOUNT))
    is_expired: bool = Field(sa_column=Column(Boolean, nullable=False, **impersonal("a switch")))


class HoldRow(Table, table=True):
    """Credits set aside for a generation."""

    __tablename__ = "holds"

    cause_ref: UUID = Field(sa_column=Column(Uuid, primary_key=True, **_RANDOM))
    hold_id: str = Field(sa_column=Column(Text, nullable=False, **_PARAMETERS))
    generation_id: str = Field(sa_column=Column(Text, nullable=False, **_PARAMETERS))
    wallet_id: UUID = Field(sa_column=Column(Uuid, nullable=False, **_RANDOM))
    key: str = Field(sa_column=Column(Text, nullable=False, **_PARAMETERS))
    body_hash: str = Field(sa_column=Column(Text, nullable=False, **_PARAMETERS))
    model: str = Field(sa_column=Column(Text, nullable=False, **_PARAMETERS))
    width_px: int = Field(sa_column=Column(Integer, nullable=False, **_PARAMETERS))
    height_px: int = Field(sa_column=Column(Integer, nullable=False, **_PARAMETERS))
    seconds: int = Field(sa_column=Column(Integer, nullable=False, **_PARAMETERS))
    price_version: str = Field(sa_column=Column(Text, nullable=False, **impersonal("a price list's name")))
    amount: int = Field(sa_column=Column(BigInteger, nullable=False, **_PARAMETERS))
    line_grants: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, **_PARAMETERS))
    line_amounts: list[int] = Field(sa_column=Column(ARRAY(BigInteger), nullable=False, **_PARAMETERS))
    state: str = Field(sa_column=Column(Text, nullable=False, **_PARAMETERS))
    void_cause: str | None = Field(sa_column=Column(Text, **_PARAMETERS))
    charged: int = Field(sa_column=Column(BigInteger, nullable=False, **_PARAMETERS))
    placed_at: datetime = Field(sa_column=Column(TIMESTAMP(timezone=True), nullable=False, **_PARAMETERS))
    expires_at: datetime = Field(sa_column=Column(TIMESTAMP(timezone=True), nullable=False, **_PARAMETERS))
    settled_at: datetime | None = Field(sa_column=Column(TIMESTAMP(timezone=True), **_PARAMETERS))


class QuoteRow(Table, table=True):
    """A price that binds for a while."""

    __tablename__ = "quotes"

    quote_id: str = Field(sa_column=Column(Text, primary_key=True, **_PARAMETERS))
    wallet_id: UUID = Field(sa_column=Column(Uuid, nullable=False, **_RANDOM))
    model: str = Field(sa_column=Column(Text, nullable=False, **_PARAMETERS))
    width_px: int = Field(sa_column=Column(Integer, nullable=False, **_PARAMETERS))
    height_px: int = Field(sa_column=Column(Integer, nullable=False, **_PARAMETERS))
    seconds: int = Field(sa_column=Column(Integer, nullable=False, **_PARAMETERS))
    price_version: str = Field(sa_column=Column(Text, nullable=False, **impersonal("a price list's name")))
    amount: int = Field(sa_column=Column(BigInteger, nullable=False, **_PARAMETERS))
    expires_at: datetime = Field(sa_column=Column(TIMESTAMP(timezone=True), nullable=False, **_PARAMETERS))


class FenceRow(Table, table=True):
    """A subject that is being or was erased, by the digest of its reference; kept while late messages may come."""

    __tablename__ = "fences"

    mark: bytes = Field(sa_column=Column(LargeBinary, primary_key=True, **_MARK))
    fenced_at: datetime = Field(sa_column=Column(TIMESTAMP(timezone=True), nullable=False, **_ERASURE))
    done_at: datetime | None = Field(sa_column=Column(TIMESTAMP(timezone=True), **_ERASURE))
