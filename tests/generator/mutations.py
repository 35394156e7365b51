"""Every value of a policy changed, one at a time: what is lawful becomes a document, what is not names its refusal."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from pydantic import ValidationError

from lethe_common.policy.consistency import faults
from lethe_common.policy.document import PolicyFile
from lethe_common.policy.lint import lint
from lethe_common.policy.rules import ITEM, PARTS
from lethe_common.policy.source import Reading
from lethe_common.policy.trees import Keyed
from tests.generator.trees import Path_, Tree, changed, leaves, spelled
from tests.generator.values import instead_of, with_one_more, without_one

ON = date(2026, 11, 25)
"""The day on which contracts and attestations are looked at."""
Way = Literal["changed", "one less", "one more"]
_OF_THE_FILE = {("version",), ("effective",)}
"""What every version changes by being one."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a value cannot be changed so: what refuses it, and where in the file that is."""

    by: str
    place: Path_
    reason: str


@dataclass(frozen=True)
class Mutation:
    """One value of a document changed in one way. Without a `content` it is lawful in none: `refusals` of the last try."""

    path: Path_
    way: Way
    spelled: str
    old: Any
    new: Any
    tree: Tree
    content: PolicyFile | None
    refusals: tuple[Refusal, ...] = ()

    def __str__(self) -> str:
        return f"{self.spelled} {self.way}"


def mutations(tree: Tree) -> Iterator[Mutation]:
    """For each value of a document one change of it, and for each list one with an element less and one with one more."""
    for path, old in leaves(tree):
        if path in _OF_THE_FILE:
            continue
        if isinstance(old, list):
            if old:
                yield _first_lawful(tree, path, "one less", old, without_one(old))
            yield _first_lawful(tree, path, "one more", old, with_one_more(tree, path, old))
        else:
            yield _first_lawful(tree, path, "changed", old, instead_of(tree, path, old))


def changed_together(tree: Tree, path: Path_, new: Any) -> Tree:
    """The document with another value at a path, and there for each part of a generation that is kept in the very same way.

    A part that is promised otherwise than its video is lawful nowhere, so the two change in one step, as an operator's do.
    """
    document: Tree = changed(tree, path, new)
    if path[:3] != ("data", ITEM, "keep"):
        return document
    data = tree["data"]
    for part in sorted(PARTS & data.keys()):
        if data[part]["keep"] == data[ITEM]["keep"]:
            document = changed(document, ("data", part, *path[2:]), new)
    return document


def examined(tree: Tree) -> tuple[PolicyFile | None, tuple[Refusal, ...]]:
    """A document as the product reads it, and what stands against it: the schema, its own threads, or the linter."""
    try:
        content = PolicyFile.model_validate(tree)
    except ValidationError as error:
        found = [
            Refusal("schema", tuple(one["loc"]), one["msg"].removeprefix("Value error, ")) for one in error.errors()
        ]
        return None, tuple(found)
    loose = tuple(Refusal("consistency", tuple(place), sentence) for place, sentence in faults(content))
    against = loose or _linted(content)
    return None if against else content, against


def _linted(content: PolicyFile) -> tuple[Refusal, ...]:
    # Lines are looked at where a refusal is shown from a file; here nothing is in one.
    reading = Reading("policy.yaml", content, "", Keyed())
    return tuple(Refusal(one.rule, tuple(one.place.split(".")), one.sentence) for one in lint(reading, ON))


def _first_lawful(tree: Tree, path: Path_, way: Way, old: Any, candidates: Iterator[Any]) -> Mutation:
    name = spelled(tree, path)
    # A list that has all there is, or a value that has no other, cannot become anything.
    tried = Mutation(path, way, name, old, old, tree, None, (Refusal("schema", path, "there is nothing else"),))
    for new in candidates:
        document = changed_together(tree, path, new)
        content, refused = examined(document)
        tried = Mutation(path, way, name, old, new, document, content, refused)
        if content is not None:
            return tried
    return tried
