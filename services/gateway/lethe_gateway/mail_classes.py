"""Classes of mail: which of the policy's classes a mail belongs to, and whether it can be declined. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from lethe_common.policy import Policy

USUAL = "account"
"""The class of every mail that no class names."""


class Withheld(StrEnum):
    """Why a mail was not sent, in the words of the metric."""

    UNDECLARED = "class_undeclared"
    REFUSED = "purpose_refused"
    NO_ADDRESS = "no_address"


@dataclass(frozen=True, slots=True)
class Class:
    """A mail's class: its name, the policy's purpose that it serves, and whether people may decline it."""

    name: str
    purpose: str
    is_declinable: bool


def class_of(policy: Policy, template: str) -> Class | None:
    """The class of a kind of mail; None where the policy declares none, and such a mail is not sent."""
    classes = policy.content.mail
    name = next((name for name, one in classes.items() if template in one.mails), USUAL)
    if name not in classes:
        return None
    purpose = classes[name].purpose
    decided = policy.content.purposes.get(purpose)
    is_declinable = decided is not None and decided.default in {"opt_in", "opt_out"}
    return Class(name, purpose, is_declinable)
