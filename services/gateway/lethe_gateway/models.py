"""The gateway's tables: declarations only. Statements are in `queries` and `account_queries`, CHECKs in the migration."""

from datetime import date, datetime
from typing import Any, ClassVar

from sqlalchemy import ARRAY, BigInteger, DateTime, Text
from sqlmodel import Field, SQLModel

from lethe_common.catalogue import held, impersonal
from lethe_common.database import registry

_MOMENT = DateTime(timezone=True)
_RANDOM_ID = impersonal("random id")
_PSEUDONYM = impersonal("random reference; who it is stands sealed in accounts")
_COUNTER = impersonal("counter")


class Table(SQLModel, registry=registry("gateway")):
    """What all tables of this schema share: one registry of their own."""


class Account(Table, table=True):
    """One account. It joins a person's sealed address with the reference all other services know. A guest has no address."""

    __tablename__: ClassVar[Any] = "accounts"

    account_id: str = Field(primary_key=True, sa_column_kwargs=_RANDOM_ID)
    subject_ref: str = Field(unique=True, sa_column_kwargs=_PSEUDONYM)
    email_sealed: bytes | None = Field(sa_column_kwargs=held("identity.email"))
    password_sealed: bytes | None = Field(sa_column_kwargs=held("identity.credentials"))
    password_set_at: datetime | None = Field(
        default=None, sa_type=_MOMENT, sa_column_kwargs=held("identity.credentials", is_sealed=False)
    )
    key_id: str = Field(sa_column_kwargs=_RANDOM_ID)
    storage_ref: str = Field(unique=True, sa_column_kwargs=impersonal("random part of object names"))
    plan: str = Field(sa_column_kwargs=held("identity.account", is_sealed=False))
    plan_since: datetime | None = Field(
        default=None, sa_type=_MOMENT, sa_column_kwargs=held("identity.account", is_sealed=False)
    )
    state: str = Field(sa_column_kwargs=held("identity.account", is_sealed=False))
    created_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=held("identity.account", is_sealed=False))
    look_at: datetime | None = Field(
        default=None, sa_type=_MOMENT, sa_column_kwargs=impersonal("when to look again whether it is needed any more")
    )
    seen_on: date = Field(index=True, sa_column_kwargs=held("identity.account", is_sealed=False))


class ApiKey(Table, table=True):
    """One API key. Its secret is nowhere, only a digest of it."""

    __tablename__: ClassVar[Any] = "api_keys"

    key_id: str = Field(primary_key=True, sa_column_kwargs=_RANDOM_ID)
    account_id: str = Field(index=True, foreign_key="gateway.accounts.account_id", sa_column_kwargs=_RANDOM_ID)
    key_hash: bytes = Field(unique=True, sa_column_kwargs=held("identity.credentials", is_sealed=False))
    created_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=held("identity.credentials", is_sealed=False))
    last_used_on: date | None = Field(default=None, sa_column_kwargs=held("identity.credentials", is_sealed=False))


class Session(Table, table=True):
    """One signed-in browser, by the digest of its cookie."""

    __tablename__: ClassVar[Any] = "sessions"

    token_hash: bytes = Field(primary_key=True, sa_column_kwargs=held("identity.session", is_sealed=False))
    account_id: str = Field(index=True, foreign_key="gateway.accounts.account_id", sa_column_kwargs=_RANDOM_ID)
    created_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=held("identity.session", is_sealed=False))
    expires_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=held("identity.session", is_sealed=False))


class ProofToken(Table, table=True):
    """A mailed link's secret, by its digest: to set a new password, or to confirm an address."""

    __tablename__: ClassVar[Any] = "proof_tokens"

    token_hash: bytes = Field(primary_key=True, sa_column_kwargs=held("identity.credentials", is_sealed=False))
    account_id: str = Field(index=True, foreign_key="gateway.accounts.account_id", sa_column_kwargs=_RANDOM_ID)
    use: str = Field(sa_column_kwargs=impersonal("kind of link"))
    expires_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=held("identity.credentials", is_sealed=False))


