"""A policy as its YAML says it, plain: every value by its path, and the same document with one value changed."""

import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from lethe_common.policy.source import read_yaml

Path_ = tuple[str | int, ...]
Tree = dict[str, Any]
_NAMES = ("id", "name", "what", "purpose")


def tree_of(file: Path) -> Tree:
    """The file's content without its comments."""
    read: Tree = _plain(read_yaml(file))
    return read


def leaves(node: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Every value; a list is told once as itself, and then come its elements."""
    if isinstance(node, Mapping):
        for key, child in node.items():
            yield from leaves(child, (*path, key))
        return
    yield path, node
    if isinstance(node, list):
        for at, child in enumerate(node):
            if isinstance(child, Mapping | list):
                yield from leaves(child, (*path, at))
            else:
                yield (*path, at), child


def at(node: Any, path: Path_) -> Any:
    """What is at a path; None where nothing is."""
    for step in path:
        if isinstance(node, Mapping):
            node = node.get(step)
        elif isinstance(node, list) and isinstance(step, int) and step < len(node):
            node = node[step]
        else:
            return None
    return node


def changed(node: Any, path: Path_, value: Any) -> Any:
    """The same tree with another value at a path; what is not on the way to it is shared with the first one."""
    if not path:
        return value
    step, *rest = path
    copy: Any = dict(node) if isinstance(node, Mapping) else list(node)
    copy[step] = changed(node[step], tuple(rest), value)
    return copy


def there(tree: Any, place: Path_) -> Path_:
    """The deepest part of a place that is in a tree; the place as a path, or as its names, of which some have dots."""
    if not place:
        return ()
    for length in range(len(place), 0, -1):
        name = place[0] if length == 1 else ".".join(map(str, place[:length]))
        for step, child in _named(tree, name):
            return (step, *there(child, place[length:]))
    # A union's own name for one of its members stands in a fault's place, and in no file.
    return there(tree, place[1:])


def spelled(tree: Any, path: Path_) -> str:
    """A path for people: entries of a list by what they are called."""
    steps = []
    for place, step in enumerate(path):
        entry = at(tree, path[: place + 1])
        named = next((str(entry[key]) for key in _NAMES if entry.get(key)), "") if isinstance(entry, Mapping) else ""
        steps.append(named if isinstance(step, int) and named else str(step))
    return ".".join(steps)


def _named(node: Any, name: str | int) -> Iterator[tuple[str | int, Any]]:
    if isinstance(node, Mapping) and name in node:
        yield str(name), node[name]
    if isinstance(node, list):
        yield from (
            (step, one)
            for step, one in enumerate(node)
            if name == step or (isinstance(one, Mapping) and name in {one.get(key) for key in _NAMES})
        )


def written(tree: Tree) -> tuple[str, dict[Path_, int]]:
    """A document as a file with each value on a line of its own, and the line (from 1) of each path."""
    lines: list[str] = []
    places: dict[Path_, int] = {}
    for key, value in tree.items():
        _write(lines, places, (key,), value)
    return "\n".join(lines) + "\n", places


def _write(lines: list[str], places: dict[Path_, int], path: Path_, value: Any) -> None:
    key = f"{json.dumps(path[-1], ensure_ascii=False)}:" if isinstance(path[-1], str) else "-"
    is_whole = not isinstance(value, Mapping | list) or not value
    lines.append("  " * (len(path) - 1) + (f"{key} {_scalar(value)}" if is_whole else key))
    # Where an entry of a list has lines of its own, it stands where the first of them does.
    places[path] = len(lines) + (not is_whole and key == "-")
    inner = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for step, child in inner:
        _write(lines, places, (*path, step), child)


def _scalar(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else json.dumps(value, ensure_ascii=False)


def _plain(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {str(key): _plain(child) for key, child in node.items()}
    if isinstance(node, list):
        return [_plain(child) for child in node]
    if isinstance(node, str):
        return str(node)
    return bool(node) if isinstance(node, bool) else int(node) if isinstance(node, int) else _dated(node)


def _dated(node: Any) -> Any:
    return date(node.year, node.month, node.day) if isinstance(node, date) else node
