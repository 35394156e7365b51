"""Promises looser than the law, packs that exclude one another, packs nobody has."""

import math
from collections.abc import Iterator
from datetime import timedelta

from lethe_common.policy.durations import AtOnce, BusinessDays, Period
from lethe_common.policy.duties import Rights
from lethe_common.policy.laws import Entry, Pack, exclusions, longest_answer, packs
from lethe_common.policy.lint.examined import Examined, Finding, grouped

_WORKING_DAYS, _WEEK = 5, 7
_ACT = "destruction.act"
"""The category, and what law packs call the demand for it."""


def slow_answers(examined: Examined) -> Iterator[Finding]:
    """looser-than-law: an answer later than the law allows."""
    late: dict[str, tuple[str, Pack, Entry]] = {}
    names = [law.id for law in examined.laws]
    for right in Rights.model_fields:
        promised = getattr(examined.content.rights, right)
        if promised is None:
            continue
        for law, entry in longest_answer(names, right):
            if entry.limit is not None and _days(promised) > _days(entry.limit):
                late[right] = (f"{promised} where {entry.source} allows {entry.limit}", law, entry)
    groups = grouped((right, examined.clauses_about(f"rights.{right}")) for right in late)
    for clauses, rights in groups.items():
        told = "; ".join(f"{right} {late[right][0]}" for right in rights)
        yield examined.finding(
            "looser-than-law", f"rights.{rights[0]}",
            f"Requests would be answered too late: {told}.",
            f"Write {late[rights[0]][2].limit}, or less.",
            clauses=clauses,
        )  # fmt: skip


def _days(span: Period | BusinessDays | AtOnce) -> float:
    """In calendar days; working days without holidays, which is the least they can take."""
    if isinstance(span, AtOnce):
        return 0.0
    if isinstance(span, BusinessDays):
        return math.ceil(int(span) * _WEEK / _WORKING_DAYS)
    return span / timedelta(days=1)


def unlimited_storage(examined: Examined) -> Iterator[Finding]:
    """looser-than-law: for ever, where the law limits storage."""
    limiting = [law for law in examined.laws if law.entry("storage.limited")]
    if not limiting:
        return
    found = [
        (category, examined.clauses_about(f"data.{category}.keep"))
        for category, rule in examined.content.data.items()
        if rule.keep.endless and rule.keep.inactive is None
    ]
    for clauses, categories in grouped(found).items():
        entry = limiting[0].entry("storage.limited")
        yield examined.finding(
            "looser-than-law", f"data.{categories[0]}.keep",
            f"{', '.join(categories)} would be kept without any limit, which {entry.source if entry else limiting[0].title} does not allow.",
            "State an inactive limit such as P2Y.",
            at=("data", categories[0], "keep"), clauses=clauses,
        )  # fmt: skip


def short_books(examined: Examined) -> Iterator[Finding]:
    """shorter-than-law: books that tax law wants kept longer. A law's minimum is never shortened."""
    for law in examined.laws:
        entry = law.entry("keep.tax")
        if entry is None or not isinstance(entry.limit, Period):
            continue
        for category, rule in examined.content.data.items():
            kept = rule.keep.at_least
            if any(use.purpose == "tax" for use in rule.uses) and kept is not None and kept < entry.limit:
                yield examined.finding(
                    "shorter-than-law", f"data.{category}.keep.at_least",
                    f"{category} is kept at least {kept}, but {entry.source} wants {entry.limit}.",
                    f"Write at_least: {entry.limit}.",
                    at=("data", category, "keep"), clauses=examined.clauses_about(f"data.{category}.keep.at_least"),
                )  # fmt: skip


