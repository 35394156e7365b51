"""Which clause speaks of which place of the file."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from lethe_common.policy.clauses import Clause
from lethe_common.policy.references import covers, references_in


def places_of(clause: Clause) -> tuple[str, ...]:
    """Every place a clause speaks of, by its texts' references and by `about`."""
    quoted = (reference.path for text in clause.text.values() for reference in references_in(text))
    return tuple(dict.fromkeys((*clause.about, *quoted)))


class Claims:
    """All clauses of a policy, asked by place."""

    def __init__(self, clauses: Sequence[Clause]) -> None:
        self._clauses = clauses

    @cached_property
    def _said(self) -> Mapping[str, tuple[str, ...]]:
        return {clause.id: places_of(clause) for clause in self._clauses}

    def quoting(self, place: str) -> tuple[str, ...]:
        """The clauses whose text has a value of this place, or of one inside it, in it."""
        return tuple(
            clause.id
            for clause in self._clauses
            if any(covers(place, one.path) for text in clause.text.values() for one in references_in(text))
        )

    def at(self, place: str) -> tuple[str, ...]:
        """The clauses that speak of exactly this place."""
        return tuple(clause for clause, places in self._said.items() if place in places)

    def about(self, place: str) -> tuple[str, ...]:
        """The clauses that speak of this place, or else of something inside it, or else of the nearest one around it."""
        inside = tuple(clause for clause, said in self._said.items() if any(covers(place, one) for one in said))
        around = {outer for said in self._said.values() for outer in said if covers(outer, place)}
        return self.at(place) or inside or (self.at(max(around, key=len)) if around else ())

    def nearest(self, place: str) -> tuple[str, ...]:
        """The clauses about a place, else about what surrounds it, however far; none where nobody speaks of it."""
        while place:
            found = self.about(place)
            if found:
                return found
            place = place.rpartition(".")[0]
        return ()

    def speaks_of(self, place: str) -> bool:
        """Whether a clause speaks of this place or of something inside it."""
        return any(covers(place, inner) for places in self._said.values() for inner in places)