class AddressChange(Table, table=True):
    """An address that waits to be confirmed, under its account's key, and the digest of the mailed link's secret."""

    __tablename__: ClassVar[Any] = "address_changes"

    token_hash: bytes = Field(primary_key=True, sa_column_kwargs=held("identity.credentials", is_sealed=False))
    account_id: str = Field(unique=True, foreign_key="gateway.accounts.account_id", sa_column_kwargs=_RANDOM_ID)
    request_id: str = Field(sa_column_kwargs=_RANDOM_ID)
    email_sealed: bytes = Field(sa_column_kwargs=held("identity.email"))
    expires_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=held("identity.credentials", is_sealed=False))


class Mail(Table, table=True):
    """One mail that waits to be sent. What it says beyond its template is sealed under a key of its own."""

    __tablename__: ClassVar[Any] = "mails"

    mail_id: str = Field(primary_key=True, sa_column_kwargs=_RANDOM_ID)
    account_id: str = Field(index=True, foreign_key="gateway.accounts.account_id", sa_column_kwargs=_RANDOM_ID)
    subject_ref: str = Field(sa_column_kwargs=_PSEUDONYM)
    template: str = Field(sa_column_kwargs=impersonal("kind of mail"))
    secret_sealed: bytes = Field(sa_column_kwargs=held("mail.queue"))
    key_id: str = Field(sa_column_kwargs=_RANDOM_ID)
    attempts: int = Field(default=0, sa_column_kwargs=_COUNTER)
    is_asked: bool = Field(default=False, sa_column_kwargs=impersonal("whether its event came back"))
    due_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=impersonal("time of the next attempt"))
    expires_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=impersonal("time after which it is useless"))


class PolicyAnnouncement(Table, table=True):
    """A version of the policy that people were told of, and how far the mails about it are written."""

    __tablename__: ClassVar[Any] = "policy_announcements"

    version: int = Field(primary_key=True, sa_column_kwargs=impersonal("number of a version of the policy"))
    policy_hash: str = Field(sa_column_kwargs=impersonal("digest of a published file"))
    announced_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=impersonal("time of a start"))
    is_told: bool = Field(sa_column_kwargs=impersonal("whether all mails are written"))
    last_account_id: str = Field(default="", sa_column_kwargs=impersonal("random id; empty when all are told"))


class BreachTelling(Table, table=True):
    """That people are written to about a breach, and how far that is; gone when all are."""

    __tablename__: ClassVar[Any] = "breach_tellings"

    telling_id: str = Field(primary_key=True, sa_column_kwargs=_RANDOM_ID)
    breach_id: str = Field(sa_column_kwargs=_RANDOM_ID)
    operator: str = Field(sa_column_kwargs=held("register.record", is_sealed=False))
    text_sealed: bytes = Field(sa_column_kwargs=held("register.record"))
    key_id: str = Field(sa_column_kwargs=_RANDOM_ID)
    account_ids: list[str] | None = Field(
        sa_type=ARRAY(Text), sa_column_kwargs=impersonal("random ids; none: everybody")
    )
    last_account_id: str = Field(sa_column_kwargs=_RANDOM_ID)
    reached: int = Field(sa_column_kwargs=_COUNTER)


