"""The published sentences: a clause's text with its references filled in, in one language."""

from collections.abc import Collection
from dataclasses import dataclass

from lethe_common.policy.clauses import Clause, Part
from lethe_common.policy.languages import Language, in_language
from lethe_common.policy.policy import Policy
from lethe_common.policy.references import Reference, pieces, references_in, value_at
from lethe_common.policy.wording import Wording


@dataclass(frozen=True, slots=True)
class Sentence:
    """What one clause says. `language` is the policy's default one where the clause lacks the one asked for."""

    clause: str
    part: Part
    text: str
    language: Language


def sentence(policy: Policy, clause: Clause, language: Language) -> Sentence:
    """One clause as it is published.

    Raises:
        UnknownReference: its text refers to what is not there, or has no value.
    """
    text, told_in = in_language(clause.text, language, policy.languages[0])
    wording = Wording(told_in, policy.languages[0])
    filled = "".join(piece if isinstance(piece, str) else _value(policy, wording, piece) for piece in pieces(text))
    return Sentence(clause.id, clause.part, filled, told_in)


def sentences(policy: Policy, language: Language, parts: Collection[Part] | None = None) -> list[Sentence]:
    """Every clause, or every one of some parts, in the file's order.

    Raises:
        UnknownReference: as `sentence`.
    """
    told = [clause for clause in policy.content.clauses if parts is None or clause.part in parts]
    return [sentence(policy, clause, language) for clause in told]


def sentences_saying(policy: Policy, place: str, language: Language) -> list[Sentence]:
    """The sentences that change when the value at a place, or inside it, does."""
    quoting = policy.claims.quoting(place)
    return [sentence(policy, policy.clauses[clause], language) for clause in quoting]


def values_in(policy: Policy, clause: Clause, language: Language) -> dict[str, str]:
    """Each reference of a clause and how it reads, for a page that shows where a number comes from."""
    text, told_in = in_language(clause.text, language, policy.languages[0])
    wording = Wording(told_in, policy.languages[0])
    return {reference.path: _value(policy, wording, reference) for reference in references_in(text)}


def _value(policy: Policy, wording: Wording, reference: Reference) -> str:
    value = value_at(policy.values, reference.path)
    return wording.of(value, reference.path, is_genitive=reference.is_genitive)
