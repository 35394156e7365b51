"""What a policy's YAML says, read without the product: values by place, texts by language, what a clause speaks of."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from functools import cache, cached_property
from typing import Any, TypeVar

from tests.generator.trees import Tree

T = TypeVar("T")

_REFERENCE = re.compile(r"\{([^{}:]+)(?::gen)?\}")
_LANGUAGES = {"en", "ru"}
_NAMES = ("id", "name", "what")
Told = Any
"""What is told of a value: the raw values that somebody who reads it learns, in their order."""


class Document:
    """One policy file."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.languages: list[str] = tree["languages"]
        self.data: Mapping[str, Any] = tree["data"]
        self.clauses: list[Any] = tree["clauses"]
        self.recipients: list[Any] = tree.get("recipients", [])
        self._known: dict[tuple[str, ...], Any] = {}

    @cached_property
    def claims(self) -> "Claims":
        return Claims(self.clauses)

    def once(self, what: tuple[str, ...], work_out: Callable[[], T]) -> T:
        """What is worked out of a document, which does not change: once, however often it is asked for."""
        if what not in self._known:
            self._known[what] = work_out()
        found: T = self._known[what]
        return found

    def text(self, texts: Mapping[str, str], language: str) -> str:
        """A text in a language, else in the first language of the policy, else in whichever there is."""
        return texts.get(language) or texts.get(self.languages[0]) or next(iter(texts.values()))

    def label(self, category: str, language: str) -> str:
        """What a category is called."""
        label = self.data[category].get("label")
        return self.text(label, language) if label else category

    def purpose(self, name: str, language: str) -> str:
        """What a purpose is told as."""
        return self.text(self.tree["purposes"][name]["text"], language)

    def told(self, place: str, language: str) -> Told:
        """What a reference to a place tells."""
        if place == "forgetting.horizon":
            # The one value that is worked out from others: how long a key can still come back.
            said = self.tree.get("forgetting", {})
            return tuple(said.get(key) for key in ("rotation", "key_backups", "destroy_delay"))
        return self._told(_found(self.tree, place.split(".")), language)

    def _told(self, node: Any, language: str) -> Told:
        if isinstance(node, list):
            return tuple(self._told(one, language) for one in node)
        if isinstance(node, Mapping):
            return self._told_of(node, language)
        return moment(node) if isinstance(node, date) else node

    def _told_of(self, node: Mapping[str, Any], language: str) -> Told:
        """An entry is told by its text or label, with its name if it has one; else by what it is called; else whole."""
        if node.keys() <= _LANGUAGES:
            return self.text(node, language)
        words = next((node[key] for key in ("text", "label") if node.get(key)), None)
        if words is not None:
            return node.get("name"), self.text(words, language)
        name = next((node[key] for key in ("name", "what", "id") if node.get(key)), None)
        if name is not None:
            return name
        whole = [(key, self._told(one, language)) for key, one in node.items()]
        has_parts = all(isinstance(one, Mapping) for one in node.values())
        return tuple(told for _, told in whole) if has_parts else tuple(whole)


class Claims:
    """Which clauses speak of a place, by their references and by `about`."""

    def __init__(self, clauses: list[Any]) -> None:
        self._at: dict[str, list[str]] = {}
        for clause in clauses:
            for place in dict.fromkeys((*clause.get("about", ()), *_spoken(clause))):
                self._at.setdefault(place, []).append(clause["id"])
        order = [clause["id"] for clause in clauses]
        inside: dict[str, set[str]] = {}
        for place, ids in self._at.items():
            for outer in _outward(place):
                inside.setdefault(outer, set()).update(ids)
        self._inside = {outer: tuple(one for one in order if one in ids) for outer, ids in inside.items()}

    def behind(self, place: str) -> tuple[str, ...]:
        """Exactly of it; or else of something in it; or else of exactly the nearest around it; or of something in that."""
        if place not in self._at and place in self._inside:
            return self._inside[place]
        exactly = next((self._at[outer] for outer in _outward(place) if outer in self._at), None)
        if exactly is not None:
            return tuple(exactly)
        return next((self._inside[outer] for outer in _outward(place) if outer in self._inside), ())


def references(text: str) -> tuple[str, ...]:
    """The places a sentence quotes."""
    return _references(text)


def moment(value: Any) -> str:
    """A date as people read it: to the minute, in UTC."""
    return value.strftime("%Y-%m-%dT%H:%M") if isinstance(value, datetime) else f"{value.isoformat()}T00:00"


@cache
def _references(text: str) -> tuple[str, ...]:
    return tuple(_REFERENCE.findall(text))


def _spoken(clause: Mapping[str, Any]) -> Iterator[str]:
    return (place for text in clause["text"].values() for place in references(text))


def _outward(place: str) -> Iterator[str]:
    while place:
        yield place
        place = place.rpartition(".")[0]


def _found(node: Any, steps: list[str]) -> Any:
    """The value at a place, of which keys may have dots; what the file does not state is as the schema has it."""
    if not steps:
        return node
    for length in range(len(steps), 0, -1):
        for child in _children(node, ".".join(steps[:length])):
            found = _found(child, steps[length:])
            if found is not None:
                return found
    return None


def _children(node: Any, name: str) -> list[Any]:
    if isinstance(node, Mapping):
        return [node[name]] if name in node else []
    if isinstance(node, list):
        return [one for one in node if isinstance(one, Mapping) and name in {one.get(key) for key in _NAMES}]
    return []
