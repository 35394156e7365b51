"""Clauses: kept by something, proven by something, told in every language, and no absolute no without a proof of it."""

import re
from collections.abc import Iterator

from lethe_common.policy.clauses import NEGATIVE_PROOFS
from lethe_common.policy.lint.examined import Examined, Finding

_VERBS = (
    "collect|stor|keep|kept|retain|process|analy[sz]|comput|shar|sell|sold|view|look|see|identif|train|send|sent|pass|"
    "reach|receiv|reside|on our servers"
)
_ABSOLUTE = {
    "en": re.compile(
        rf"\b(?:never|nobody|no one|none of our)\b[^.;]*\b(?:{_VERBS})"
        rf"|\b(?:do|does|is|are|will|can|have|has)\s+not\b[^.;]*\b(?:{_VERBS})"
        rf"|\bno\s+[^.;]*\b(?:is|are|may|can)\s+(?:{_VERBS})",
        re.IGNORECASE,
    ),
    "ru": re.compile(r"\b(?:никогда|никто|ни один|ни одна)\b|\bне\s+(?:собира|хран|обраба|переда|прода|просматрива|использ)", re.IGNORECASE),
}  # fmt: skip


def mechanism(examined: Examined) -> Iterator[Finding]:
    """no-mechanism, no-proof: a sentence that nothing keeps, or nothing shows."""
    for at, clause in enumerate(examined.content.clauses):
        if not clause.mechanism:
            yield examined.finding(
                "no-mechanism", f"clauses.{clause.id}", f"Nothing keeps {clause.id}.", "State its mechanism.",
                at=("clauses", at), clauses=(clause.id,),
            )  # fmt: skip
        if not clause.proof:
            yield examined.finding(
                "no-proof", f"clauses.{clause.id}", f"Nothing proves {clause.id}.", "State its proofs; stmt if it only states.",
                at=("clauses", at), clauses=(clause.id,),
            )  # fmt: skip


def translations(examined: Examined) -> Iterator[Finding]:
    """no-translation: a language of the policy in which a clause is silent."""
    for at, clause in enumerate(examined.content.clauses):
        missing = [language for language in examined.content.languages if language not in clause.text]
        if missing:
            yield examined.finding(
                "no-translation", f"clauses.{clause.id}.text",
                f"{clause.id} has no text in {', '.join(missing)}.",
                "Write the sentence in each language of the policy.",
                at=("clauses", at), clauses=(clause.id,),
            )  # fmt: skip


def absolute(examined: Examined) -> Iterator[Finding]:
    """absolute-negation: that something never happens is shown by looking for it."""
    for at, clause in enumerate(examined.content.clauses):
        is_absolute = any(_ABSOLUTE[language].search(text) for language, text in clause.text.items())
        if is_absolute and not NEGATIVE_PROOFS & set(clause.proof):
            yield examined.finding(
                "absolute-negation", f"clauses.{clause.id}",
                f"{clause.id} says that something never happens, and no proof looks for it.",
                "Add a proof that can show an absence (can, cap, sch or neg), or say less.",
                at=("clauses", at), clauses=(clause.id,),
            )  # fmt: skip


RULES = (mechanism, translations, absolute)
