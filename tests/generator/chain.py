"""Mutations as successive versions of a policy: each differs from the one before it by a single value."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from lethe_common.policy.document import PolicyFile
from tests.generator.mutations import Mutation, changed_together, examined
from tests.generator.silent import general
from tests.generator.trees import Path_, Tree, at, changed, spelled, written
from tests.generator.values import instead_of
from tests.unit.common.policy_files import PROFILES

BETWEEN = timedelta(seconds=1)
"""From one version's instant to the next one's, so that the second before a version is the instant of the one before it."""
_KINDS = {"a period": re.compile(r"^P(T?[0-9]+[A-Z])+$|^[0-9]+bd$"), "a text": re.compile(" ")}
_ANOTHER_BOOK = ("profile",)


@dataclass(frozen=True, slots=True)
class Step:
    """One version: which value it changes, and the whole of it, with its number and instant."""

    name: str
    effective: datetime
    tree: Tree


def chain(base: Tree, mutated: Iterable[Mutation], first_at: datetime) -> list[Step]:
    """The versions after the base. Where two changes don't go together, the earlier ones are taken back, one by one."""
    steps: list[Step] = []
    for name, tree in _trees(base, mutated):
        effective = first_at + len(steps) * BETWEEN
        numbered = changed(changed(tree, ("version",), len(steps) + 2), ("effective",), effective)
        steps.append(Step(name, effective, numbered))
    return steps


def of_each_kind(mutated: Iterable[Mutation], turn: int) -> list[Mutation]:
    """One lawful mutation of each kind of value in each part of the file, another one every `turn`."""
    kinds: dict[tuple[object, ...], list[Mutation]] = {}
    for mutation in running(mutated):
        kinds.setdefault((mutation.path[0], mutation.way, _kind(mutation)), []).append(mutation)
    return [found[turn % len(found)] for found in kinds.values()]


def on_policy_change(tree: Tree) -> list[Mutation]:
    """The period of videos on the first plan goes up and down under each choice of `on_policy_change`."""
    keep = tree["data"]["output.video"]["keep"]
    period = (
        "data",
        "output.video",
        "keep",
        *(("exactly", next(iter(keep["exactly"]))) if "exactly" in keep else ("at_most",)),
    )
    choice = ("data", "output.video", "on_policy_change")
    short = at(tree, period)
    longer, longest = (next(instead_of(tree, period, one)) for one in (short, next(instead_of(tree, period, short))))
    moves: list[tuple[Path_, Any, Any]] = [
        (period, short, longer), (period, longer, short), (choice, "longest", "new"), (period, short, longest),
        (choice, "new", "at_creation"), (period, longest, short), (choice, "at_creation", "longest"),
    ]  # fmt: skip
    return [
        Mutation(path, "changed", f"{spelled(tree, path)} {old} to {new}", old, new, *_lawful(tree, path, new))
        for path, old, new in moves
    ]


def running(mutated: Iterable[Mutation]) -> Iterator[Mutation]:
    """Those that can be a version of the same book."""
    return (one for one in mutated if one.content is not None and one.path != _ANOTHER_BOOK)


def book(folder: Path, profile: str, steps: Iterable[Step]) -> Path:
    """A profile's folder with all these versions."""
    folder.mkdir(parents=True)
    for file in ("policy.yaml", "catalogue.yaml"):
        (folder / file).write_bytes((PROFILES / profile / file).read_bytes())
    for step in steps:
        (folder / f"policy-{step.tree['version']:04}.yaml").write_text(written(step.tree)[0])
    return folder


def _lawful(tree: Tree, path: Path_, new: Any) -> tuple[Tree, PolicyFile]:
    document = changed_together(tree, path, new)
    content, refused = examined(document)
    assert content is not None, refused
    return document, content


def _kind(mutation: Mutation) -> str:
    """A text in a language, a period, an enumeration, a name of something else in the file, and so on."""
    if isinstance(mutation.old, str):
        return next((name for name, is_one in _KINDS.items() if is_one.search(mutation.old)), general(mutation.path))
    return type(mutation.old).__name__


def _trees(base: Tree, mutated: Iterable[Mutation]) -> Iterator[tuple[str, Tree]]:
    current, applied = base, list[tuple[Path_, Tree]]()
    for mutation in mutated:
        while not _fits(current, mutation):
            path, current = applied.pop()
            yield f"{mutation.spelled} needs {'.'.join(map(str, path))} as it was", current
        applied.append((mutation.path, current))
        current = changed_together(current, mutation.path, mutation.new)
        yield str(mutation), current


def _fits(current: Tree, mutation: Mutation) -> bool:
    is_there = at(current, mutation.path) == mutation.old
    return is_there and examined(changed_together(current, mutation.path, mutation.new))[0] is not None
