"""When items are due and what may be used, worked out from the YAML by the words of docs/policy.md."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from tests.generator.reading import Document, Told

_PERIOD = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
FACTS = (
    "created",
    "processed",
    "completed",
    "sent",
    "deleted_by_user",
    "erasure_asked",
    "account_closed",
    "hold_ended",
    "consent_withdrawn",
)
"""What starts a period. Each happens a minute after the one before, so that a deadline tells which one counted."""
STANDINGS = ("silent", "consented", "objected")
NO_PERIOD = "no period"
Due = datetime | None | str
Held = list[tuple[str, datetime]]
_SECOND, _MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One item of a category: the plans its owner held, and when everything happened to it."""

    name: str
    category: str
    held: tuple[tuple[str, datetime], ...]
    facts: Mapping[str, datetime]


def items(document: Document, plans: list[str], turn: datetime) -> Iterator[Item]:
    """Of each category: due a second after the turn on each plan, due a second before it, and young on two plans."""
    for category in document.data:
        for place, plan in enumerate(plans):
            kept = timer(document, category, plan)
            since = turn - (kept or _MINUTE) - FACTS.index(_event(document, category)) * _MINUTE
            yield _item(f"near on {plan}", category, since + _SECOND, plan)
            if place == 0:
                yield _item(f"passed on {plan}", category, since - _SECOND, plan)
        young = _item("young", category, turn - timedelta(hours=1), plans[-1])
        yield Item("young", category, (*young.held, (plans[0], turn - 30 * _MINUTE)), young.facts)


def told_at(document: Document, item: Item, due_at: Due) -> datetime | None:
    """When an item's owner hears that it goes: the lead before it is due, and never of what is not kept that long."""
    owner, rule = _kept_by(document, item.category)
    if not rule.get("notice") or not isinstance(due_at, datetime):
        return None
    told = due_at - length(rule["notice"])
    return told if told > item.facts[_event(document, owner)] else None


def due_through(versions: Sequence[tuple[Document, datetime]], item: Item, now: datetime) -> Due:
    """When an item is due by now that began under the first of these versions, each in force from its instant."""
    (first, _), *later = versions
    found = due_under(first, item)
    for document, since in later:
        if since <= now:
            found = turned(found, document, item, since, None)
    return found


def turned(before: Due, new: Document, item: Item, turn: datetime, choice: str | None) -> Due:
    """When an item is due at the instant at which a new document takes over, and before it was due.

    `choice` stands for the new one's `on_policy_change`, of all categories.
    """
    if isinstance(before, str) or (before is not None and before <= turn):
        return before
    after = due_under(new, item)
    if isinstance(after, str):
        return after
    choice = choice or _kept_by(new, item.category)[1].get("on_policy_change", "longest")
    if choice == "at_creation":
        chosen = before
    elif choice == "new":
        chosen = after
    else:
        chosen = None if before is None or after is None else max(before, after)
    return None if chosen is None else max(chosen, turn)


def timer(document: Document, category: str, plan: str) -> timedelta | None:
    """After how long removal begins: an exact period itself, of a longest one what comes afterwards taken off."""
    return document.once(("timer", category, plan), lambda: _timer(document, category, plan))


def _timer(document: Document, category: str, plan: str) -> timedelta | None:
    _, rule = _kept_by(document, category)
    keep = rule["keep"]
    if keep.get("exactly"):
        return length(keep["exactly"][plan])
    if not keep.get("at_most"):
        return None
    return max(length(keep["at_most"]) - _afterwards(document, rule), timedelta(0))


@cache
def length(written: str) -> timedelta:
    """A longest period's length: a year has 365 days, a month 28."""
    match = _PERIOD.fullmatch(written)
    assert match, written
    years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(365 * years + 28 * months + days, seconds, 0, 0, minutes, hours, weeks)


def uses(document: Document) -> dict[tuple[str, ...], bool]:
    """What may be used for what by whom: who said nothing, who consented, who objected. Only opt_in is asked for."""
    allowed = {
        "off": (False, False, False),
        "opt_in": (False, True, False),
        "opt_out": (True, True, False),
        "always": (True, True, True),
    }
    found: dict[tuple[str, ...], bool] = {}
    for category, rule in document.data.items():
        for purpose in {*(use["purpose"] for use in rule["uses"]), *document.tree["purposes"]}:
            answers = allowed[document.tree["purposes"][purpose].get("default", "off")]
            is_use = any(use["purpose"] == purpose for use in rule["uses"])
            for standing, answer in zip(STANDINGS if is_use else ("consented",), answers, strict=False):
                found["use", category, purpose, standing] = is_use and answer
    return found


