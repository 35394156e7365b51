"""A profile: one folder with a policy and a catalogue that agree."""

from dataclasses import dataclass
from pathlib import Path

from lethe_common.policy.catalogue import Catalogue, load_catalogue
from lethe_common.policy.errors import PolicyError
from lethe_common.policy.policy import Policy, load_policy


@dataclass(frozen=True, slots=True)
class Profile:
    """What one deployment promises and offers."""

    policy: Policy
    catalogue: Catalogue


def load_profile(folder: Path) -> Profile:
    """Read both files of a profile's folder.

    Raises:
        PolicyError: a file is wrong, or a plan has no period in some rule that counts by plan.
    """
    profile = Profile(load_policy(folder), load_catalogue(folder))
    keys = {plan.retention for plan in profile.catalogue.plans.values()}
    for category, rule in profile.policy.content.data.items():
        if rule.keep.exactly is not None and not keys <= rule.keep.exactly.keys():
            raise PolicyError(f"policy.yaml: data.{category}.keep.exactly lacks a plan of catalogue.yaml.")
    return profile
