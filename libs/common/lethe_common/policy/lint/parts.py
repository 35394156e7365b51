"""What goes together with a generation is promised together with it."""

from collections.abc import Iterator
from datetime import timedelta

from lethe_common.policy.document import PolicyFile
from lethe_common.policy.lint.examined import Examined, Finding
from lethe_common.policy.margins import margin_of, timer_of
from lethe_common.policy.rules import BY_COMPLETION, ITEM, PARTS, DataRule, Fact, Keep

_ITS_OWN = BY_COMPLETION | {Fact.DELETED_BY_USER}
"""Events of the generation. With all others, such as the account's end, whatever is left of it goes in any case."""


def parts(examined: Examined) -> Iterator[Finding]:
    """unkept-part: a generation has one deadline, that of its video, so no part of it goes sooner or by another clock."""
    content = examined.content
    for category in sorted(PARTS & content.data.keys()):
        why = _why_unkept(content, content.data[category])
        if why is not None:
            yield examined.finding(
                "unkept-part", f"data.{category}.keep",
                f"{category} goes together with {ITEM}, but {why}.",
                f"Write keep: {{with: {ITEM}}}, or the same periods.",
                at=("data", category, "keep"), clauses=examined.clauses_about(f"data.{category}.keep"),
            )  # fmt: skip


def _why_unkept(content: PolicyFile, rule: DataRule) -> str | None:
    item = content.data.get(ITEM)
    companion = content.data.get(rule.keep.with_category or "", rule)
    if item is None or companion is item or not (_has_end(companion.keep) and _has_end(item.keep)):
        return None
    starts, starts_item = (keep.until or keep.from_event for keep in (companion.keep, item.keep))
    if starts not in _ITS_OWN:
        return None
    if (starts in BY_COMPLETION) != (starts_item in BY_COMPLETION):
        return f"counts from {starts}, and that from {starts_item}"
    if companion.keep.exactly is not None:
        return None if companion.keep.exactly == item.keep.exactly else "its periods are others"
    longest, margin, promised = _longest(content, item), margin_of(content, companion), companion.keep.at_most
    if promised is None or promised >= longest + margin.length:
        return None
    return f"is promised to be gone after {promised}, and {longest} + {margin} is longer"


def _has_end(keep: Keep) -> bool:
    return keep.exactly is not None or keep.at_most is not None


def _longest(content: PolicyFile, item: DataRule) -> timedelta:
    """After how long at the latest a generation's removal begins; what its owner deletes goes at once."""
    if (item.keep.until or item.keep.from_event) not in BY_COMPLETION:
        return timedelta(0)
    if item.keep.exactly is not None:
        return max(item.keep.exactly.values())
    return max(timer_of(content, item) or timedelta(0), timedelta(0))


RULES = (parts,)
