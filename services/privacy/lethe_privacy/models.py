"""The tables of the privacy service, in two databases, and what each column holds."""

from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, DateTime, SmallInteger, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from lethe_common.catalogue import Kind, declare, each, held, impersonal
from lethe_common.database import registry
from lethe_privacy.schemas import CERTIFICATE_KEYS, CHECKPOINT_KEYS, HEAD_KEYS

_MOMENT: Any = DateTime(timezone=True)
_NAMES: Any = ARRAY(Text)
_RECORD = held("erasure.record", is_sealed=False)
_REFERENCE = held("identity.account", is_sealed=False)
_KEY = held("key.material")
_ARCHIVE = held("export.archive", is_sealed=False)
_CHOICE = held("consent.record", is_sealed=False)
_TICKET = held("support.ticket", is_sealed=False)
_ACCESS = held("access.log", is_sealed=False)
_RESIDUE_KEYS = declare(Kind.JSON_KEY, each(("store", "method", "found"), impersonal("where something was left")))
_COUNT_KEYS = declare(Kind.JSON_KEY, each(("store", "category", "before", "after", "retained_ground"), _RECORD))


class Table(SQLModel, registry=registry("privacy")):
    """A table of the schema `privacy`."""


class KeysTable(SQLModel, registry=registry("keys")):
    """A table of the key store, a database of its own outside the data's backups."""


class Erasure(Table, table=True):
    """One erasure. The subject's reference is dropped when it is completed."""

    __tablename__ = "erasures"

    erasure_id: str = Field(primary_key=True, sa_column_kwargs=impersonal("random id"))
    subject_ref: str | None = Field(sa_column_kwargs=_RECORD)
    pseudonym: str = Field(sa_column_kwargs=_RECORD)
    state: str = Field(sa_column_kwargs=impersonal("how far it is"))
    failures: int = Field(sa_column_kwargs=impersonal("a count"))
    residue: list[Any] = Field(
        sa_type=JSONB, sa_column_kwargs=impersonal("names of stores and counts", keys=_RESIDUE_KEYS)
    )
    not_before: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=impersonal("database time of the next step"))
    requested_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=_RECORD)
    completed_at: datetime | None = Field(sa_type=_MOMENT, sa_column_kwargs=_RECORD)
    certificate_id: str | None = Field(sa_column_kwargs=_RECORD)
    last_generation: int | None = Field(
        sa_type=BigInteger, sa_column_kwargs=impersonal("the newest key generation that held its keys, a count")
    )
    horizon_at: datetime | None = Field(sa_type=_MOMENT, sa_column_kwargs=_RECORD)
    final_certificate_id: str | None = Field(sa_column_kwargs=_RECORD)
    called_in_at: datetime | None = Field(sa_type=_MOMENT, sa_column_kwargs=impersonal("database time of a fence"))
    is_called_by_record: bool = Field(sa_column_kwargs=impersonal("whether the policy keeps an access log"))


class CalledInRow(Table, table=True):
    """A process that had been handed keys of a subject not long before its fence, and whether it said that none is left."""

    __tablename__ = "called_in"

    erasure_id: str = Field(primary_key=True, sa_column_kwargs=impersonal("random id"))
    service: str = Field(primary_key=True, sa_column_kwargs=impersonal("a service's name"))
    process: str = Field(primary_key=True, sa_column_kwargs=impersonal("a digest of a process's name"))
    is_let_go: bool = Field(sa_column_kwargs=impersonal("whether the process said so"))


class Claim(Table, table=True):
    """A link by which a person finds the certificate when the account is gone; only its hash is kept."""

    __tablename__ = "claims"

    claim_hash: str = Field(primary_key=True, sa_column_kwargs=_RECORD)
    erasure_id: str = Field(sa_column_kwargs=impersonal("random id"))


