"""A profile's YAML file: read whole, validated, and every error with the line it is about.

A file is read for running, where everything a policy must state has to be there,
or as a draft, where what is missing stays missing for the linter to find.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator
from pydantic_core import ErrorDetails
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from lethe_common.policy.errors import PolicyError
from lethe_common.policy.suggestions import instead_of
from lethe_common.policy.trees import Keyed, line_of, parse

_MAX_BYTES = 1024**2
_MAX_ERRORS_SHOWN = 10
_DRAFT = {"draft": True}
_OF_A_UNION = re.compile(r"[\[(]")
"""How pydantic names the members of a union in a fault's place: no key of a file looks so."""

Place = tuple[str | int, ...]
"""Keys and positions from the top of a file down to one value."""


def is_draft(info: ValidationInfo) -> bool:
    """Whether a file is read for the linter, so that holes are no errors."""
    return info.context is not None and bool(info.context.get("draft"))


class Section(BaseModel):
    """A part of a profile's file. Unknown keys are errors: a misspelt promise must not be silently none."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    must_state: ClassVar[tuple[str, ...]] = ()
    """What has to be there before anything runs on it; only a draft may leave it out."""

    @model_validator(mode="after")
    def _is_whole(self, info: ValidationInfo) -> Self:
        missing = [name for name in self.must_state if name not in self.model_fields_set]
        if missing and not is_draft(info):
            raise ValueError(f"missing: state {', '.join(missing)}")
        return self


S = TypeVar("S", bound=Section)


@dataclass(frozen=True)
class Reading(Generic[S]):
    """A file's content, the SHA-256 (hex) of its bytes, and where in the file everything stands."""

    name: str
    content: S
    hash: str
    tree: Keyed

    def line(self, path: Sequence[str | int]) -> int:
        """The line (from 1) of the deepest part of a path that is in the file."""
        return line_of(self.tree, tuple(path))

    def error(self, faults: Sequence[tuple[Place, str]]) -> PolicyError:
        """What is wrong at which lines."""
        return PolicyError(_listed([(self.name, self.line(path), path, sentence) for path, sentence in faults]))


def read(file: Path, kind: type[S]) -> tuple[S, str]:
    """The file's content and the SHA-256 (hex) of its bytes.

    Raises:
        PolicyError: the file is missing, not YAML, has a duplicate key, or does not fit the schema.
    """
    reading = read_file(file, kind)
    return reading.content, reading.hash


def read_file(file: Path, kind: type[S], *, as_draft: bool = False) -> Reading[S]:
    """The file's content with its lines; `as_draft` lets through what is merely missing.

    Raises:
        PolicyError: as `read`.
    """
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise PolicyError(f"{file.name} cannot be read in the profile's folder.") from error
    return read_bytes(file.name, raw, kind, as_draft=as_draft)


def read_bytes(name: str, raw: bytes, kind: type[S], *, as_draft: bool = False) -> Reading[S]:
    """The same for a file's bytes that came from elsewhere; `name` is what errors call it.

    Raises:
        PolicyError: as `read`.
    """
    if len(raw) > _MAX_BYTES:
        raise PolicyError(f"{name} is larger than {_MAX_BYTES} bytes.")
    tree = _parse(name, raw)
    try:
        content = kind.model_validate(tree, context=_DRAFT if as_draft else None)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        told = [(name, line_of(tree, fault["loc"]), fault["loc"], _sentence(kind, fault)) for fault in faults]
        raise PolicyError(_listed(told)) from error
    return Reading(name, content, hashlib.sha256(raw).hexdigest(), tree)


def read_yaml(file: Path) -> Keyed:
    """A data file of our own as it stands.

    Raises:
        PolicyError: it is not a YAML mapping.
    """
    return _parse(file.name, file.read_bytes())


def _parse(name: str, raw: bytes) -> Keyed:
    try:
        tree = parse(raw)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise PolicyError(f"{name}:{line}: {error.problem or 'not YAML'}") from error
    except (YAMLError, ValueError) as error:
        # A byte that is no text, a day that no month has: nothing tells where.
        raise PolicyError(f"{name}:1: {str(error).partition(chr(10))[0]}") from error
    if not isinstance(tree, Keyed):
        raise PolicyError(f"{name}:1: the file must be a mapping")
    return tree


def _sentence(kind: type[BaseModel], fault: ErrorDetails) -> str:
    if fault["type"] == "extra_forbidden":
        return f"{fault['msg']}; {instead_of(kind, fault['loc'])}"
    return fault["msg"].removeprefix("Value error, ")


def _listed(faults: Sequence[tuple[str, int, Sequence[str | int], str]]) -> str:
    lines = [
        f"{name}:{line}: {'.'.join(step for step in map(str, path) if not _OF_A_UNION.search(step))}: {sentence}"
        for name, line, path, sentence in faults[:_MAX_ERRORS_SHOWN]
    ]
    if len(faults) > _MAX_ERRORS_SHOWN:
        lines.append(f"… and {len(faults) - _MAX_ERRORS_SHOWN} more")
    return "\n".join(lines)
