"""What a value could be changed to, by what the schema says may stand there: the first lawful one is taken."""

import re
import types
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from lethe_common.policy.document import PolicyFile
from lethe_common.policy.laws import packs
from tests.generator.trees import Path_, Tree

_PERIOD = re.compile(r"P(?:T?\d+[YMWDHS])+(?:T(?:\d+[HMS])+)?")
_WORKING_DAYS = re.compile(r"(\d+)bd")
_LAST_NUMBER = re.compile(r"\d+(?=\D*$)")
_GROUNDS = ("A6-1-b", "A6-1-c", "A6-1-f", "A6-1-a", "contract", "legal_obligation", "legitimate_interest", "consent")
_COUNTRIES = ("SI", "IE", "DE", "MD", "RU", "US")
_PRECISION = {"ip": ("/16", "/20"), "geo": ("region", "city"), "user_agent": ("none", "major version")}
_LANGUAGES = {"en", "ru"}


def instead_of(tree: Tree, path: Path_, old: Any) -> Iterator[Any]:
    """Other values for a single one, the likeliest to be lawful first."""
    options = _options(_annotation(path))
    if options:
        yield from (one for one in options if one != old)
    elif isinstance(old, bool):
        yield not old
    elif isinstance(old, int):
        yield from (old + 1, old - 1)
    elif isinstance(old, date):
        yield from (old + timedelta(days=1), old - timedelta(days=1))
    elif old is None:
        yield from _free(str(path[-1]), "")
    else:
        yield from (one for one in _texts(tree, path, str(old)) if one != old)


def without_one(old: list[Any]) -> Iterator[list[Any]]:
    """A list without one of its elements, the last one first."""
    for place in reversed(range(len(old))):
        yield [*old[:place], *old[place + 1 :]]


def with_one_more(tree: Tree, path: Path_, old: list[Any]) -> Iterator[list[Any]]:
    """A list with an element more, at its end."""
    if old and isinstance(old[0], Mapping):
        yield from ([*old, entry] for model in old for entry in _another(tree, path, model))
    elif path == ("permissions",):
        yield [{"id": "camera", "purpose": "service", "text": dict.fromkeys(tree["languages"], "camera")}]
    else:
        sample = old[0] if old else ""
        for one in instead_of(tree, (*path, 0), sample):
            if one not in old:
                yield [*old, one]


def _another(tree: Tree, path: Path_, entry: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """An entry like one that is there, under another name."""
    if entry.keys() <= _LANGUAGES:
        yield {language: f"{text} 2" for language, text in entry.items()}
    name = next((key for key in ("id", "name", "what", "purpose") if key in entry), None)
    if name is not None:
        for other in instead_of(tree, (*path, 0, name), entry[name]):
            yield {**entry, name: other}


def _texts(tree: Tree, path: Path_, old: str) -> Iterator[str]:
    field = next((step for step in reversed(path) if isinstance(step, str)), "")
    referred = _referred(tree, path, field)
    if referred is not None:
        yield from referred
    elif (days := _WORKING_DAYS.fullmatch(old)) or old == "at_once":
        yield from ((f"{int(days[1]) - 1}bd", f"{int(days[1]) + 1}bd") if days else ("P1D",))
    elif _PERIOD.fullmatch(old):
        yield from (_longer(old, 1), _longer(old, -1), {"PT1H": "PT30M"}.get(old, old))
    elif field in _LANGUAGES:
        yield f"{old} {'So it stands.' if field == 'en' else 'Так и есть.'}"
    elif path[0] == "clauses" and field == "id":
        yield f"{old.rpartition('-')[0]}-9{old.rpartition('-')[2][-2:]}"
    elif path[0] == "recipients" and field == "id":
        yield f"{old}_two"
    else:
        yield from _free(field, old)


def _longer(period: str, by: int) -> str:
    return _LAST_NUMBER.sub(lambda number: str(int(number[0]) + by), period)


def _free(field: str, old: str) -> Iterator[str]:
    if field in {"country", "calendar", "residency"}:
        yield from _COUNTRIES
    elif field in _PRECISION:
        yield from _PRECISION[field]
    elif "://" in old or old.startswith("/"):
        yield f"{old}-2"
    elif "@" in old:
        yield f"second.{old}"
    elif " " in old:
        yield f"{old}, second"
    else:
        yield f"{old}_2"


def _referred(tree: Tree, path: Path_, field: str) -> list[str] | None:
    """Names that this value can only take from elsewhere in the file, or from a law pack."""
    categories, purposes = list(tree["data"]), list(tree["purposes"])
    if "basis" in path:
        return list(_GROUNDS)
    if path[0] == "clauses":
        places = [*(f"data.{category}" for category in categories), *(f"purposes.{one}" for one in purposes)]
        return places if field == "about" else None
    known = {
        "purpose": purposes, "purposes": purposes, "with": categories, "data": categories, "jurisdictions": list(packs()),
        "recipient": [one["id"] for one in tree.get("recipients", [])],
    }  # fmt: skip
    return known.get(field)


def _annotation(path: Path_) -> Any:
    """What the schema says of a path."""
    found: Any = PolicyFile
    for step in path:
        found = _inside(found, step)
    return found


def _inside(annotation: Any, step: str | int) -> Any:
    for one in _members(annotation):
        if isinstance(one, type) and issubclass(one, BaseModel):
            for name, field in one.model_fields.items():
                if step in {name, field.alias}:
                    return field.annotation
        elif get_origin(one) in {dict, tuple, list}:
            return get_args(one)[1 if get_origin(one) is dict else 0]
    return None


def _members(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        return [inner for one in get_args(annotation) for inner in _members(one)]
    return [annotation]


def _options(annotation: Any) -> list[str]:
    """All that may stand there, where the schema lists it."""
    found: list[str] = []
    for one in _members(annotation):
        if get_origin(one) is Literal:
            found += get_args(one)
        elif isinstance(one, type) and issubclass(one, StrEnum):
            found += [str(member) for member in one]
    return found
