"""The keys that a Pydantic model writes as JSON, as the catalogue names them: dotted, lists passed through."""

import typing
from collections.abc import Iterator

from pydantic import BaseModel


def paths(model: type[BaseModel], before: str = "") -> frozenset[str]:
    """Every key that holds a value, not those that only hold further keys."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        inner = [each for each in _parts(field.annotation) if isinstance(each, type) and issubclass(each, BaseModel)]
        for each in inner:
            found |= paths(each, f"{before}{name}.")
        if not inner:
            found.add(f"{before}{name}")
    return frozenset(found)


def paths_in(value: object, before: str = "") -> frozenset[str]:
    """The same of JSON that lies somewhere."""
    if isinstance(value, list):
        return frozenset().union(*(paths_in(each, before) for each in value))
    if isinstance(value, dict):
        inner = (paths_in(each, f"{before}.{key}" if before else str(key)) for key, each in value.items())
        return frozenset().union(*inner)
    return frozenset({before} if before else ())


def _parts(annotation: object) -> Iterator[object]:
    yield annotation
    for each in typing.get_args(annotation):
        yield from _parts(each)
