"""A profile: one folder with all versions of a policy, and a catalogue that agrees with each."""

from dataclasses import dataclass
from pathlib import Path

from lethe_common.policy.book import PolicyBook, load_book
from lethe_common.policy.catalogue import Catalogue, load_catalogue
from lethe_common.policy.errors import PolicyError
from lethe_common.policy.policy import Policy


@dataclass(frozen=True, slots=True)
class Profile:
    """What one deployment promises and offers."""

    book: PolicyBook
    catalogue: Catalogue


def load_profile(folder: Path) -> Profile:
    """Read everything in a profile's folder.

    Raises:
        PolicyError: a file is wrong, or a plan has no period in some rule that counts by plan.
    """
    profile = Profile(load_book(folder), load_catalogue(folder))
    for policy in profile.book.versions:
        check_agreement(policy, profile.catalogue)
    return profile


def check_agreement(policy: Policy, catalogue: Catalogue) -> None:
    """Every plan on offer has a period in each rule that counts by plan.

    Raises:
        PolicyError: one lacks it.
    """
    keys = {plan.retention for plan in catalogue.plans.values()}
    for category, rule in policy.content.data.items():
        if rule.keep.exactly is not None and not keys <= rule.keep.exactly.keys():
            raise PolicyError(
                f"Version {policy.version} of the policy: data.{category}.keep.exactly lacks a plan of catalogue.yaml."
            )
