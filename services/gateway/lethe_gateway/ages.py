"""The age gate: who is let in, and who consents alone. Pure, and nothing of what is told is kept.

A year of birth is taken at its youngest: who may still have this year's birthday
before them counts as not having had it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from lethe_common.consents import asked
from lethe_common.policy import Policy
from lethe_common.policy.duties import Age
from lethe_gateway.errors import AgeNotAsked, AgeNotTold, ParentNeeded, TooYoung


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody said of their age; the policy says which of it is asked."""

    birth_year: int | None = None
    is_of_age: bool | None = None
    may_consent: bool | None = None
    country: str | None = None


def must_be_let_in(policy: Policy, told: Told, today: date) -> None:
    """Check what a newcomer told.

    Raises:
        AgeNotTold, AgeNotAsked: something is missing, or is more than is asked.
        TooYoung: the service is not for somebody so young.
    """
    age = policy.content.age
    _must_be_asked(age, told)
    if age is not None and age.unsaid == "let_in" and told.birth_year is None and told.is_of_age is None:
        return
    if age is not None and age.min and not _has_reached(age, age.min, told, told.is_of_age, "is_of_age", today):
        raise too_young(policy)


def too_young(policy: Policy) -> TooYoung:
    """The refusal of somebody below the age from which the service is offered."""
    return TooYoung(policy.content.age.min if policy.content.age else 0, policy.content.controller.contact)


def must_consent_alone(policy: Policy, wishes: Mapping[str, bool], told: Told, today: date) -> None:
    """Check that whoever says yes to something that rests on consent may do so without their parents.

    Raises:
        AgeNotTold, AgeNotAsked: something is missing, or is more than is asked.
        ParentNeeded: it is their parents' to give.
    """
    age = policy.content.age
    _must_be_asked(age, told)
    about = asked(policy, policy.languages[0])
    consents = [name for name, is_allowed in wishes.items() if is_allowed and about[name].default == "opt_in"]
    if age is None or not consents or not is_asked_again(age):
        return
    wanted = age.consent_age(told.country)
    if wanted > age.min and not _has_reached(age, wanted, told, told.may_consent, "may_consent", today):
        raise ParentNeeded(wanted, policy.content.controller.contact)


def is_asked_again(age: Age) -> bool:
    """Whether somebody may be old enough for the service and too young to consent alone anywhere."""
    return max((age.consent_age(), *(age.consent_age(country) for country in age.consent_in))) > age.min


def _must_be_asked(age: Age | None, told: Told) -> None:
    by_year = age is not None and age.ask == "birth_year"
    by_word = age is not None and age.ask == "declaration"
    allowed = {
        "birth_year": by_year,
        "is_of_age": by_word,
        "may_consent": by_word,
        "country": age is not None and bool(age.consent_in),
    }
    for name, is_asked in allowed.items():
        if getattr(told, name) is not None and not is_asked:
            raise AgeNotAsked(name)


def _has_reached(age: Age, wanted: int, told: Told, declared: bool | None, name: str, today: date) -> bool:  # noqa: FBT001  None: not declared
    if age.ask == "declaration":
        if declared is None:
            raise AgeNotTold(name)
        return declared
    if told.birth_year is None:
        raise AgeNotTold("birth_year")
    return today.year - told.birth_year > wanted
