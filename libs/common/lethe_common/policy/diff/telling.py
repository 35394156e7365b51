"""Differences in words."""

from collections.abc import Mapping
from datetime import datetime

from lethe_common.policy.diff.changes import Change
from lethe_common.policy.diff.notices import Due
from lethe_common.policy.languages import Language
from lethe_common.policy.policy import Policy
from lethe_common.policy.sentences import sentence
from lethe_common.policy.wording import Wording
from lethe_common.policy.words import words_in

_ENTRY = 2
_INSTEAD_OF = frozenset({"longer", "shorter", "faster", "slower", "lead"})
"""Ways whose sentence says "instead of", after which Russian wants the genitive."""


def told(change: Change, old: Policy, new: Policy, language: Language) -> str:
    """One difference as a sentence that says for whom it is one."""
    words = words_in(language)
    who = words("who.plan", plan=change.plan) if change.plan else words("who.everybody")
    before = _worded(change, change.old, old, language, is_genitive=change.way in _INSTEAD_OF)
    after = _worded(change, change.new, new, language)
    keys = (f"diff.{change.way}.{change.path[0]}", f"diff.{change.way}", "diff.value")
    key = next(key for key in keys if key in words)
    label = _label(change, new, language)
    return words(key, who=who, place=_place(change), label=label, old=before, new=after)


def told_notice(due: Due | None, now: datetime, language: Language) -> str:
    """Whether notice is due, as a sentence."""
    words, wording = words_in(language), Wording(language, language)
    if due is None:
        return words("notice.none")
    channels = wording.joined([words(f"channel.{channel}") for channel in due.channels])
    key = "notice.due" if now <= due.by else "notice.late"
    return words(
        key, date=wording.moment(due.by.isoformat()), before=wording.period(str(due.before)), channels=channels
    )


def _place(change: Change) -> str:
    return change.path[1] if change.path[0] == "clauses" else change.place


def _label(change: Change, policy: Policy, language: Language) -> str:
    words = words_in(language)
    if change.path[0] == "rights":
        return words(f"right.{change.path[1]}")
    rule = policy.content.data.get(change.path[1]) if change.path[0] == "data" else None
    return Wording(language, policy.languages[0]).of(dict(rule.label)) if rule and rule.label else change.place


def _worded(change: Change, value: object, policy: Policy, language: Language, *, is_genitive: bool = False) -> str:
    wording = Wording(language, policy.languages[0])
    if change.path[0] == "clauses":
        clause = policy.clauses.get(change.path[1])
        return sentence(policy, clause, language).text if clause else ""
    if len(change.path) == _ENTRY and isinstance(value, Mapping):
        return wording.of(value, change.path[0]) if _is_named(value) else change.path[1]
    if value in (None, "", [], {}):
        return words_in(language)("value.null")
    return _listed(wording, value, change.place, is_genitive=is_genitive)


def _is_named(value: Mapping[str, object]) -> bool:
    return bool({"text", "label", "name", "what", "id"} & value.keys())


def _listed(wording: Wording, value: object, place: str, *, is_genitive: bool) -> str:
    """A value in words; a list of uses is told by its purposes."""
    if isinstance(value, list) and value and all(isinstance(one, Mapping) and "purpose" in one for one in value):
        return wording.joined([str(one["purpose"]) for one in value])
    return wording.of(value, place, is_genitive=is_genitive)
