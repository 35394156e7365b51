"""What a policy has people decide: which purposes rest on their consent or end with their objection. Pure.

Consent is given to words. Their digest goes into the record and stands beside the
consent, so that it counts for as long as the policy asks for the same thing in the
same words, and is asked for again when it does not. An objection never lapses.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from lethe_common.clock import Clock
from lethe_common.policy import Policy, PolicyBook
from lethe_common.policy.languages import Language, in_language
from lethe_common.policy.training import is_prohibited
from lethe_common.purposes import Standing

TERMS = "terms"
"""The name under which the acceptance of the terms is recorded; it is no purpose."""


class Choice(StrEnum):
    """What somebody decided, as the ledger of choices has it."""

    CONSENTED = "consented"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    OBJECTED = "objected"
    OBJECTION_ENDED = "objection_ended"
    ACCEPTED = "accepted"


class Way(StrEnum):
    """How a choice reached us."""

    SIGN_UP = "sign_up"
    SETTINGS = "settings"
    LINK = "link"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class Asked:
    """One purpose as people are asked about it.

    `data` and `recipients` are what it concerns and who receives it, in people's words.
    `text_hash` is the SHA-256 (hex) of all that is shown.
    """

    purpose: str
    default: Literal["opt_in", "opt_out"]
    where: Literal["sign_up", "first_use", "settings"]
    is_condition: bool
    text: str
    language: Language
    data: tuple[str, ...]
    recipients: tuple[str, ...]
    features_lost: tuple[str, ...]

    @property
    def text_hash(self) -> str:
        """Names what was shown."""
        shown = [self.purpose, self.default, self.text, self.data, self.recipients, self.features_lost]
        return hashlib.sha256(json.dumps(shown, ensure_ascii=False).encode()).hexdigest()


def asked(policy: Policy, language: Language) -> Mapping[str, Asked]:
    """What people decide under a policy, by purpose; in its default language where it has no words in this one."""
    return {
        name: one
        for name, purpose in policy.content.purposes.items()
        if purpose.default in {"opt_in", "opt_out"} and (one := _asked(policy, name, language)) is not None
    }


def _asked(policy: Policy, name: str, language: Language) -> Asked | None:
    purpose = policy.content.purposes[name]
    if purpose.default not in {"opt_in", "opt_out"} or is_prohibited(policy.content, name):
        return None
    text, told_in = in_language(purpose.text, language, policy.languages[0])
    used = {
        category: rule
        for category, rule in policy.content.data.items()
        if any(use.purpose == name for use in rule.uses)
    }
    labels = tuple(
        in_language(rule.label, told_in, policy.languages[0])[0] if rule.label else category
        for category, rule in used.items()
    )
    receiving = tuple(one.name for one in policy.content.recipients if name in one.purposes)
    return Asked(
        name, purpose.default, purpose.ask, purpose.condition, text, told_in, labels, receiving, purpose.features_lost
    )


def texts_of(policy: Policy) -> frozenset[tuple[str, str]]:
    """Every purpose with each digest of words that a consent to it may have been given to."""
    return frozenset(
        (name, one.text_hash) for language in policy.languages for name, one in asked(policy, language).items()
    )


def texts_in_force(book: PolicyBook, clock: Clock) -> Callable[[], frozenset[tuple[str, str]]]:
    """The same of the version that counts, asked for each decision."""
    by_hash = {policy.hash: texts_of(policy) for policy in book.versions}
    return lambda: by_hash[book.governing(clock.now()).hash]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A subject's choices as they rest: consents as `purpose:digest of its words`, and purposes objected to."""

    consents: tuple[str, ...] = ()
    objections: tuple[str, ...] = ()

    def consent_to(self, purpose: str) -> str | None:
        """The digest of the words that were consented to, which may be others by now."""
        return next((text for name, text in _split(self.consents) if name == purpose), None)

    def standing(self, texts: frozenset[tuple[str, str]]) -> Standing:
        """What counts under a policy of these words."""
        given = frozenset(name for name, text in _split(self.consents) if (name, text) in texts)
        return Standing(given, frozenset(self.objections))

    def after(self, purpose: str, text_hash: str, choice: Choice) -> "Chosen":
        """The choices once this one is made."""
        consents = tuple(one for one in self.consents if not one.startswith(f"{purpose}:"))
        objections = tuple(one for one in self.objections if one != purpose)
        if choice is Choice.CONSENTED:
            consents = (*consents, f"{purpose}:{text_hash}")
        if choice is Choice.OBJECTED:
            objections = (*objections, purpose)
        return Chosen(consents, objections)


def choice_of(asked_of: Asked, chosen: Chosen, *, is_allowed: bool, is_new: bool) -> Choice | None:
    """What saying yes or no to a purpose means where one stands; None when it changes nothing.

    `is_new`: nothing was ever said of this purpose, so that even a no is worth a line.
    """
    if asked_of.default == "opt_out":
        if is_allowed is (asked_of.purpose not in chosen.objections):
            return None
        return Choice.OBJECTION_ENDED if is_allowed else Choice.OBJECTED
    given = chosen.consent_to(asked_of.purpose)
    if is_allowed:
        return None if given == asked_of.text_hash else Choice.CONSENTED
    if given is not None:
        return Choice.WITHDRAWN
    return Choice.REFUSED if is_new else None


def _split(consents: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, text) for name, _, text in (one.rpartition(":") for one in consents)]
