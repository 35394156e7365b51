"""The differences between two versions, each with its kind. Nothing that differs is left out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from lethe_common.policy.claims import Claims
from lethe_common.policy.diff.leaves import Path, entry_of, leaves
from lethe_common.policy.durations import AtOnce, BusinessDays, Period, at_most, span
from lethe_common.policy.duties import Change as Kind
from lethe_common.policy.policy import Policy

Way = Literal["added", "removed", "longer", "shorter", "faster", "slower", "text", "lead", "value"]

_PERIODS = frozenset({"exactly", "at_most", "at_least", "inactive", "grace"})
_KINDS: Mapping[str, Kind] = {
    "data": "categories", "purposes": "purposes", "recipients": "recipients", "rights": "rights", "controller": "controller",
    "age": "age", "clauses": "texts", "residency": "transfers", "jurisdictions": "rights", "languages": "texts", "pages": "texts",
    "attestations": "texts", "backups": "periods_longer", "forgetting": "periods_longer",
}  # fmt: skip
_ENTRY_ONLY = 2
_LEAD = ("notice",)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: where, of which kind, in which way, from what to what, and the clauses that tell it."""

    kind: Kind
    way: Way
    path: Path
    old: object
    new: object
    clauses: tuple[str, ...]

    @property
    def place(self) -> str:
        """The path as references write it."""
        return ".".join(self.path)

    @property
    def plan(self) -> str | None:
        """The plan whose holders it concerns; None when it concerns everybody."""
        return self.path[-1] if "exactly" in self.path[:-1] else None


def changes(old: Policy, new: Policy) -> list[Change]:
    """All differences, in the order of the new file; what went is at the end."""
    before, after = leaves(old.content), leaves(new.content)
    gone, come = _entries(before) - _entries(after), _entries(after) - _entries(before)
    claims = new.claims, old.claims
    found = [_entry(entry, "added", None, _whole(after, entry), claims[0]) for entry in _in_order(after, come)]
    for path in (*after, *(path for path in before if path not in after)):
        if before.get(path) == after.get(path) or entry_of(path) in gone | come:
            continue
        found.append(_value(path, before.get(path), after.get(path), claims))
    return [
        *found,
        *(_entry(entry, "removed", _whole(before, entry), None, claims[1]) for entry in _in_order(before, gone)),
    ]


def _entries(values: Mapping[Path, object]) -> set[Path]:
    return {entry for path in values if (entry := entry_of(path)) is not None}


def _in_order(values: Mapping[Path, object], entries: set[Path]) -> list[Path]:
    return [
        entry for entry in dict.fromkeys(entry_of(path) for path in values) if entry in entries and entry is not None
    ]


def _whole(values: Mapping[Path, object], entry: Path) -> dict[str, object]:
    return {
        path[_ENTRY_ONLY]: value
        for path, value in values.items()
        if entry_of(path) == entry and len(path) == _ENTRY_ONLY + 1
    }


def _entry(entry: Path, way: Way, old: object, new: object, claims: Claims) -> Change:
    kind = _KINDS.get(entry[0], "choices")
    return Change(kind, way, entry, old, new, _clauses(entry, claims))


def _value(path: Path, old: object, new: object, claims: tuple[Claims, Claims]) -> Change:
    way, kind = _way(path, old, new), _KINDS.get(path[0], "choices")
    if path[0] == "data":
        kind = _kind_in_data(path, way)
    elif path[0] in {"backups", "forgetting"}:
        kind = "periods_longer" if way == "longer" else "periods_shorter"
    elif path[0] == "recipients" and path[-1] in {"country", "transfer"}:
        kind = "transfers"
    elif path[0] == "purposes" and path[-1] == "default":
        kind = "choices"
    return Change(kind, way, path, old, new, _clauses(path, claims[0]) or _clauses(path, claims[1]))


def _kind_in_data(path: Path, way: Way) -> Kind:
    if way == "lead":
        return "rights"
    if way in {"longer", "shorter"}:
        return "periods_longer" if way == "longer" else "periods_shorter"
    if "keep" in path or path[-1] in {"on_plan_change", "on_policy_change", "erase"}:
        # An event or a rule instead of a period: whether that is longer depends on the item, so the graver is assumed.
        return "periods_longer"
    return "purposes" if path[-1] == "uses" else "categories"


def _clauses(path: Path, claims: Claims) -> tuple[str, ...]:
    if path[0] == "clauses":
        return (path[1],)
    return claims.nearest(".".join(path))


def _way(path: Path, old: object, new: object) -> Way:
    if path[0] == "clauses" or path[2:] == _LEAD:
        return "text" if path[0] == "clauses" else "lead"
    if not (isinstance(old, str) and isinstance(new, str)):
        return "value"
    if path[0] == "rights":
        return "slower" if _length(new) > _length(old) else "faster"
    if path[0] in {"backups", "forgetting"} or _PERIODS & set(path):
        try:
            return "longer" if at_most(new) > at_most(old) else "shorter"
        except ValueError:
            return "value"
    return "value"


def _length(written: str) -> timedelta:
    told: Period | BusinessDays | AtOnce = span(written)
    if isinstance(told, AtOnce):
        return timedelta(0)
    return timedelta(days=int(told) * 7 / 5) if isinstance(told, BusinessDays) else told
