"""The purpose gate: may data of a category be used for a purpose, given where its subject stands? Pure.

Denied by default, always with a reason. What is declared comes from the policy, what
a person chose from the consents and objections on record; nothing here looks anything up.
"""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from lethe_common.clock import Clock
from lethe_common.policy import Policy, PolicyBook
from lethe_common.policy.training import is_prohibited

Default = Literal["off", "opt_in", "opt_out", "always"]
"""`off`: not at all; `opt_in`: after consent; `opt_out`: until an objection; `always`: what the contract or a law needs."""


class Reason(StrEnum):
    """Why a use is allowed, or is not."""

    ALLOWED = "allowed"
    UNKNOWN_CATEGORY = "category_unknown"
    NOT_A_USE = "not_a_use_of_the_category"
    OFF = "purpose_off"
    NO_CONSENT = "no_consent"
    OBJECTION = "objection"
    RESTRICTED = "subject_restricted"
    FENCED = "subject_fenced"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision. It is true in conditions when the use is allowed."""

    reason: Reason

    @property
    def is_allowed(self) -> bool:
        """Whether the use is allowed."""
        return self.reason is Reason.ALLOWED

    def __bool__(self) -> bool:
        return self.is_allowed


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a subject stands: which purposes it consented and objected to, and what holds its data back."""

    consents: AbstractSet[str] = frozenset()
    objections: AbstractSet[str] = frozenset()
    is_restricted: bool = False
    """Its processing is restricted (GDPR Art. 18): kept, and used for what is needed in spite of that only."""
    is_fenced: bool = False
    """It is being forgotten, or is forgotten."""


@dataclass(frozen=True, slots=True)
class Uses:
    """What the policy declares: the purposes of each category, and how each purpose stands by default."""

    by_category: Mapping[str, AbstractSet[str]]
    defaults: Mapping[str, Default]
    in_spite_of_restriction: AbstractSet[str] = field(default_factory=frozenset)

    def allowed(self, category: str, purpose: str, standing: Standing) -> Verdict:
        """Whether data of a category may be used for a purpose. A purpose without a declared default is off."""
        return Verdict(self._reason(category, purpose, standing))

    def _reason(self, category: str, purpose: str, standing: Standing) -> Reason:
        purposes = self.by_category.get(category)
        if purposes is None:
            return Reason.UNKNOWN_CATEGORY
        if purpose not in purposes:
            return Reason.NOT_A_USE
        if standing.is_fenced:
            return Reason.FENCED
        if standing.is_restricted and purpose not in self.in_spite_of_restriction:
            return Reason.RESTRICTED
        return _by_default(self.defaults.get(purpose, "off"), purpose, standing)


def uses_of(policy: Policy) -> Uses:
    """What a policy declares. One that states no purposes of its own uses each category's as its contract needs them."""
    by_category = {
        category: frozenset(use.purpose for use in rule.uses) for category, rule in policy.content.data.items()
    }
    stated = getattr(policy.content, "purposes", None) or {}
    defaults: dict[str, Default] = {
        name: "off" if is_prohibited(policy.content, name) else purpose.default for name, purpose in stated.items()
    }
    if not stated:
        defaults = dict.fromkeys((purpose for purposes in by_category.values() for purpose in purposes), "always")
    return Uses(by_category, defaults, frozenset(defaults) & _NEEDED_BY_LAW)


def _by_default(default: Default, purpose: str, standing: Standing) -> Reason:
    match default:
        case "always":
            return Reason.ALLOWED
        case "opt_out":
            return Reason.OBJECTION if purpose in standing.objections else Reason.ALLOWED
        case "opt_in" if purpose not in standing.consents:
            return Reason.NO_CONSENT
        case "opt_in":
            # Consent that was given and then objected to is no consent any more.
            return Reason.OBJECTION if purpose in standing.objections else Reason.ALLOWED
    return Reason.OFF


def uses_in_force(book: PolicyBook, clock: Clock) -> Callable[[], Uses]:
    """What the version of the policy that counts declares, asked for each decision."""
    by_hash = {policy.hash: uses_of(policy) for policy in book.versions}
    return lambda: by_hash[book.governing(clock.now()).hash]


_NEEDED_BY_LAW = frozenset({"legal", "tax", "accountability"})
