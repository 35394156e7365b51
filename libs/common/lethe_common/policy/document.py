"""`policy.yaml` as it stands in the folder: the whole schema, one section a thought."""

from datetime import UTC, date, datetime, time
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PlainValidator, ValidationInfo

from lethe_common.policy.choices import Acceptance, Analytics, Cookie, MailClass, Permission, Purpose
from lethe_common.policy.clauses import Clause
from lethe_common.policy.duties import Age, Aggregates, Backups, Disclosure, Forgetting, Notice, Rights
from lethe_common.policy.languages import Language
from lethe_common.policy.parties import Attestation, Controller, Recipient
from lethe_common.policy.rules import DataRule
from lethe_common.policy.source import Section, is_draft

_DATE = len("2026-12-01")
_UNREADABLE = "write the date as 2026-12-01, or an instant with its offset as 2026-12-01T09:00:00+02:00"


def _effective(value: object, info: ValidationInfo) -> datetime | str:
    if isinstance(value, str):
        text = value
        try:
            value = date.fromisoformat(text) if len(text) == _DATE else datetime.fromisoformat(text)
        except ValueError as error:
            if is_draft(info):
                return text
            raise ValueError(_UNREADABLE) from error
    if isinstance(value, datetime) and value.tzinfo is not None:
        return datetime.fromtimestamp(value.timestamp(), UTC)
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time(), UTC)
    raise ValueError(_UNREADABLE)


Effective = Annotated[datetime | str, PlainValidator(_effective)]
"""An exact instant; a date is its midnight in UTC. In a draft, what cannot be read stays as it was written."""


class PolicyFile(Section):
    """One version of a policy."""

    must_state: ClassVar[tuple[str, ...]] = (
        "effective", "service_url", "controller", "jurisdictions", "identity", "data", "purposes", "rights",
        "notice", "age", "backups", "clauses",
    )  # fmt: skip

    profile: str = Field(pattern="^[a-z][a-z0-9_-]{0,31}$")
    version: int = Field(gt=0)
    effective: Effective | None = None
    languages: tuple[Language, ...] = Field(min_length=1)
    service_url: str = ""
    controller: Controller = Controller.model_construct()
    jurisdictions: tuple[str, ...] = ()
    residency: str | None = None
    identity: tuple[Literal["password", "external", "guest"], ...] = ()
    acceptance: Acceptance = Acceptance()
    data: dict[str, DataRule] = Field(default_factory=dict)
    keep_otherwise: Literal["as_needed"] | None = None
    purposes: dict[str, Purpose] = Field(default_factory=dict)
    mail: dict[str, MailClass] = Field(default_factory=dict)
    recipients: tuple[Recipient, ...] = ()
    rights: Rights = Rights()
    notice: Notice | None = None
    age: Age | None = None
    prohibited: tuple[Literal["biometric", "advertising", "sale", "training", "profiling"], ...] = ()
    permissions: tuple[Permission, ...] = ()
    aggregates: Aggregates | None = None
    cookies: tuple[Cookie, ...] = ()
    cookie_choice: Literal["none_needed", "asked_first", "browser"] = "none_needed"
    analytics: Analytics | None = None
    disclosure: Disclosure | None = None
    attestations: tuple[Attestation, ...] = ()
    pages: dict[Literal["offer", "refund", "top_up", "cookies", "terms", "processors"], str] = Field(
        default_factory=dict
    )
    backups: Backups | None = None
    forgetting: Forgetting = Forgetting()
    clauses: tuple[Clause, ...] = ()
