"""All versions of a profile's policy. Each decision takes the one in force at policy time.

The first version is `policy.yaml`, every later one `policy-<anything>.yaml` beside it
(`policy-2.yaml`); what orders them is what they say, not what they are called.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from lethe_common.policy.deadlines import due_under
from lethe_common.policy.errors import NotYetInForce, PolicyError
from lethe_common.policy.margins import facts_kept, timer_of
from lethe_common.policy.policy import FILE_NAME, PlanHeld, Policy, load_version
from lethe_common.policy.rules import Fact

_LATER = "policy-*.yaml"


@dataclass(frozen=True)
class PolicyBook:
    """Every version there is, oldest first."""

    versions: tuple[Policy, ...]

    def in_force(self, at: datetime) -> Policy:
        """The version in force at a policy time.

        Raises:
            NotYetInForce: even the first one takes effect later.
        """
        policy = self.governing(at)
        if policy.effective_at <= at:
            return policy
        raise NotYetInForce(f"The first version takes effect on {policy.effective_at.isoformat()}.")

    def governing(self, at: datetime) -> Policy:
        """The version that decisions at a policy time take: the one in force, before the first one's date the first one.

        So a suite can be set up and tried before its policy's date; its pages tell that date.
        """
        return next((policy for policy in reversed(self.versions) if policy.effective_at <= at), self.versions[0])

    def next_after(self, at: datetime) -> Policy | None:
        """The version that takes effect next, later than a policy time; None when none does."""
        return next((policy for policy in self.versions if policy.effective_at > at), None)

    def _longest_minimum(self, category: str, now: datetime) -> timedelta | None:
        """How long something is kept at least: a minimum that any version by `now` promised is not shortened. None without one."""
        rules = [policy.keep(category) for policy in self._told(now) if category in policy.categories]
        return max((keep.at_least for keep in rules if keep.at_least is not None), default=None)

    def kept(self, category: str, now: datetime) -> timedelta | None:
        """After how long what has no plan goes: its longest minimum, without one what a longest period leaves. None: never."""
        minimum, policy = self._longest_minimum(category, now), self.governing(now)
        if minimum is not None or category not in policy.categories:
            return minimum
        left = timer_of(policy.content, policy.rule(category))
        return None if left is None else max(left, timedelta(0))

    def inactive(self, now: datetime) -> timedelta | None:
        """After how long without any contact an account ends: as the most patient version by `now` said. None: never."""
        if self.governing(now).inactive is None:
            return None
        return max(policy.inactive for policy in self._told(now) if policy.inactive is not None)

    def facts_kept(self, now: datetime) -> timedelta:
        """How long facts stay: a backup that was made under an earlier version may be kept as long as that one said."""
        return max(facts_kept(policy.content) for policy in self._told(now))

    def _told(self, now: datetime) -> Sequence[Policy]:
        """The versions that were in force by now; before the first one's date the first one."""
        return [policy for policy in self.versions if policy.effective_at <= now] or self.versions[:1]

    def with_candidate(self, candidate: Policy) -> "PolicyBook":
        """The book as it would be with this version beside the others; it takes the place of a file of its number.

        Raises:
            PolicyError: the two would not be a book, as in `load_book`.
        """
        others = [
            (policy, f"version {policy.version}") for policy in self.versions if policy.version != candidate.version
        ]
        return PolicyBook(_in_order([*others, (candidate, f"version {candidate.version}")]))

    def without(self, version: int) -> "PolicyBook":
        """The book without a version that has not taken effect, so as if nobody had written it."""
        return PolicyBook(tuple(policy for policy in self.versions if policy.version != version))

    def due_at(
        self, category: str, plans_held: Sequence[PlanHeld], facts: Mapping[Fact, datetime], now: datetime
    ) -> datetime | None:
        """When the time is over of an item that lived through changes of plan and of policy.

        `facts` is what has happened to the item so far, and when; its life began with the
        first of them. None: no clock runs, because the event has not happened from which
        the version that counts counts. Before the first version's date the first version
        counts, so that an item is never without one.

        Raises:
            UnknownCategory: a version that was in force has no rule for the category.
            ValueError: nothing has happened, or no plan was held at all.
        """
        if not facts:
            raise ValueError("a deadline needs something that has happened")
        began_at = min(facts.values())
        moments = [(policy, policy.effective_at) for policy in self.versions]
        first, since = moments[0]
        moments[0] = (first, min(since, began_at, now))

        def due(policy: Policy, until: datetime) -> datetime | None:
            started_at = facts.get(policy.starts_with(category))
            if started_at is None:
                return None
            # Whoever told a plan may have a clock that is a little ahead: what was heard of by now counts by now.
            heard = plans_held if until >= now else [held for held in plans_held if held[1] <= until] or plans_held
            return policy.deadline(category, heard, started_at)

        return due_under(lambda policy: policy.on_policy_change(category), due, moments, began_at, now)


def load_book(folder: Path) -> PolicyBook:
    """Read every version in a profile's folder.

    Raises:
        PolicyError: a version is wrong, two take effect at the same instant, or a later one has no higher number.
    """
    files = [folder / FILE_NAME, *sorted(folder.glob(_LATER))]
    return PolicyBook(_in_order([(load_version(file), file.name) for file in files]))


def _in_order(named: Sequence[tuple[Policy, str]]) -> tuple[Policy, ...]:
    read = sorted(named, key=lambda one: one[0].effective_at)
    for (older, older_name), (newer, name) in pairwise(read):
        if newer.profile != older.profile:
            raise PolicyError(f"{name}: this is a version of {newer.profile}, {older_name} one of {older.profile}.")
        if newer.effective_at == older.effective_at:
            raise PolicyError(
                f"{name}: it takes effect at the same instant as {older_name}; give one a later `effective`."
            )
        if newer.version <= older.version:
            raise PolicyError(
                f"{name}: it takes effect after {older_name} but its version {newer.version} is not higher."
            )
    return tuple(policy for policy, _ in read)
