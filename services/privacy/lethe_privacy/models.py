"""The tables of the privacy service, and what each column holds; those of the key store stand in `key_models`."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, DateTime, SmallInteger, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from lethe_common.catalogue import Kind, declare, each, held, impersonal
from lethe_common.database import registry
from lethe_privacy.key_models import (
    ClassKey,
    ClosedHolder,
    ConsentLine,
    FactsMark,
    GenerationRow,
    ItemKeyRow,
    KeysTable,
    LoginIndex,
    Loss,
    Subject,
    Touched,
)
from lethe_privacy.schemas import ACT_KEYS, CERTIFICATE_KEYS, CHECKPOINT_KEYS, HEAD_KEYS

_MOMENT: Any = DateTime(timezone=True)
_NAMES: Any = ARRAY(Text)
_RECORD = held("erasure.record", is_sealed=False)
_ARCHIVE = held("export.archive", is_sealed=False)
_TICKET = held("support.ticket", is_sealed=False)
_ACCESS = held("access.log", is_sealed=False)
_DISCLOSED = held("disclosure.record", is_sealed=False)
_REGISTER = held("register.record", is_sealed=False)
_ACT = held("destruction.act", is_sealed=False)
_RESIDUE_KEYS = declare(Kind.JSON_KEY, each(("store", "method", "found"), impersonal("where something was left")))
_COUNT_KEYS = declare(Kind.JSON_KEY, each(("store", "category", "before", "after", "retained_ground"), _RECORD))


__all__ = [
    "AccessBatch",
    "AccessBody",
    "AccessCheckpoint",
    "ActRow",
    "BreachRow",
    "BreachStepRow",
    "Certificate",
    "Claim",
    "ClassKey",
    "ClosedHolder",
    "ConsentLine",
    "DisclosureRow",
    "DisclosureStepRow",
    "Erasure",
    "Export",
    "Fact",
    "FactsMark",
    "GenerationRow",
    "ItemKeyRow",
    "KeysTable",
    "LogHead",
    "LogNode",
    "LoginIndex",
    "Loss",
    "PolicyAnnouncement",
    "ProcessorRow",
    "ReplayMark",
    "RequestRow",
    "RequestStepRow",
    "Step",
    "Subject",
    "Table",
    "Touched",
]


class Table(SQLModel, registry=registry("privacy")):
    """A table of the schema `privacy`."""


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
    is_clear: bool = Field(
        sa_column_kwargs=impersonal("whether retention said at the fence that no hold keeps anything")
    )


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


class ProcessorRow(Table, table=True):
    """What an operator entered about a recipient and its contract. The newest row of a recipient counts."""

    __tablename__ = "processors"
    __table_args__ = ({"info": {"append_only": True}},)

    number: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=impersonal("order of entries"))
    recipient_id: str = Field(sa_column_kwargs=impersonal("a recipient of the policy"))
    reference: str = Field(sa_column_kwargs=impersonal("where a contract between companies is found"))
    starts_on: date = Field(sa_column_kwargs=impersonal("first day of a contract"))
    ends_on: date | None = Field(sa_column_kwargs=impersonal("last day of a contract"))
    subprocessors: str = Field(sa_column_kwargs=impersonal("names of companies"))
    contact: str = Field(sa_column_kwargs=_REGISTER)
    operator: str = Field(sa_column_kwargs=_REGISTER)
    entered_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=_REGISTER)


class BreachRow(Table, table=True):
    """A breach of personal data, as far as it is known. It names nobody."""

    __tablename__ = "breaches"

    breach_id: str = Field(primary_key=True, sa_column_kwargs=impersonal("random id"))
    is_open: bool = Field(sa_column_kwargs=impersonal("how far it is"))
    known_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=impersonal("when something became known"))
    categories: list[str] = Field(sa_type=_NAMES, sa_column_kwargs=impersonal("categories of the policy"))
    places: list[str] = Field(sa_type=_NAMES, sa_column_kwargs=impersonal("stores of the policy"))
    people: int | None = Field(sa_column_kwargs=impersonal("about how many people"))
    is_high_risk: bool = Field(sa_column_kwargs=impersonal("a judgement about all of them"))
    closed_at: datetime | None = Field(sa_type=_MOMENT, sa_column_kwargs=impersonal("how far it is"))


class BreachStepRow(Table, table=True):
    """One line of a breach's history. Never changed; it goes with its breach."""

    __tablename__ = "breach_steps"
    __table_args__ = ({"info": {"append_only": True}},)

    breach_id: str = Field(primary_key=True, sa_column_kwargs=impersonal("random id"))
    number: int = Field(primary_key=True, sa_column_kwargs=impersonal("order of lines"))
    step: str = Field(sa_column_kwargs=impersonal("of a fixed list"))
    operator: str = Field(sa_column_kwargs=_REGISTER)
    at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=_REGISTER)
    duty: str | None = Field(sa_column_kwargs=impersonal("a demand of a law"))
    reference: str | None = Field(sa_column_kwargs=impersonal("where a notification to an authority is found"))
    count: int | None = Field(sa_column_kwargs=impersonal("how many were written to"))
    text_sealed: bytes | None = Field(sa_column_kwargs=held("register.record"))
    key_id: str | None = Field(sa_column_kwargs=impersonal("random id"))


