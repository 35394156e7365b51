"""The data catalogue: each place says what it holds, where it is defined.

A place is a column, a key inside a JSON column, an object prefix, a stream, a
header, a log field, a metric, a cookie, a temporary file. The policy's rules attach
to categories, so a place without a declaration is a place without a rule; tests
compare the declarations with the code and with the live stores, both ways.

Columns are declared by the arguments of the column; all else by a table beside
what it is about:

    HEADERS = declare(Kind.HEADER, {"ce-id": impersonal("random id of an event")})
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

_KEY = "lethe"

Declared = dict[str, Any]
"""What `held` and `impersonal` answer: arguments for a column, with the `Holding` inside."""


class Kind(StrEnum):
    """What sort of place it is, in the words of the tests' messages."""

    COLUMN = "column"
    JSON_KEY = "key inside a JSON column"
    BUCKET_PREFIX = "bucket prefix"
    STREAM = "JetStream stream"
    CONSUMER = "JetStream consumer"
    KEY_VALUE = "KV bucket"
    HEADER = "header"
    LOG_FIELD = "log field"
    METRIC = "metric"
    METRIC_LABEL = "metric label"
    COOKIE = "cookie"
    BROWSER_KEY = "browser storage key"
    TEMPORARY_FILE = "temporary file or folder"


@dataclass(frozen=True, slots=True)
class Holding:
    """What one place holds: a category of the policy, or why it is not personal.

    `keys` are those of the JSON inside a column: dotted paths, lists passed through
    (`stores.category`), each with what it holds itself.
    """

    category: str | None
    why_not_personal: str | None
    is_sealed: bool = False
    keys: Mapping[str, "Holding"] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Places:
    """The places of one kind that one module defines, by name."""

    kind: Kind
    holdings: Mapping[str, Holding]


def held(category: str, *, is_sealed: bool = True, keys: Places | None = None) -> Declared:
    """Data of a policy category, sealed unless said otherwise; as column arguments, or for `declare`."""
    return {"info": {_KEY: Holding(category, None, is_sealed, _inside(keys))}}


def impersonal(why: str, *, keys: Places | None = None) -> Declared:
    """What tells nothing about a person, with the reason; as column arguments, or for `declare`."""
    return {"info": {_KEY: Holding(None, why, keys=_inside(keys))}}


def declare(kind: Kind, places: Mapping[str, Declared]) -> Places:
    """The places of a kind that are defined here. Names of temporary files may hold `*`.

    Raises:
        ValueError: a place is declared with neither `held` nor `impersonal`.
    """
    holdings: dict[str, Holding] = {}
    for name, declared in places.items():
        holding = holding_of(declared.get("info", {}))
        if holding is None:
            raise ValueError(f"{name}: say held('<category>') or impersonal('<why>')")
        holdings[name] = holding
    return Places(kind, MappingProxyType(holdings))


def each(names: Iterable[str], declared: Declared) -> dict[str, Declared]:
    """Several places that hold the same."""
    return dict.fromkeys(names, declared)


def holding_of(info: dict[Any, Any]) -> Holding | None:
    """The declaration in a column's `info`, if there is one."""
    declared = info.get(_KEY)
    return declared if isinstance(declared, Holding) else None


def _inside(keys: Places | None) -> Mapping[str, Holding]:
    return MappingProxyType({}) if keys is None else keys.holdings