def acts(examined: Examined) -> Iterator[Finding]:
    """no-act, shorter-than-law, unnamed-act: where a law wants an act of destruction, one is kept, and names the person."""
    kept = examined.content.data.get(_ACT)
    email = examined.content.data.get("identity.email")
    for law in examined.laws:
        entry = law.entry(_ACT)
        if entry is None or not isinstance(entry.limit, Period):
            continue
        if kept is None:
            yield examined.finding(
                "no-act", "data",
                f"{entry.source} wants an act of each destruction that names the person, and the policy keeps none.",
                f"Write data.{_ACT} with at_least: {entry.limit}.",
            )  # fmt: skip
        elif kept.keep.at_least is None or kept.keep.at_least < entry.limit:
            yield examined.finding(
                "shorter-than-law", f"data.{_ACT}.keep.at_least",
                f"{_ACT} is kept at least {kept.keep.at_least}, but {entry.source} wants {entry.limit}.",
                f"Write at_least: {entry.limit}.",
                at=("data", _ACT, "keep"), clauses=examined.clauses_about(f"data.{_ACT}.keep.at_least"),
            )  # fmt: skip
        elif email is not None and all(use.purpose != "accountability" for use in email.uses):
            yield examined.finding(
                "unnamed-act", "data.identity.email.uses",
                f"{_ACT} would have no address in it: identity.email is not used for accountability.",
                "Add that use with its ground.",
                at=("data", "identity.email"),
            )  # fmt: skip


def age_of_consent(examined: Examined) -> Iterator[Finding]:
    """looser-than-law: consents of children who cannot give them."""
    age = examined.content.age
    asks = [name for name, purpose in examined.content.purposes.items() if purpose.default == "opt_in"]
    for law in examined.laws:
        entry = law.entry("age.consent")
        if age is None or not asks or entry is None or entry.number is None:
            continue
        wanted = entry.ages.get(examined.content.controller.country, entry.number)
        if max(age.min, age.consent or 0) < wanted:
            yield examined.finding(
                "looser-than-law", "age.consent",
                f"{', '.join(asks)} rest on consent, which below {wanted} is the parents' to give ({entry.source}).",
                f"Write age.consent: {wanted}; younger people are then not asked.",
                at=("age",),
            )  # fmt: skip


def young(examined: Examined) -> Iterator[Finding]:
    """looser-than-law: children below the age from which a service may take them without their parents."""
    age = examined.content.age
    for law in examined.laws:
        entry = law.entry("age.min")
        if age is not None and entry is not None and entry.number is not None and age.min < entry.number:
            yield examined.finding(
                "looser-than-law", "age.min",
                f"Children from {age.min} on are let in; {entry.source} wants a parent's consent below {entry.number}.",
                f"Write age.min: {entry.number}.",
            )  # fmt: skip


def excluded(examined: Examined) -> Iterator[Finding]:
    """excluded-packs, unknown-pack."""
    for one, other, why in exclusions(examined.content.jurisdictions):
        if one < other:
            yield examined.finding(
                "excluded-packs", "jurisdictions", f"{one} and {other} exclude one another: {why}.", "Name one of them."
            )
    for name in examined.content.jurisdictions:
        if name not in packs():
            yield examined.finding(
                "unknown-pack", "jurisdictions",
                f"There is no law pack {name}.",
                f"There are: {', '.join(packs())}.",
            )  # fmt: skip


def grounds(examined: Examined) -> Iterator[Finding]:
    """no-ground: a use that rests on nothing the law knows. Compared where the policy states grounds at all."""
    for category, rule in examined.content.data.items():
        for at, use in enumerate(rule.uses):
            for law in examined.laws:
                entry = law.entry("grounds")
                if entry is None or not use.basis:
                    continue
                stated = use.basis.get(law.id)
                if stated not in entry.values:
                    yield examined.finding(
                        "no-ground", f"data.{category}.uses",
                        f"{category} is used for {use.purpose} on the ground {stated or 'of nothing'} under {law.id}.",
                        f"Write one of {', '.join(entry.values)}.",
                        at=("data", category, "uses", at),
                    )  # fmt: skip


RULES = (slow_answers, unlimited_storage, short_books, acts, age_of_consent, young, excluded, grounds)
