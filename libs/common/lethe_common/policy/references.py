"""References from prose into the file: `{data.output.video.keep.exactly.free}`.

A path is the keys from the top, joined by dots; keys may themselves have dots
(`output.video`), so the longest key that fits is taken. In a list, an entry is
named by its `id`, `name` or `what`. `:gen` at the end asks for the genitive,
which Russian needs after "no later than".
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from lethe_common.policy.document import PolicyFile
from lethe_common.policy.errors import UnknownReference

_WRITTEN = re.compile(r"\{([^{}]+)\}")
_CASE = ":gen"
_NAMES = ("id", "name", "what")
_TEXTS_MOST = 4096
"""So many texts are remembered in pieces: those of a few versions, which mostly say the same."""
_PATHS_MOST = 4096
"""So many paths are remembered with their keys, in the same way."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference of a text."""

    path: str
    is_genitive: bool = False

    def __str__(self) -> str:
        return f"{{{self.path}{_CASE if self.is_genitive else ''}}}"


@lru_cache(_TEXTS_MOST)
def references_in(text: str) -> tuple[Reference, ...]:
    """All references of a text, in its order."""
    return tuple(piece for piece in pieces(text) if isinstance(piece, Reference))


@lru_cache(_TEXTS_MOST)
def pieces(text: str) -> tuple[str | Reference, ...]:
    """A text as the words between references, and the references."""
    parts = _WRITTEN.split(text)
    return tuple(_reference(part) if place % 2 else part for place, part in enumerate(parts))


def values_of(content: PolicyFile) -> Mapping[str, object]:
    """All values of a file by key, as plain as JSON, periods as they are written; clauses are left out."""
    return content.model_dump(mode="json", by_alias=True, exclude={"clauses"})


def value_at(values: Mapping[str, object], path: str) -> object:
    """The value at a path.

    Raises:
        UnknownReference: the file has no such place.
    """
    found = _find(values, path)
    if found is None:
        raise UnknownReference(f"The policy has nothing at {path}.")
    return found[0]


def covers(outer: str, inner: str) -> bool:
    """Whether a place is another one, or has it inside."""
    return inner == outer or inner.startswith(f"{outer}.")


def _reference(written: str) -> Reference:
    return Reference(written.removesuffix(_CASE), written.endswith(_CASE))


def _find(node: object, path: str | None) -> tuple[object] | None:
    """The value in a tuple of one, so that a value of None is told from no value."""
    if path is None:
        return (node,)
    for name, rest in _first_keys(path):
        for child in _children(node, name):
            found = _find(child, rest)
            if found is not None:
                return found
    return None


@lru_cache(_PATHS_MOST)
def _first_keys(path: str) -> tuple[tuple[str, str | None], ...]:
    """What the first key of a path may be, and what is left of the path then; the longest, which leaves nothing, first."""
    steps = path.split(".")
    shorter = ((".".join(steps[:length]), ".".join(steps[length:])) for length in range(len(steps) - 1, 0, -1))
    return ((path, None), *shorter)


def _children(node: object, name: str) -> Iterable[object]:
    # What a file holds is plain: asking for a dict is far quicker than asking for any mapping.
    if isinstance(node, dict):
        return [node[name]] if name in node else []
    if isinstance(node, list):
        return [one for one in node if isinstance(one, dict) and any(one.get(key) == name for key in _NAMES)]
    return []
