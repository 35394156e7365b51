"""The policy in force: what every timer asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from lethe_common.policy.errors import UnknownCategory, UnknownPeriod, UnknownPlan
from lethe_common.policy.rules import Controller, DataRule, Keep, OnPlanChange
from lethe_common.policy.source import Section, read

FILE_NAME = "policy.yaml"
PlanHeld = tuple[str, datetime]
"""A plan's retention key and since when it was held."""


class PolicyFile(Section):
    """`policy.yaml` as it stands in the folder."""

    profile: str = Field(pattern="^[a-z][a-z0-9_-]{0,31}$")
    version: int = Field(gt=0)
    effective: date
    languages: tuple[str, ...] = Field(min_length=1)
    service_url: str
    controller: Controller
    jurisdictions: tuple[str, ...] = Field(min_length=1)
    residency: str | None = None
    identity: tuple[Literal["password", "external", "guest"], ...] = Field(min_length=1)
    data: dict[str, DataRule] = Field(min_length=1)

    @model_validator(mode="after")
    def _companions_exist(self) -> "PolicyFile":
        for category, rule in self.data.items():
            companion = rule.keep.with_category
            if companion is None:
                continue
            if companion not in self.data:
                raise ValueError(f"data.{category} is kept with a category that has no rule")
            if self.data[companion].keep.with_category is not None:
                raise ValueError(f"data.{category} is kept with a category that has no period of its own")
        return self


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of a profile's policy. `hash` is the SHA-256 (hex) of its file."""

    hash: str
    content: PolicyFile

    @property
    def profile(self) -> str:
        """The profile's name."""
        return self.content.profile

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of its pages, the first being the default."""
        return self.content.languages

    @property
    def categories(self) -> frozenset[str]:
        """Every category of data there is a rule for."""
        return frozenset(self.content.data)

    @property
    def plans(self) -> frozenset[str]:
        """Every plan (retention key) for which some category states a period."""
        return frozenset(plan for rule in self.content.data.values() for plan in rule.keep.exactly or ())

    def rule(self, category: str) -> DataRule:
        """All that is said about a category.

        Raises:
            UnknownCategory: nothing is said.
        """
        try:
            return self.content.data[category]
        except KeyError as error:
            raise UnknownCategory("The policy has no rule for this category.") from error

    def keep(self, category: str) -> Keep:
        """How long a category is kept; what is kept with another category answers that one's period."""
        keep = self.rule(category).keep
        return keep if keep.with_category is None else self.rule(keep.with_category).keep

    def grace(self, category: str) -> timedelta:
        """How much later than its deadline something may at most be gone."""
        return self.rule(category).grace

    def period(self, category: str, plan: str) -> timedelta:
        """How long a category is kept on a plan, from its event.

        Raises:
            UnknownPlan: the category's periods do not name the plan.
            UnknownPeriod: the category states neither an exact nor a longest period.
        """
        keep = self.keep(category)
        if keep.exactly is not None:
            try:
                return keep.exactly[plan]
            except KeyError as error:
                raise UnknownPlan("The policy states no period for this plan.") from error
        if keep.at_most is None:
            raise UnknownPeriod("The policy states no exact and no longest period for this category.")
        return keep.at_most

    def deadline(self, category: str, plans_held: Sequence[PlanHeld], started_at: datetime) -> datetime:
        """When an item's time is over, given all plans its owner ever had, in any order.

        The plan at the start is the latest one held since then or before; an owner
        whose first plan is younger than the item counts as having had it already.

        Raises:
            ValueError: no plan was held at all.
        """
        if not plans_held:
            raise ValueError("a deadline needs at least one plan")
        counted = _that_count(self._on_plan_change(category), plans_held, started_at)
        return started_at + max(self.period(category, plan) for plan in counted)

    def _on_plan_change(self, category: str) -> OnPlanChange:
        return self.rule(self.rule(category).keep.with_category or category).on_plan_change


def _that_count(choice: OnPlanChange, plans_held: Sequence[PlanHeld], started_at: datetime) -> list[str]:
    in_order = sorted(plans_held, key=lambda held: held[1])
    before = [plan for plan, since in in_order if since <= started_at]
    at_start = before[-1] if before else in_order[0][0]
    if choice is OnPlanChange.AT_CREATION:
        return [at_start]
    if choice is OnPlanChange.CURRENT:
        return [in_order[-1][0]]
    return [at_start, *(plan for plan, since in in_order if since > started_at)]


def load_policy(folder: Path) -> Policy:
    """Read `policy.yaml` of a profile's folder.

    Raises:
        PolicyError: it cannot be read or does not hold together; the message names the line.
    """
    content, digest = read(folder / FILE_NAME, PolicyFile)
    return Policy(digest, content)