def asked(document: Document) -> dict[tuple[str, ...], Told]:
    """What people are asked to consent or may object to: how, in which words, about which data, for whom."""
    found: dict[tuple[str, ...], Told] = {}
    for language in document.languages:
        for name, purpose in document.tree["purposes"].items():
            if purpose.get("default", "off") in {"opt_in", "opt_out"}:
                told_in = language if language in purpose["text"] else document.languages[0]
                found[language, "asked", name] = (
                    purpose["default"],
                    purpose.get("ask"),
                    document.text(purpose["text"], told_in),
                    [document.label(category, told_in) for category in _used_for(document, name)],
                    [one["name"] for one in document.recipients if name in one["purposes"]],
                    purpose.get("features_lost"),
                    purpose.get("condition"),
                )
    return found


def terms(document: Document, plans: Mapping[str, str]) -> dict[tuple[str, ...], object]:
    """What the studio promises beside its forms; `plans` are those on offer, with their retention keys."""
    video, upload = (_kept_by(document, category)[1]["keep"] for category in ("output.video", "upload.image"))
    ended = {"created", "processed", "completed"}
    is_clocked = _event(document, "output.video") in ended
    end = "hours" if _event(document, "upload.image") in ended else "until_deleted"
    found = {
        "video_periods": {
            plan: video["exactly"][key] if video.get("exactly") else video["at_most"] for plan, key in plans.items()
        },
        "is_clocked": is_clocked,
        "upload_end": "with_video" if document.data["upload.image"]["keep"].get("with") else end,
        "upload_period": upload.get("at_most", ""),
        "ledger_period": document.data["ledger.transfer"]["keep"].get("at_least", ""),
        "proof_period": document.data["erasure.record"]["keep"].get("at_least", ""),
        "act_period": document.data.get("destruction.act", {}).get("keep", {}).get("at_least", ""),
        "contact": document.tree["controller"]["contact"],
        "horizon": _written(_horizon(document)),
        "provider": _provider(document),
    }
    return {("studio", name): value for name, value in found.items()}


def _provider(document: Document) -> str:
    """Whom people sign in by, where the policy lets them in so."""
    names = [one["name"] for one in document.recipients if one.get("adapter") == "oidc"]
    return names[0] if names and "external" in document.tree["identity"] else ""


def _used_for(document: Document, purpose: str) -> list[str]:
    return [
        category for category, rule in document.data.items() if any(use["purpose"] == purpose for use in rule["uses"])
    ]


def due_under(document: Document, item: Item) -> Due:
    """When an item is due under one document alone."""
    started_at = item.facts.get(_event(document, item.category))
    if started_at is None:
        return None
    choice = _kept_by(document, item.category)[1].get("on_plan_change", "longest")
    at_start = [plan for plan, since in item.held if since <= started_at] or [item.held[0][0]]
    kept = timer(document, item.category, at_start[-1])
    if kept is None:
        return NO_PERIOD
    found = started_at + kept
    for plan, since in item.held:
        # What was due is never revived by a plan that begins later.
        if choice != "at_creation" and started_at < since < found:
            later = started_at + (timer(document, item.category, plan) or timedelta(0))
            found = max(found, later) if choice == "longest" else later
    return found


def _event(document: Document, category: str) -> str:
    keep = _kept_by(document, category)[1]["keep"]
    found: str = keep.get("until") or keep.get("from", "created")
    return found


def _kept_by(document: Document, category: str) -> tuple[str, Mapping[str, Any]]:
    """The category whose rule counts: what is kept with another one follows that one."""
    owner = document.data[category]["keep"].get("with") or category
    return owner, document.data[owner]


def _afterwards(document: Document, rule: Mapping[str, Any]) -> timedelta:
    """Grace, the partition's width, and what remains in backups unless a clause tells of that."""
    live = length(rule.get("grace", "PT24H"))
    if rule.get("partition"):
        live += length(rule["partition"])
    backups = document.tree["backups"]
    stores = tuple(backups.get("stores", ("pg:",)))
    is_backed_up = any(store.startswith(stores) for store in rule.get("stores", ()))
    if rule["keep"].get("remains") == "told" or not is_backed_up:
        return live
    if rule.get("protect") != "sealed":
        return live + length(backups["keep"])
    return live + _horizon(document)


def _horizon(document: Document) -> timedelta:
    """The next rotation, the key backups that are kept, and the keyring's delay."""
    forgetting = document.tree.get("forgetting", {})
    delay = forgetting.get("destroy_delay")
    rotations = length(forgetting.get("rotation", "P1D")) * (1 + int(forgetting.get("key_backups", 2)))
    return rotations + (length(delay) if delay else timedelta(0))


def _written(period: timedelta) -> str:
    return f"P{period.days}D" if not period.seconds else f"PT{int(period.total_seconds())}S"


def _item(name: str, category: str, since: datetime, plan: str) -> Item:
    facts = {fact: since + place * _MINUTE for place, fact in enumerate(FACTS)}
    return Item(name, category, ((plan, since - timedelta(days=1)),), facts)