class Generation(Table, table=True):
    """One generation as its owner sees it. The prompt is sealed under the generation's own key."""

    __tablename__: ClassVar[Any] = "generations"

    generation_id: str = Field(primary_key=True, sa_column_kwargs=_RANDOM_ID)
    account_id: str = Field(foreign_key="gateway.accounts.account_id", sa_column_kwargs=_RANDOM_ID)
    subject_ref: str = Field(sa_column_kwargs=_PSEUDONYM)
    state: str = Field(sa_column_kwargs=impersonal("state of a run"))
    state_version: int = Field(default=1, sa_type=BigInteger, sa_column_kwargs=_COUNTER)
    model: str = Field(sa_column_kwargs=held("content.generation", is_sealed=False))
    width_px: int = Field(sa_column_kwargs=held("content.generation", is_sealed=False))
    height_px: int = Field(sa_column_kwargs=held("content.generation", is_sealed=False))
    seconds: int = Field(sa_column_kwargs=held("content.generation", is_sealed=False))
    seed: int = Field(sa_type=BigInteger, sa_column_kwargs=held("content.generation", is_sealed=False))
    prompt_sealed: bytes = Field(sa_column_kwargs=held("content.prompt"))
    key_id: str = Field(sa_column_kwargs=_RANDOM_ID)
    upload_id: str | None = Field(default=None, sa_column_kwargs=_RANDOM_ID)
    hold_id: str = Field(sa_column_kwargs=_RANDOM_ID)
    credits_held: int = Field(sa_type=BigInteger, sa_column_kwargs=held("content.generation", is_sealed=False))
    credits_charged: int | None = Field(
        default=None, sa_type=BigInteger, sa_column_kwargs=held("content.generation", is_sealed=False)
    )
    error_code: str | None = Field(default=None, sa_column_kwargs=impersonal("code of a fixed list"))
    created_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=held("content.generation", is_sealed=False))
    completed_at: datetime | None = Field(
        default=None, sa_type=_MOMENT, sa_column_kwargs=held("content.generation", is_sealed=False)
    )
    expires_at: datetime | None = Field(default=None, sa_type=_MOMENT, sa_column_kwargs=impersonal("deadline"))
    expires_moves: int = Field(default=0, sa_column_kwargs=_COUNTER)
    hidden_at: datetime | None = Field(
        default=None, sa_type=_MOMENT, sa_column_kwargs=impersonal("since when it is served no more")
    )
    rule: str | None = Field(default=None, sa_column_kwargs=impersonal("removal rule, of a fixed list"))


class TrainingRecord(Table, table=True):
    """That a trainer was given a generation. The name it goes by there is sealed under a key that ends with the consent."""

    __tablename__: ClassVar[Any] = "training_records"

    handover_id: str = Field(primary_key=True, sa_column_kwargs=_RANDOM_ID)
    account_id: str = Field(index=True, foreign_key="gateway.accounts.account_id", sa_column_kwargs=_RANDOM_ID)
    subject_ref: str = Field(sa_column_kwargs=_PSEUDONYM)
    generation_id: str = Field(sa_column_kwargs=_RANDOM_ID)
    recipient_id: str = Field(sa_column_kwargs=held("training.record", is_sealed=False))
    record_sealed: bytes = Field(sa_column_kwargs=held("training.record"))
    key_id: str = Field(sa_column_kwargs=_RANDOM_ID)
    given_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=held("training.record", is_sealed=False))


class TrainingDay(Table, table=True):
    """How many items an operator gave to a trainer on a day."""

    __tablename__: ClassVar[Any] = "training_days"

    recipient_id: str = Field(primary_key=True, sa_column_kwargs=impersonal("id of a recipient of the policy"))
    operator: str = Field(primary_key=True, sa_column_kwargs=held("register.record", is_sealed=False))
    on_day: date = Field(primary_key=True, sa_column_kwargs=impersonal("a day of the register"))
    items: int = Field(sa_type=BigInteger, sa_column_kwargs=_COUNTER)


