"""Which clause speaks of which place of the file."""

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache

from lethe_common.policy.clauses import Clause
from lethe_common.policy.references import covers, references_in

_PLACES_MOST = 4096
"""So many places are remembered with those around them: those of a few versions, which are mostly the same."""


def places_of(clause: Clause) -> tuple[str, ...]:
    """Every place a clause speaks of, by its texts' references and by `about`."""
    quoted = (reference.path for text in clause.text.values() for reference in references_in(text))
    return tuple(dict.fromkeys((*clause.about, *quoted)))


class Claims:
    """All clauses of a policy, asked by place. A page asks for each of its rows, so nothing is searched through."""

    def __init__(self, clauses: Sequence[Clause]) -> None:
        self._clauses = clauses
        self._nearest: dict[str, tuple[str, ...]] = {}

    def quoting(self, place: str) -> tuple[str, ...]:
        """The clauses whose text has a value of this place, or of one inside it, in it."""
        return tuple(
            clause.id
            for clause in self._clauses
            if any(covers(place, one.path) for text in clause.text.values() for one in references_in(text))
        )

    def at(self, place: str) -> tuple[str, ...]:
        """The clauses that speak of exactly this place."""
        return tuple(self._at.get(place, ()))

    def about(self, place: str) -> tuple[str, ...]:
        """The clauses that speak of this place, or else of something inside it, or else of the nearest one around it."""
        if self.speaks_of(place):
            return self.at(place) or tuple(self._within[place])
        around = next((outer for outer in _outward(place) if outer in self._at), "")
        return self.at(around)

    def nearest(self, place: str) -> tuple[str, ...]:
        """The clauses about a place, else about what surrounds it, however far; none where nobody speaks of it."""
        if place not in self._nearest:
            self._nearest[place] = next((found for outer in _outward(place) if (found := self.about(outer))), ())
        return self._nearest[place]

    def speaks_of(self, place: str) -> bool:
        """Whether a clause speaks of this place or of something inside it."""
        return place in self._within

    @cached_property
    def _at(self) -> Mapping[str, Sequence[str]]:
        said: dict[str, list[str]] = {}
        for clause, places in self._places:
            for place in places:
                said.setdefault(place, []).append(clause)
        return said

    @cached_property
    def _within(self) -> Mapping[str, Sequence[str]]:
        """By each place, the clauses that speak of it or of something inside it; each once, in the file's order."""
        said: dict[str, dict[str, None]] = {}
        for clause, places in self._places:
            for place in places:
                for outer in _outward(place):
                    said.setdefault(outer, {})[clause] = None
        return {outer: tuple(clauses) for outer, clauses in said.items()}

    @cached_property
    def _places(self) -> Sequence[tuple[str, tuple[str, ...]]]:
        return [(clause.id, places_of(clause)) for clause in self._clauses]


@lru_cache(_PLACES_MOST)
def _outward(place: str) -> tuple[str, ...]:
    """A place, and every one around it, the nearest first."""
    steps = place.split(".") if place else ()
    return tuple(".".join(steps[:length]) for length in range(len(steps), 0, -1))
