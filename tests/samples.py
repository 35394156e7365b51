"""A well-formed instance of any event, made from its schema, so that new types join the generated tests by themselves."""

import types
import typing
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Literal, TypeVar, Union

from pydantic import BaseModel

from lethe_common.identifiers import Identifier

_MOMENT = datetime(2027, 1, 1, 12, tzinfo=UTC)
_PLAIN: dict[Any, object] = {str: "free", int: 4, float: 4.0, bool: True, datetime: _MOMENT}

M = TypeVar("M", bound=BaseModel)


def sample(kind: type[M], **given: object) -> M:
    """An instance with plausible values; `given` overrides fields by name."""
    values = {name: given.get(name, _value(field.annotation)) for name, field in kind.model_fields.items()}
    return kind.model_validate(values)


def _value(annotation: Any) -> object:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        return None if type(None) in arguments else _value(arguments[0])
    if origin is not None:
        return arguments[0] if origin is Literal else (_value(arguments[0]),)
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if issubclass(annotation, Enum):
        return next(iter(annotation))
    return annotation.new() if issubclass(annotation, Identifier) else sample(annotation)
