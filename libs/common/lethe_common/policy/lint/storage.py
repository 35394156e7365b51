"""How long things are kept: stated, from when, with an end, and with room for what comes after the deadline."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from lethe_common.policy.document import PolicyFile
from lethe_common.policy.lint.examined import Examined, Finding, grouped
from lethe_common.policy.margins import RESTORED_WITHIN, facts_kept, margin_of, timer_of
from lethe_common.policy.rules import BY_COMPLETION, ITEM, DataRule

_RECORD = "erasure.record"


def period(examined: Examined) -> Iterator[Finding]:
    """no-period: one finding for all that a clause leaves open."""
    content = examined.content
    open_ended = [
        (category, examined.clauses_about(_place(examined, category)))
        for category, rule in content.data.items()
        if not rule.keep.is_stated
    ]
    for clauses, categories in grouped(open_ended).items():
        yield examined.finding(
            "no-period", _place(examined, categories[0]),
            f"No period is stated for {', '.join(categories)}.",
            "State keep with exactly, at_most, at_least or with.",
            at=("data", categories[0]), clauses=clauses,
        )  # fmt: skip


def _place(examined: Examined, category: str) -> str:
    """Where one would look for the period: the category's own words, else what is said of all the rest."""
    own = examined.content.data[category]
    if "keep" not in own.model_fields_set and examined.content.keep_otherwise is not None:
        return "keep_otherwise"
    return f"data.{category}.keep"


def start(examined: Examined) -> Iterator[Finding]:
    """start-unstated: an exact period counts from something. A longest one counts from the earliest there can be."""
    for category, rule in examined.content.data.items():
        if rule.keep.exactly is None or rule.keep.is_start_stated:
            continue
        for plan in rule.keep.exactly:
            place = f"data.{category}.keep.exactly.{plan}"
            yield examined.finding(
                "start-unstated", place,
                f"The period of {category} on plan {plan} does not say from which event it counts.",
                "State keep.from, such as completed.",
                at=("data", category, "keep", "exactly", plan),
            )  # fmt: skip


def endless(examined: Examined) -> Iterator[Finding]:
    """endless-storage: for ever needs a reason, and an end for those who are gone."""
    found = [
        (category, examined.clauses_about(f"data.{category}.keep"))
        for category, rule in examined.content.data.items()
        if rule.keep.endless and (rule.keep.inactive is None or not rule.keep.reason)
    ]
    for clauses, categories in grouped(found).items():
        yield examined.finding(
            "endless-storage", f"data.{categories[0]}.keep",
            f"{', '.join(categories)} would be kept for ever.",
            "State keep.reason and an inactive limit such as P2Y.",
            at=("data", categories[0], "keep"), clauses=clauses,
        )  # fmt: skip


def inactive(examined: Examined) -> Iterator[Finding]:
    """unkept-inactive: an account ends as a whole, so nothing of it can be promised another limit, or a longer period."""
    ending = {name: rule for name, rule in examined.content.data.items() if rule.ends_with_account}
    limits = {name: rule.keep.inactive for name, rule in ending.items() if rule.keep.inactive is not None}
    if not limits:
        return
    first = min(limits, key=limits.__getitem__)
    for category, limit in limits.items():
        if limit != limits[first]:
            yield examined.finding(
                "unkept-inactive", f"data.{category}.keep.inactive",
                f"{category} ends {limit} after the last contact, but {first}, and the account with it, after {limits[first]}.",
                "State one inactive limit: an account ends with all that belongs to it.",
                at=("data", category, "keep"), clauses=examined.clauses_about(f"data.{category}.keep"),
            )  # fmt: skip
    for category, rule in ending.items():
        for plan, length in (rule.keep.exactly or {}).items():
            if length > limits[first]:
                place = f"data.{category}.keep.exactly.{plan}"
                yield examined.finding(
                    "unkept-inactive", place,
                    f"{category} is promised for {length} on plan {plan}, but its owner's account may end {limits[first]} "
                    f"after the last contact.",
                    "State a longer inactive limit, or a shorter period.",
                    at=("data", category, "keep", "exactly", plan), clauses=examined.clauses_about(place),
                )  # fmt: skip


