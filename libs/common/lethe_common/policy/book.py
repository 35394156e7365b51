"""All versions of a profile's policy. Each decision takes the one in force at policy time.

The first version is `policy.yaml`, every later one `policy-<anything>.yaml` beside it
(`policy-2.yaml`); what orders them is what they say, not what they are called.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from lethe_common.policy.deadlines import due_under
from lethe_common.policy.errors import NotYetInForce, PolicyError
from lethe_common.policy.policy import FILE_NAME, PlanHeld, Policy, load_version

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
        for policy in reversed(self.versions):
            if policy.effective_at <= at:
                return policy
        raise NotYetInForce(f"The first version takes effect on {self.versions[0].effective_at.isoformat()}.")

    def next_after(self, at: datetime) -> Policy | None:
        """The version that takes effect next, later than a policy time; None when none does."""
        return next((policy for policy in self.versions if policy.effective_at > at), None)

    def due_at(self, category: str, plans_held: Sequence[PlanHeld], started_at: datetime, now: datetime) -> datetime:
        """When the time is over of an item that lived through changes of plan and of policy.

        Before the first version's date the first version counts, so that an item is never without one.

        Raises:
            UnknownCategory: a version that was in force has no rule for the category.
            ValueError: no plan was held at all.
        """
        moments = [(policy, policy.effective_at) for policy in self.versions]
        first, since = moments[0]
        moments[0] = (first, min(since, started_at, now))

        def due(policy: Policy, until: datetime) -> datetime:
            heard = [held for held in plans_held if held[1] <= until] or list(plans_held)
            return policy.deadline(category, heard, started_at)

        return due_under(lambda policy: policy.on_policy_change(category), due, moments, started_at, now)


def load_book(folder: Path) -> PolicyBook:
    """Read every version in a profile's folder.

    Raises:
        PolicyError: a version is wrong, two take effect at the same instant, or a later one has no higher number.
    """
    files = [folder / FILE_NAME, *sorted(folder.glob(_LATER))]
    read = sorted(((load_version(file), file.name) for file in files), key=lambda one: one[0].effective_at)
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
    return PolicyBook(tuple(policy for policy, _ in read))
