"""Packs of law that a policy names under `jurisdictions`.

Each pack is a data file: what it demands, from which source, and when somebody
compared the entry with a copy of that source (`seen_at`). An entry whose `checked`
is null was not compared with anything here: it is a reminder, not advice.
"""

from lethe_common.policy.laws.packs import Entry, Pack, exclusions, longest_answer, pack, packs

__all__ = ["Entry", "Pack", "exclusions", "longest_answer", "pack", "packs"]
