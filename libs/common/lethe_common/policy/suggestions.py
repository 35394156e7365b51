"""What to write instead of a key that the schema does not know."""

import difflib
from collections.abc import Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

_UNIONS = (Union, UnionType)


def instead_of(kind: type[BaseModel], path: Sequence[str | int]) -> str:
    """The nearest known key, or all there are, for an unknown key at the end of a path."""
    *parents, key = path
    owner: Any = kind
    for step in parents:
        owner = _inside(owner, step)
    known = sorted(_keys(owner))
    near = difflib.get_close_matches(str(key), known, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"known here: {', '.join(known)}" if known else "nothing of that name is known here"


def _keys(kind: Any) -> list[str]:
    model = _model(kind)
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _model(kind: Any) -> type[BaseModel] | None:
    candidates = get_args(kind) if get_origin(kind) in _UNIONS else (kind,)
    return next((one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel)), None)


def _inside(kind: Any, step: str | int) -> Any:
    model = _model(kind)
    if model is not None:
        for name, field in model.model_fields.items():
            if step in {name, field.alias}:
                return field.annotation
        return None
    containers = get_args(kind) if get_origin(kind) in _UNIONS else (kind,)
    for one in containers:
        if get_origin(one) is dict:
            return get_args(one)[1]
        if get_origin(one) is tuple:
            return get_args(one)[0]
    return None
