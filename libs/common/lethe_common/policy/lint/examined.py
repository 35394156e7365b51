"""What the rules look at, and what they answer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Literal

from lethe_common.policy.claims import Claims
from lethe_common.policy.document import PolicyFile
from lethe_common.policy.laws import Pack, packs
from lethe_common.policy.references import values_of
from lethe_common.policy.source import Place

Severity = Literal["error", "warning"]
_ASSUMED_LAW = "EU"
"""A policy that names no law is examined by the strictest pack here."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong: by which rule, at which line, in which clauses, and what to do."""

    line: int
    rule: str
    place: str
    clauses: tuple[str, ...]
    sentence: str
    advice: str
    severity: Severity = "error"


@dataclass(frozen=True)
class Examined:
    """A policy under the linter, on a day.

    `adapters` are the live adapters of the code, `held` the stores in which the code
    declares each category; None where that is not known here, then it is not compared.
    """

    content: PolicyFile
    on: date
    line: Callable[[Place], int]
    adapters: frozenset[str] | None = None
    held: Mapping[str, frozenset[str]] | None = None

    @cached_property
    def laws(self) -> tuple[Pack, ...]:
        """The packs that count."""
        names = self.content.jurisdictions or (_ASSUMED_LAW,)
        return tuple(packs()[name] for name in names if name in packs())

    @cached_property
    def values(self) -> Mapping[str, object]:
        """All values that prose may refer to."""
        return values_of(self.content)

    @cached_property
    def claims(self) -> Claims:
        """Which clause speaks of what."""
        return Claims(self.content.clauses)

    def clauses_at(self, place: str) -> tuple[str, ...]:
        """The clauses that speak of exactly this place."""
        return self.claims.at(place)

    def clauses_about(self, place: str) -> tuple[str, ...]:
        """The clauses that speak of this place, or else of something inside it, or else of the nearest one around it."""
        return self.claims.about(place)

    def speaks_of(self, place: str) -> bool:
        """Whether a clause speaks of this place or of something inside it."""
        return self.claims.speaks_of(place)

    def finding(
        self,
        rule: str,
        place: str,
        sentence: str,
        advice: str,
        *,
        at: Place = (),
        clauses: Sequence[str] | None = None,
        severity: Severity = "error",
    ) -> Finding:
        """A finding at a place of the file; its clauses are those that speak of exactly that place unless given."""
        found = self.clauses_at(place) if clauses is None else tuple(clauses)
        return Finding(self.line(at or tuple(place.split("."))), rule, place, found, sentence, advice, severity)


def grouped(categories: Iterable[tuple[str, tuple[str, ...]]]) -> dict[tuple[str, ...], list[str]]:
    """Categories by the clauses that speak of them, so that one clause is told once."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for category, clauses in categories:
        groups.setdefault(clauses, []).append(category)
    return groups