class DisclosureRow(Table, table=True):
    """A demand of an authority. With its subject's erasure it loses whom it was about, and what was asked."""

    __tablename__ = "disclosures"

    disclosure_id: str = Field(primary_key=True, sa_column_kwargs=impersonal("random id"))
    subject_ref: str | None = Field(sa_column_kwargs=_DISCLOSED)
    state: str = Field(sa_column_kwargs=impersonal("how far it is"))
    authority: str = Field(sa_column_kwargs=_DISCLOSED)
    legal_reference: str = Field(sa_column_kwargs=_DISCLOSED)
    opened_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=_DISCLOSED)
    delay_until: datetime | None = Field(sa_type=_MOMENT, sa_column_kwargs=_DISCLOSED)
    delay_ground: str | None = Field(sa_column_kwargs=_DISCLOSED)
    asked_sealed: bytes | None = Field(sa_column_kwargs=held("disclosure.record"))
    key_id: str | None = Field(sa_column_kwargs=impersonal("random id"))
    digest: str | None = Field(sa_column_kwargs=_DISCLOSED)
    is_told: bool = Field(sa_column_kwargs=impersonal("how far it is"))


class DisclosureStepRow(Table, table=True):
    """One line of a demand's history. Never changed; it goes with its demand."""

    __tablename__ = "disclosure_steps"
    __table_args__ = ({"info": {"append_only": True}},)

    disclosure_id: str = Field(primary_key=True, sa_column_kwargs=impersonal("random id"))
    number: int = Field(primary_key=True, sa_column_kwargs=impersonal("order of lines"))
    step: str = Field(sa_column_kwargs=impersonal("of a fixed list"))
    operator: str = Field(sa_column_kwargs=_DISCLOSED)
    at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=_DISCLOSED)
    ground: str | None = Field(sa_column_kwargs=_DISCLOSED)


class ActRow(Table, table=True):
    """A statutory act of destruction: begun with an erasure, written with its certificate. It names the person."""

    __tablename__ = "acts"

    act_id: str = Field(primary_key=True, sa_column_kwargs=impersonal("random id"))
    erasure_id: str | None = Field(sa_column_kwargs=impersonal("random id"))
    name_sealed: bytes = Field(sa_column_kwargs=held("destruction.act"))
    key_id: str = Field(sa_column_kwargs=impersonal("random id"))
    ground: str = Field(sa_column_kwargs=impersonal("of a fixed list"))
    destroyed_at: datetime | None = Field(sa_type=_MOMENT, sa_column_kwargs=_ACT)
    document: str | None = Field(sa_column_kwargs=held("destruction.act", is_sealed=False, keys=ACT_KEYS))