class Upload(Table, table=True):
    """One reference image: where its sealed bytes lie until its run is done."""

    __tablename__: ClassVar[Any] = "uploads"

    upload_id: str = Field(primary_key=True, sa_column_kwargs=_RANDOM_ID)
    account_id: str = Field(index=True, foreign_key="gateway.accounts.account_id", sa_column_kwargs=_RANDOM_ID)
    subject_ref: str = Field(sa_column_kwargs=_PSEUDONYM)
    generation_id: str = Field(index=True, sa_column_kwargs=_RANDOM_ID)
    object_key: str = Field(sa_column_kwargs=impersonal("random object name"))
    key_id: str = Field(sa_column_kwargs=_RANDOM_ID)
    media_type: str = Field(sa_column_kwargs=held("upload.image", is_sealed=False))
    size_bytes: int = Field(sa_type=BigInteger, sa_column_kwargs=held("upload.image", is_sealed=False))
    is_attached: bool = Field(default=False, sa_column_kwargs=impersonal("whether a generation uses it"))
    created_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=held("upload.image", is_sealed=False))
    due_at: datetime | None = Field(default=None, sa_type=_MOMENT, sa_column_kwargs=impersonal("deadline"))


class ExportArchive(Table, table=True):
    """The archive of one export: being packed, waiting for its owner, or being removed."""

    __tablename__: ClassVar[Any] = "exports"

    export_id: str = Field(primary_key=True, sa_column_kwargs=_RANDOM_ID)
    account_id: str = Field(index=True, foreign_key="gateway.accounts.account_id", sa_column_kwargs=_RANDOM_ID)
    subject_ref: str = Field(sa_column_kwargs=_PSEUDONYM)
    language: str = Field(sa_column_kwargs=held("export.archive", is_sealed=False))
    state: str = Field(sa_column_kwargs=impersonal("how far it is"))
    rule: str | None = Field(default=None, sa_column_kwargs=impersonal("removal rule, of a fixed list"))
    object_prefix: str = Field(unique=True, sa_column_kwargs=impersonal("random object name"))
    object_key: str | None = Field(default=None, unique=True, sa_column_kwargs=impersonal("random object name"))
    key_id: str | None = Field(default=None, sa_column_kwargs=_RANDOM_ID)
    attempts: int = Field(default=0, sa_column_kwargs=_COUNTER)
    leased_until: datetime | None = Field(
        default=None, sa_type=_MOMENT, sa_column_kwargs=impersonal("lease of a worker")
    )
    not_before: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=impersonal("database time of the next attempt"))
    packed_bytes: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs=_COUNTER)
    size_bytes: int | None = Field(
        default=None, sa_type=BigInteger, sa_column_kwargs=held("export.archive", is_sealed=False)
    )
    sealed_size_bytes: int | None = Field(
        default=None, sa_type=BigInteger, sa_column_kwargs=held("export.archive", is_sealed=False)
    )
    requested_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=held("export.archive", is_sealed=False))
    due_at: datetime | None = Field(default=None, sa_type=_MOMENT, sa_column_kwargs=impersonal("deadline"))
    due_moves: int = Field(default=0, sa_column_kwargs=_COUNTER)


class IdempotentRequest(Table, table=True):
    """Which generation an Idempotency-Key led to. Key and body are keyed digests."""

    __tablename__: ClassVar[Any] = "idempotency"

    account_id: str = Field(primary_key=True, foreign_key="gateway.accounts.account_id", sa_column_kwargs=_RANDOM_ID)
    key_hmac: str = Field(primary_key=True, sa_column_kwargs=impersonal("keyed digest"))
    body_hmac: str = Field(sa_column_kwargs=impersonal("keyed digest"))
    generation_id: str = Field(index=True, sa_column_kwargs=_RANDOM_ID)
    created_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=impersonal("time of a request"))


class Tombstone(Table, table=True):
    """What is left of a removed generation: that it was, whose, when it went and why. It answers 410."""

    __tablename__: ClassVar[Any] = "tombstones"

    generation_id: str = Field(primary_key=True, sa_column_kwargs=_RANDOM_ID)
    account_id: str = Field(index=True, foreign_key="gateway.accounts.account_id", sa_column_kwargs=_RANDOM_ID)
    removed_at: datetime = Field(sa_type=_MOMENT, sa_column_kwargs=held("content.generation", is_sealed=False))
    rule: str = Field(sa_column_kwargs=held("content.generation", is_sealed=False))
