"""Statements that have to be there: who, since when, from which age, which rights, which list."""

from collections.abc import Iterator
from datetime import datetime

from lethe_common.policy.duties import Rights
from lethe_common.policy.errors import UnknownReference
from lethe_common.policy.lint.examined import Examined, Finding
from lethe_common.policy.references import references_in, value_at


def legal_entity(examined: Examined) -> Iterator[Finding]:
    """no-legal-entity: a name without an address is a name on a door."""
    controller = examined.content.controller
    if controller.name and controller.address:
        return
    yield examined.finding(
        "no-legal-entity", "controller.name",
        "Nobody can tell who answers for the data: a legal name with an address is missing.",
        "State controller.name and controller.address of the legal person.",
    )  # fmt: skip


def contact(examined: Examined) -> Iterator[Finding]:
    """no-contact."""
    if not examined.content.controller.contact:
        yield examined.finding(
            "no-contact", "controller.contact",
            "There is no address to which a request could be sent.",
            "State controller.contact.",
        )  # fmt: skip


def authority(examined: Examined) -> Iterator[Finding]:
    """no-authority: where to complain, named."""
    is_demanded = any("authority" in entry.values for law in examined.laws if (entry := law.entry("statements")))
    if is_demanded and not examined.content.controller.authority:
        yield examined.finding(
            "no-authority", "controller.authority",
            "It is not said with which authority one can complain.",
            "State controller.authority with its name.",
        )  # fmt: skip


def rights(examined: Examined) -> Iterator[Finding]:
    """no-rights: none is named at all."""
    if all(getattr(examined.content.rights, name) is None for name in Rights.model_fields):
        yield examined.finding(
            "no-rights", "rights",
            "No right of the people concerned is named.",
            "State under rights how soon each kind of request is answered.",
        )  # fmt: skip


def date(examined: Examined) -> Iterator[Finding]:
    """no-date, ambiguous-date."""
    effective = examined.content.effective
    if effective is None:
        yield examined.finding(
            "no-date", "effective",
            "It is not said since when this version is in force.",
            "State effective as 2026-12-01.",
        )  # fmt: skip
    elif not isinstance(effective, datetime):
        yield examined.finding(
            "ambiguous-date", "effective",
            f"The date {effective} can be read in two ways.",
            "Write the date as 2026-12-01; pages show it in each language's own form.",
        )  # fmt: skip


def age(examined: Examined) -> Iterator[Finding]:
    """no-age."""
    if examined.content.age is None:
        yield examined.finding(
            "no-age", "age",
            "It is not said from which age the service is offered.",
            "State age.min.",
        )  # fmt: skip


def lists(examined: Examined) -> Iterator[Finding]:
    """empty-list: a clause announces a list, and nothing is in it."""
    for at, clause in enumerate(examined.content.clauses):
        first = next(iter(clause.text.values()), "")
        for reference in references_in(first):
            if _is_empty_list(examined, reference.path):
                yield examined.finding(
                    "empty-list", reference.path,
                    f"{clause.id} announces a list, but {reference.path} is empty.",
                    f"List what is meant under {reference.path}, or say in the clause that there is none.",
                    at=("clauses", at), clauses=(clause.id,),
                )  # fmt: skip


def _is_empty_list(examined: Examined, path: str) -> bool:
    try:
        value = value_at(examined.values, path)
    except UnknownReference:
        return False
    return isinstance(value, list | dict) and not value


RULES = (legal_entity, contact, authority, rights, date, age, lists)