class Step(Table, table=True):
    """What one owner reported about one erasure."""

    __tablename__ = "steps"

    erasure_id: str = Field(primary_key=True, sa_column_kwargs=impersonal("random id"))
    owner: str = Field(primary_key=True, sa_column_kwargs=impersonal("a service's name"))
    is_reported: bool = Field(sa_column_kwargs=impersonal("whether this round's report came"))
    counts: list[Any] = Field(sa_type=JSONB, sa_column_kwargs=held("erasure.record", is_sealed=False, keys=_COUNT_KEYS))
    prefixes: list[str] = Field(sa_type=JSONB, sa_column_kwargs=_RECORD)


class Certificate(Table, table=True):
    """A signed certificate, in the canonical bytes in which it was issued."""

    __tablename__ = "certificates"
    __table_args__ = ({"info": {"append_only": True}},)

    certificate_id: str = Field(primary_key=True, sa_column_kwargs=impersonal("random id"))
    erasure_id: str = Field(sa_column_kwargs=impersonal("random id"))
    kind: str = Field(sa_column_kwargs=impersonal("interim or final"))
    document: str = Field(sa_column_kwargs=held("erasure.record", is_sealed=False, keys=CERTIFICATE_KEYS))
    issued_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=_RECORD)


class LogNode(Table, table=True):
    """A complete subtree of the log of certificates: level 0 are the entries. See `lethe_common.certificates.merkle`."""

    __tablename__ = "log_nodes"
    __table_args__ = ({"info": {"append_only": True}},)

    level: int = Field(primary_key=True, sa_type=SmallInteger, sa_column_kwargs=impersonal("a place in a tree"))
    position: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=impersonal("a place in a tree"))
    hash: bytes = Field(sa_column_kwargs=impersonal("a hash over certificates, which name nobody"))


class LogHead(Table, table=True):
    """A signed head of the log, in the canonical bytes in which it is published."""

    __tablename__ = "log_heads"
    __table_args__ = ({"info": {"append_only": True}},)

    size: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=impersonal("a count"))
    document: str = Field(sa_column_kwargs=impersonal("a count and a hash, signed", keys=HEAD_KEYS))


class Export(Table, table=True):
    """One export of a subject's data, from the request until its archive is seen to be gone."""

    __tablename__ = "exports"

    export_id: str = Field(primary_key=True, sa_column_kwargs=impersonal("random id"))
    subject_ref: str = Field(sa_column_kwargs=_ARCHIVE)
    language: str = Field(sa_column_kwargs=_ARCHIVE)
    state: str = Field(sa_column_kwargs=impersonal("how far it is"))
    asked: int = Field(sa_column_kwargs=impersonal("a count"))
    not_before: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=impersonal("database time of the next question"))
    requested_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=_ARCHIVE)
    ready_at: datetime | None = Field(sa_type=_MOMENT, sa_column_kwargs=_ARCHIVE)
    size_bytes: int | None = Field(sa_type=BigInteger, sa_column_kwargs=_ARCHIVE)


class Fact(Table, table=True):
    """The ledger of facts: what must stay true whatever is restored or told late. Each line's hash covers all before it."""

    __tablename__ = "facts"
    __table_args__ = ({"info": {"append_only": True}},)

    number: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=impersonal("order of lines"))
    kind: str = Field(sa_column_kwargs=impersonal("a kind of fact"))
    subject_ref: str | None = Field(sa_column_kwargs=_RECORD)
    ref: str = Field(sa_column_kwargs=_RECORD)
    at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=_RECORD)
    recorded_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=_RECORD)
    hash: bytes = Field(sa_column_kwargs=impersonal("a hash over random references"))


class ReplayMark(Table, table=True):
    """How far a service has gone through the facts; without a number it still has to, since its data were restored."""

    __tablename__ = "replays"

    service: str = Field(primary_key=True, sa_column_kwargs=impersonal("a service's name"))
    through: int | None = Field(sa_type=BigInteger, sa_column_kwargs=impersonal("order of lines"))


