"""The operator's published policy and catalogue, read once at start.

`load_profile` reads a profile folder: `policy.yaml` (what is kept, how long, why)
and `catalogue.yaml` (models, prices, plans). Both are checked; an error names its line.
"""

from lethe_common.policy.catalogue import Catalogue, Model, Plan, load_catalogue
from lethe_common.policy.errors import PolicyError
from lethe_common.policy.policy import Policy, load_policy
from lethe_common.policy.prices import Price
from lethe_common.policy.profile import Profile, load_profile
from lethe_common.policy.rules import DataRule, Keep, OnPlanChange

__all__ = [
    "Catalogue",
    "DataRule",
    "Keep",
    "Model",
    "OnPlanChange",
    "Plan",
    "Policy",
    "PolicyError",
    "Price",
    "Profile",
    "load_catalogue",
    "load_policy",
    "load_profile",
]