def at_most(examined: Examined) -> Iterator[Finding]:
    """cannot-be-kept: what comes after the deadline does not fit inside the promise."""
    for category, rule in examined.content.data.items():
        promised = rule.keep.at_most
        if promised is None:
            continue
        margin, minimum = margin_of(examined.content, rule), rule.keep.at_least
        if margin.length + (minimum or timedelta(0)) > promised:
            needed = margin if minimum is None else f"at_least {minimum} + {margin}"
            yield examined.finding(
                "cannot-be-kept", f"data.{category}.keep.at_most",
                f"{category} is promised to be gone after {promised}, but {needed} is longer.",
                "Shorten grace, partition, backups or the forgetting rotation, promise longer, "
                "or write remains: told and name the remains' end in a clause.",
                at=("data", category, "keep"), clauses=examined.clauses_about(f"data.{category}.keep.at_most"),
            )  # fmt: skip


def notices(examined: Examined) -> Iterator[Finding]:
    """unkept-notice: nobody is told of what has no deadline of its own, nor of what is kept no longer than the lead."""
    for category, rule in examined.content.data.items():
        why = None if rule.notice is None else _why_untold(examined.content, category, rule)
        if why is not None:
            yield examined.finding(
                "unkept-notice", f"data.{category}.notice",
                f"{category} is promised to be told of {rule.notice} before it goes, but {why}.",
                f"Take it out, or state under {ITEM} a notice shorter than each of its periods.",
                at=("data", category, "notice"),
            )  # fmt: skip


def _why_untold(content: PolicyFile, category: str, rule: DataRule) -> str | None:
    if category != ITEM:
        return f"mails are sent of {ITEM} only, with which all of a generation goes"
    if (rule.keep.until or rule.keep.from_event) not in BY_COMPLETION:
        return "no clock runs before somebody deletes it"
    if set(content.identity) == {"guest"}:
        return "guests have no address"
    longest = timer_of(content, rule)
    periods: Mapping[str, timedelta] = rule.keep.exactly or ({} if longest is None else {"of everybody": longest})
    short = [plan for plan, period in periods.items() if rule.notice is not None and period <= rule.notice]
    return f"the time on plan {', '.join(short)} is not longer than that" if short else None


def remains(examined: Examined) -> Iterator[Finding]:
    """remains-untold: a promise that leaves out backups says when those end."""
    leaves_out = [category for category, rule in examined.content.data.items() if rule.keep.remains == "told"]
    if leaves_out and not (examined.speaks_of("forgetting.horizon") or examined.speaks_of("backups.keep")):
        yield examined.finding(
            "remains-untold", "forgetting.horizon",
            f"{', '.join(leaves_out)} may remain in backups, but no clause says until when.",
            "Refer to {forgetting.horizon} or {backups.keep} in a clause.",
            at=("data", leaves_out[0], "keep"),
        )  # fmt: skip


def places(examined: Examined) -> Iterator[Finding]:
    """no-place, never-collected, untold-category: a rule holds somewhere, of something, and people hear of it."""
    for category, rule in examined.content.data.items():
        place = f"data.{category}"
        if not rule.stores:
            yield examined.finding(
                "no-place", place, f"{category} has a rule but no place where it is.", "State stores.", at=("data", category)
            )  # fmt: skip
        if examined.held is not None and category not in examined.held:
            yield examined.finding(
                "never-collected", place,
                f"{category} is in the policy, but nothing in the suite holds it.",
                "Take the category out, or declare where it is held.",
                at=("data", category),
            )  # fmt: skip
        if not examined.speaks_of(place):
            yield examined.finding(
                "untold-category", place,
                f"{category} is kept, but no clause tells so.",
                "Write a clause about it, or name it in one's about.",
                at=("data", category),
            )  # fmt: skip


def records(examined: Examined) -> Iterator[Finding]:
    """record-too-short: an erasure is known and provable until no backup can undo it and nothing of it can be opened."""
    rule = examined.content.data.get(_RECORD)
    promised = None if rule is None else rule.keep.at_least or rule.keep.at_most
    if promised is None:
        return
    content = examined.content
    backups = "no backups" if content.backups is None else f"backups {content.backups.keep}"
    for needed, why in (
        (facts_kept(content), f"{backups} + a restore {RESTORED_WITHIN}"),
        (content.forgetting.horizon, f"the forgetting horizon {content.forgetting.horizon}"),
    ):
        if promised < needed:
            yield examined.finding(
                "record-too-short", f"data.{_RECORD}.keep",
                f"{_RECORD} is kept for {promised}, but {why} is longer.",
                "Keep it longer, or shorten backups or the forgetting rotation.",
                at=("data", _RECORD, "keep"), clauses=examined.clauses_about(f"data.{_RECORD}.keep"),
            )  # fmt: skip


RULES = (period, start, endless, inactive, at_most, notices, remains, records, places)
