"""The operator's published policy and catalogue, read once at start.

`load_profile` reads a profile folder: `policy.yaml` (what is kept, how long, why)
and `catalogue.yaml` (models, prices, plans). Both are checked; an error names its line.

    document  the whole file; its sections: rules, parties, choices, duties, clauses
    source, durations, languages, suggestions    how it is read
    consistency  what one section says of another      errors  what can be wrong
    policy, book  one version, all versions            deadlines  plan and policy changes
    references, wording, sentences, claims  numbers in prose, and which clause speaks of what
    margins  what comes after a deadline               clocks, calendars  by when a request is answered
    laws/  packs of law      lint/  findings    diff/  what changes for whom    pages/  HTML and CSV
"""

from lethe_common.policy.book import PolicyBook, load_book
from lethe_common.policy.catalogue import Catalogue, Model, Plan, load_catalogue
from lethe_common.policy.errors import PolicyError
from lethe_common.policy.policy import Policy, load_policy
from lethe_common.policy.prices import Price
from lethe_common.policy.profile import Profile, load_profile
from lethe_common.policy.rules import DataRule, Keep, OnPlanChange, OnPolicyChange

__all__ = [
    "Catalogue",
    "DataRule",
    "Keep",
    "Model",
    "OnPlanChange",
    "OnPolicyChange",
    "Plan",
    "Policy",
    "PolicyBook",
    "PolicyError",
    "Price",
    "Profile",
    "load_book",
    "load_catalogue",
    "load_policy",
    "load_profile",
]
