"""The tables of the key store, a database of its own outside the data's backups, and what each column holds."""

from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, DateTime, Text
from sqlmodel import Field, SQLModel

from lethe_common.catalogue import held, impersonal
from lethe_common.database import registry

_MOMENT: Any = DateTime(timezone=True)
_NAMES: Any = ARRAY(Text)
_RECORD = held("erasure.record", is_sealed=False)
_REFERENCE = held("identity.account", is_sealed=False)
_KEY = held("key.material")
_CHOICE = held("consent.record", is_sealed=False)


class KeysTable(SQLModel, registry=registry("keys")):
    """A table of the key store, a database of its own outside the data's backups."""


class Subject(KeysTable, table=True):
    """A subject, whether anything of it may be opened, and what it chose.

    `holder_ref` is its name in the ledger of choices; with its keys that link goes too. The row stays as long as the
    record of its erasure, so that nothing late or restored begins it anew.
    """

    __tablename__ = "subjects"

    subject_ref: str = Field(primary_key=True, sa_column_kwargs=_RECORD)
    state: str = Field(sa_column_kwargs=impersonal("active, fenced or erased"))
    consents: list[str] = Field(sa_type=_NAMES, sa_column_kwargs=_CHOICE)
    objections: list[str] = Field(sa_type=_NAMES, sa_column_kwargs=_CHOICE)
    holder_ref: str | None = Field(default=None, unique=True, sa_column_kwargs=_CHOICE)
    is_restricted: bool = Field(default=False, sa_column_kwargs=_RECORD)
    erased_at: datetime | None = Field(default=None, sa_type=_MOMENT, sa_column_kwargs=_RECORD)


class ConsentLine(KeysTable, table=True):
    """One choice: who decided what about which purpose, shown which words, how and when. Never changed."""

    __tablename__ = "consents"
    __table_args__ = ({"info": {"append_only": True}},)

    line: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=impersonal("order of lines"))
    holder_ref: str = Field(index=True, sa_column_kwargs=_CHOICE)
    purpose: str = Field(sa_column_kwargs=_CHOICE)
    choice: str = Field(sa_column_kwargs=_CHOICE)
    policy_version: int = Field(sa_column_kwargs=_CHOICE)
    policy_hash: str = Field(sa_column_kwargs=_CHOICE)
    text_hash: str = Field(sa_column_kwargs=_CHOICE)
    language: str = Field(sa_column_kwargs=_CHOICE)
    way: str = Field(sa_column_kwargs=_CHOICE)
    at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=_CHOICE)


class ClosedHolder(KeysTable, table=True):
    """Since when a holder has no account any more: from then on the period of its lines counts."""

    __tablename__ = "closed_holders"
    __table_args__ = ({"info": {"append_only": True}},)

    holder_ref: str = Field(primary_key=True, sa_column_kwargs=_CHOICE)
    closed_at: datetime = Field(sa_type=_MOMENT, index=True, sa_column_kwargs=_CHOICE)


class ClassKey(KeysTable, table=True):
    """A subject's key of one class, wrapped by its epoch's key."""

    __tablename__ = "class_keys"

    subject_ref: str = Field(primary_key=True, sa_column_kwargs=_REFERENCE)
    key_class: str = Field(primary_key=True, sa_column_kwargs=impersonal("a kind of key"))
    key_id: str = Field(sa_column_kwargs=impersonal("random id"))
    wrapped: bytes = Field(sa_column_kwargs=_KEY)
    epoch_id: str = Field(sa_column_kwargs=impersonal("random id"))


class ItemKeyRow(KeysTable, table=True):
    """An item's key, wrapped by its subject's class key."""

    __tablename__ = "item_keys"

    item_id: str = Field(primary_key=True, sa_column_kwargs=_REFERENCE)
    subject_ref: str = Field(sa_column_kwargs=_REFERENCE)
    key_class: str = Field(sa_column_kwargs=impersonal("a kind of key"))
    key_id: str = Field(sa_column_kwargs=impersonal("random id"))
    wrapped: bytes = Field(sa_column_kwargs=_KEY)
    created_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=_REFERENCE)


class GenerationRow(KeysTable, table=True):
    """Which generation of the key store is in use, and how far the next one is; one row."""

    __tablename__ = "generation"

    is_only: bool = Field(primary_key=True, sa_column_kwargs=impersonal("that there is one row"))
    number: int = Field(sa_type=BigInteger, sa_column_kwargs=impersonal("a count"))
    epoch_id: str | None = Field(sa_column_kwargs=impersonal("random id"))
    began_at: datetime | None = Field(sa_type=_MOMENT, sa_column_kwargs=impersonal("when all keys were wrapped anew"))
    phase: str = Field(sa_column_kwargs=impersonal("how far a rotation is"))
    next_epoch_id: str | None = Field(sa_column_kwargs=impersonal("random id"))
    next_began_at: datetime | None = Field(
        sa_type=_MOMENT, sa_column_kwargs=impersonal("as `began_at`, of the next one")
    )
    copied_subject: str = Field(sa_column_kwargs=_REFERENCE)
    copied_item: str = Field(sa_column_kwargs=_REFERENCE)


class Loss(KeysTable, table=True):
    """Of whom keys were deleted since the generation began: the next one has new class keys for them."""

    __tablename__ = "losses"

    subject_ref: str = Field(primary_key=True, sa_column_kwargs=_REFERENCE)


class Touched(KeysTable, table=True):
    """Whose keys changed while the next generation is written."""

    __tablename__ = "touched"

    line: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=impersonal("order of lines"))
    subject_ref: str = Field(sa_column_kwargs=_REFERENCE)


class FactsMark(KeysTable, table=True):
    """Up to which fact all of them hold in the key store."""

    __tablename__ = "facts_mark"

    is_only: bool = Field(primary_key=True, sa_column_kwargs=impersonal("there is one row"))
    number: int = Field(sa_type=BigInteger, sa_column_kwargs=impersonal("order of lines"))


class LoginIndex(KeysTable, table=True):
    """Which subject signs in by a login of which only an HMAC is known."""

    __tablename__ = "login_index"

    index_digest: bytes = Field(primary_key=True, sa_column_kwargs=held("identity.credentials", is_sealed=False))
    subject_ref: str = Field(sa_column_kwargs=_REFERENCE)