class PolicyAnnouncement(Table, table=True):
    """That people were told of a version of the policy; the record that every service reads at its start."""

    __tablename__ = "policy_announcements"

    version: int = Field(primary_key=True, sa_column_kwargs=impersonal("number of a version of the policy"))
    policy_hash: str = Field(sa_column_kwargs=impersonal("digest of a published file"))
    announced_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=impersonal("time of a start"))


class RequestRow(Table, table=True):
    """One request to the rights desk. It goes with its subject, or at the end of its category's period."""

    __tablename__ = "requests"

    request_id: str = Field(primary_key=True, sa_column_kwargs=impersonal("random id"))
    subject_ref: str = Field(sa_column_kwargs=_TICKET)
    kind: str = Field(sa_column_kwargs=_TICKET)
    state: str = Field(sa_column_kwargs=_TICKET)
    generation_id: str | None = Field(sa_column_kwargs=_TICKET)
    received_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=_TICKET)
    due_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=_TICKET)
    is_extended: bool = Field(sa_column_kwargs=_TICKET)
    is_paused: bool = Field(sa_column_kwargs=_TICKET)
    warn_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=impersonal("when whoever answers is warned"))
    is_warned: bool = Field(sa_column_kwargs=impersonal("whether they were"))


class RequestStepRow(Table, table=True):
    """One line of a request's dossier. Never changed; it goes with its request."""

    __tablename__ = "request_steps"
    __table_args__ = ({"info": {"append_only": True}},)

    request_id: str = Field(primary_key=True, sa_column_kwargs=impersonal("random id"))
    number: int = Field(primary_key=True, sa_column_kwargs=impersonal("order of lines"))
    step: str = Field(sa_column_kwargs=_TICKET)
    actor: str = Field(sa_column_kwargs=_TICKET)
    at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=_TICKET)
    ground: str | None = Field(sa_column_kwargs=_TICKET)
    text_sealed: bytes | None = Field(sa_column_kwargs=held("support.ticket"))
    key_id: str | None = Field(sa_column_kwargs=impersonal("random id"))


class AccessBatch(Table, table=True):
    """A batch of granted leases in the chain of the access log. See `grants.py`."""

    __tablename__ = "access_batches"
    __table_args__ = ({"info": {"append_only": True}},)

    number: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=impersonal("order of batches"))
    at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=impersonal("when some keys were handed out"))
    ends_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=impersonal("the end of a window of time"))
    bodies: int = Field(sa_column_kwargs=impersonal("a count"))
    commitments: bytes = Field(
        sa_column_kwargs=impersonal("salted hashes; without the sealed entries they tell nothing")
    )
    link: bytes = Field(sa_column_kwargs=impersonal("a hash over hashes"))


class AccessBody(Table, table=True):
    """One subject's entries of a batch, sealed. Empty once their subject is erased; gone with its batch."""

    __tablename__ = "access_bodies"
    __table_args__ = ({"info": {"append_only": True}},)

    number: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=impersonal("order of batches"))
    body: int = Field(primary_key=True, sa_column_kwargs=impersonal("a place in the batch"))
    subject_ref: str | None = Field(sa_column_kwargs=_ACCESS)
    item_id: str | None = Field(sa_column_kwargs=_ACCESS)
    sealed: bytes | None = Field(sa_column_kwargs=held("access.log"))
    held_by: list[str] = Field(
        sa_type=_NAMES, sa_column_kwargs=impersonal("names of services and digests of processes")
    )
    entered_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=impersonal("database time of a batch"))


class AccessCheckpoint(Table, table=True):
    """What stands for batches that ended: number and link of the last of them, signed."""

    __tablename__ = "access_checkpoints"
    __table_args__ = ({"info": {"append_only": True}},)

    number: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=impersonal("order of batches"))
    link: bytes = Field(sa_column_kwargs=impersonal("a hash over hashes"))
    document: str = Field(sa_column_kwargs=impersonal("a number and a hash, signed", keys=CHECKPOINT_KEYS))


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
