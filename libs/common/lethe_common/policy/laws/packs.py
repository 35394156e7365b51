"""Reading the packs, and asking them."""

from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from lethe_common.policy.durations import Span
from lethe_common.policy.errors import PolicyError
from lethe_common.policy.source import Section, read

_FOLDER = Path(__file__).parent


class Entry(Section):
    """One demand of a law. `limit` is the longest time it leaves, `number` an age, `values` a list.

    Where the law says months, `months` has them and `limit` is the longest they can be.
    """

    key: str
    says: str
    source: str
    limit: Span | None = None
    months: int | None = None
    number: int | None = None
    values: tuple[str, ...] = ()
    ages: dict[str, int] = Field(default_factory=dict)
    seen_at: str | None = None
    checked: date | None = None
    note: str | None = None


class Exclusion(Section):
    """A pack that cannot be kept together with this one, and why."""

    pack: str
    why: str


class Pack(Section):
    """One law."""

    id: str
    title: str
    in_force: date
    kind: Literal["data_protection", "children", "ai"] = "data_protection"
    excludes: tuple[Exclusion, ...] = ()
    entries: tuple[Entry, ...] = Field(min_length=1)

    def entry(self, key: str) -> Entry | None:
        """What it says under a key such as `answer.access`."""
        return next((entry for entry in self.entries if entry.key == key), None)


@cache
def packs() -> Mapping[str, Pack]:
    """All packs by id."""
    read_packs = (read(file, Pack)[0] for file in sorted(_FOLDER.glob("*.yaml")))
    return MappingProxyType({one.id: one for one in read_packs})


def pack(name: str) -> Pack:
    """A pack by the name that `jurisdictions` uses.

    Raises:
        PolicyError: there is none.
    """
    try:
        return packs()[name]
    except KeyError as error:
        raise PolicyError(f"There is no law pack {name}; there are: {', '.join(packs())}.") from error


def exclusions(names: Iterable[str]) -> list[tuple[str, str, str]]:
    """Pairs among the named packs that cannot be kept together, with the reason."""
    chosen = [packs()[name] for name in names if name in packs()]
    ids = {one.id for one in chosen}
    return [(one.id, other.pack, other.why) for one in chosen for other in one.excludes if other.pack in ids]


def longest_answer(names: Iterable[str], right: str) -> list[tuple[Pack, Entry]]:
    """What each named pack says of the time for answering a request."""
    found = ((packs()[name], packs()[name].entry(f"answer.{right}")) for name in names if name in packs())
    return [(law, entry) for law, entry in found if entry is not None and entry.limit is not None]
