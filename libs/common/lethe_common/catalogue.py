"""The data catalogue: each column, prefix, stream and sink says what it holds, where it is defined.

The policy's rules attach to categories, so a place without a declaration is a
place without a rule; tests compare the declarations with the live stores.
"""

from dataclasses import dataclass
from typing import Any

_KEY = "lethe"


@dataclass(frozen=True, slots=True)
class Holding:
    """What one place holds: a category of the policy, or why it is not personal."""

    category: str | None
    why_not_personal: str | None
    is_sealed: bool = False


def held(category: str, *, is_sealed: bool = True) -> dict[str, Any]:
    """Column arguments for data of a policy category, sealed unless said otherwise."""
    return {"info": {_KEY: Holding(category, None, is_sealed)}}


def impersonal(why: str) -> dict[str, Any]:
    """Column arguments for what tells nothing about a person, with the reason."""
    return {"info": {_KEY: Holding(None, why)}}


def holding_of(info: dict[Any, Any]) -> Holding | None:
    """The declaration in a column's `info`, if there is one."""
    declared = info.get(_KEY)
    return declared if isinstance(declared, Holding) else None
