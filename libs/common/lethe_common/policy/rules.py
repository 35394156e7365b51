"""What the policy may say about a category of data. Terms are those of W3C DPV 2.x in short form."""

from datetime import timedelta
from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator

from lethe_common.policy.durations import AtLeast, AtMost, Exactly
from lethe_common.policy.source import Section


class OnPlanChange(StrEnum):
    """Which plan's period counts for an item whose owner had several."""

    LONGEST = "longest"
    CURRENT = "current"
    AT_CREATION = "at_creation"


class Fact(StrEnum):
    """What starts a period."""

    CREATED = "created"
    COMPLETED = "completed"
    PROCESSED = "processed"
    ACCOUNT_CLOSED = "account_closed"


class Keep(Section):
    """How long. `exactly`, `at_most` and `at_least` are different promises.

    `exactly` maps a plan's retention key to its period, from `from_event`. `until`
    keeps something while its reason lasts, and `at_most` then counts from that
    event. `with` ties a category to another one: it goes when that goes.
    """

    from_event: Fact = Field(default=Fact.CREATED, alias="from")
    until: Fact | None = None
    exactly: dict[str, Exactly] | None = Field(default=None, min_length=1)
    at_most: AtMost | None = None
    at_least: AtLeast | None = None
    with_category: str | None = Field(default=None, alias="with")

    @model_validator(mode="after")
    def _states_something(self) -> "Keep":
        stated = (self.exactly, self.at_most, self.at_least, self.with_category)
        if all(promise is None for promise in stated):
            raise ValueError("state exactly, at_most, at_least or with: nothing is kept without a period")
        if self.with_category is not None and any(promise is not None for promise in stated[:3]):
            raise ValueError("what is kept with another category has no period of its own")
        if self.at_most is not None and self.at_least is not None and self.at_most < self.at_least:
            raise ValueError("at_most is shorter than at_least")
        return self


class Use(Section):
    """One purpose and its legal basis per jurisdiction."""

    purpose: str
    basis: dict[str, str] = Field(default_factory=dict)


class DataRule(Section):
    """Everything the policy says about one category."""

    dpv: str
    fides: str
    stores: tuple[str, ...] = ()
    custody: Literal["ours", "provider"] = "ours"
    uses: tuple[Use, ...] = Field(min_length=1)
    keep: Keep
    on_plan_change: OnPlanChange = OnPlanChange.LONGEST
    on_policy_change: Literal["longest", "new", "at_creation"] = "longest"
    grace: AtMost = timedelta(hours=24)
    erase: Literal["delete", "pseudonymise"] = "delete"
    ground: str | None = None
    protect: Literal["sealed", "store", "hashed", "plain"] = "plain"
    staff_access: Literal["none", "logged"] = "none"
    precision: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _law_is_named(self) -> "DataRule":
        if self.erase == "pseudonymise" and self.ground is None:
            raise ValueError("what outlives an erasure names its ground")
        return self


class Controller(Section):
    """Who answers for the data."""

    name: str
    address: str
    country: str
    contact: str
    registry: str | None = None
    representative: str | None = None
    dpo: str | None = None
    authority: str | None = None
    calendar: str | None = None
