"""A file as single values by path, so that two files can be compared value by value."""

from collections.abc import Iterator, Mapping
from typing import cast

from lethe_common.policy.document import PolicyFile
from lethe_common.policy.languages import LANGUAGES

Path = tuple[str, ...]
_NAMES = ("id", "name", "what")
_KEYED = frozenset({"data", "purposes", "recipients", "cookies", "permissions", "mail", "attestations", "clauses"})
"""Parts whose entries come and go as a whole."""
_ABOUT_THE_FILE = frozenset({"version", "effective"})


def leaves(content: PolicyFile) -> dict[Path, object]:
    """Every value by its path; what says nothing (null, an empty list) is left out."""
    dumped = content.model_dump(mode="json", by_alias=True, exclude_defaults=False)
    return {path: value for path, value in _walk((), dumped) if path[0] not in _ABOUT_THE_FILE}


def entry_of(path: Path) -> Path | None:
    """The entry of a keyed part that a path lies in, such as one category or one recipient."""
    return path[:2] if path[0] in _KEYED and len(path) > 1 else None


def _walk(path: Path, node: object) -> Iterator[tuple[Path, object]]:
    if isinstance(node, Mapping):
        if node and node.keys() <= set(LANGUAGES):
            yield path, node
            return
        for key, child in node.items():
            yield from _walk((*path, str(key)), child)
    elif isinstance(node, list) and node and all(_name(one) for one in node):
        for one in cast("list[Mapping[str, object]]", node):
            yield from _walk((*path, _name(one)), one)
    elif node not in (None, [], {}, ""):
        yield path, node


def _name(one: object) -> str:
    return next((str(one[key]) for key in _NAMES if one.get(key)), "") if isinstance(one, Mapping) else ""
