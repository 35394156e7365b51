"""When an item's time is over: plans that changed, versions of the policy that changed. Pure.

A period counts from `started_at`. Which plan's, and which version's, the category's
rule says: the longest of all, the newest, or that of the beginning.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from lethe_common.policy.rules import OnPlanChange, OnPolicyChange

Held = tuple[str, datetime]
"""A plan's retention key and since when it was held."""

V = TypeVar("V")
Since = tuple[V, datetime]
"""A version of the policy and since when it was in force."""


def due_by_plans(
    choice: OnPlanChange, period: Callable[[str], timedelta], plans_held: Sequence[Held], started_at: datetime
) -> datetime:
    """When the time is over of what started then, by the periods of the plans that count.

    The plan at the start is the latest one held since then or before; an owner
    whose first plan is younger than the item counts as having had it already. A plan
    that begins when the time is over counts for nothing, however late that is heard
    of: what was due is never revived.

    Raises:
        ValueError: no plan was held at all.
    """
    if not plans_held:
        raise ValueError("a deadline needs at least one plan")
    in_order = sorted(plans_held, key=lambda held: held[1])
    before = [plan for plan, since in in_order if since <= started_at]
    due_at = started_at + period(before[-1] if before else in_order[0][0])
    if choice is OnPlanChange.AT_CREATION:
        return due_at
    for plan, since in in_order:
        if started_at < since < due_at:
            by_plan = started_at + period(plan)
            due_at = max(due_at, by_plan) if choice is OnPlanChange.LONGEST else by_plan
    return due_at


def due_under(
    choice: Callable[[V], OnPolicyChange],
    due: Callable[[V, datetime], datetime | None],
    versions: Sequence[Since[V]],
    started_at: datetime,
    now: datetime,
) -> datetime | None:
    """The deadline of an item that lived through these versions; None while no clock runs.

    Each change decides by the newer version's `choice`: keep the deadline there is,
    take the newer one, or the later of the two. A deadline that had passed when a
    version came into force stays: what was due is never revived. `due` tells the
    deadline by one version alone, as of an instant up to which its plans count. No
    deadline is later than every deadline.

    Raises:
        ValueError: no version was in force by `now`.
    """
    in_order = sorted((one for one in versions if one[1] <= now), key=lambda one: one[1])
    if not in_order:
        raise ValueError("a deadline needs a version that is in force")
    first = max((at for at, one in enumerate(in_order) if one[1] <= started_at), default=0)
    lived = in_order[first:]
    ends = [since for _, since in lived[1:]]
    due_at = due(lived[0][0], ends[0] if ends else now)
    for place, (version, since) in enumerate(lived[1:]):
        if due_at is not None and due_at <= since:
            return due_at
        until = ends[place + 1] if place + 1 < len(ends) else now
        due_at = _chosen(choice(version), due_at, due(version, until))
        # A shorter period may have ended before it was in force: then the item is due at once, not before.
        due_at = None if due_at is None else max(due_at, since)
    return due_at


def _chosen(choice: OnPolicyChange, before: datetime | None, after: datetime | None) -> datetime | None:
    if choice is OnPolicyChange.AT_CREATION:
        return before
    if choice is OnPolicyChange.NEW:
        return after
    return None if before is None or after is None else max(before, after)
