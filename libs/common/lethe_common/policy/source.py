"""A profile's YAML file: read whole, validated, and every error with the line it is about."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError

from lethe_common.policy.errors import PolicyError

_MAX_BYTES = 1024**2
_MAX_ERRORS_SHOWN = 10


class Section(BaseModel):
    """A part of a profile's file. Unknown keys are errors: a misspelt promise must not be silently none."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


S = TypeVar("S", bound=Section)


def read(file: Path, kind: type[S]) -> tuple[S, str]:
    """The file's content and the SHA-256 (hex) of its bytes.

    Raises:
        PolicyError: the file is missing, not YAML, has a duplicate key, or does not fit the schema.
    """
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise PolicyError(f"{file.name} cannot be read in the profile's folder.") from error
    if len(raw) > _MAX_BYTES:
        raise PolicyError(f"{file.name} is larger than {_MAX_BYTES} bytes.")
    tree = _parse(file.name, raw)
    try:
        return kind.model_validate(tree), hashlib.sha256(raw).hexdigest()
    except ValidationError as error:
        raise PolicyError(_told(file.name, tree, error)) from error


def _parse(name: str, raw: bytes) -> CommentedMap:
    try:
        tree = YAML(typ="rt").load(raw)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise PolicyError(f"{name}:{line}: {error.problem or 'not YAML'}") from error
    if not isinstance(tree, CommentedMap):
        raise PolicyError(f"{name}:1: the file must be a mapping")
    return tree


def _told(name: str, tree: CommentedMap, error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)
    lines = [
        f"{name}:{line_of(tree, fault['loc'])}: {'.'.join(str(step) for step in fault['loc'])}: {fault['msg']}"
        for fault in found[:_MAX_ERRORS_SHOWN]
    ]
    if len(found) > _MAX_ERRORS_SHOWN:
        lines.append(f"… and {len(found) - _MAX_ERRORS_SHOWN} more")
    return "\n".join(lines)


def line_of(tree: CommentedMap, path: Sequence[str | int]) -> int:
    """The line (from 1) of the deepest part of a path that is in the file."""
    node: object = tree
    line = 1
    for step in path:
        if isinstance(node, CommentedMap) and step in node:
            line = node.lc.key(step)[0] + 1
        elif isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
            line = node.lc.item(step)[0] + 1
        else:
            break
        node = node[step]
    return line
