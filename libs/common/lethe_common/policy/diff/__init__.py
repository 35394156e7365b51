"""What a new version of a policy changes, for whom, and whether notice is due before it takes effect."""

from lethe_common.policy.diff.announced import Announced, unannounced
from lethe_common.policy.diff.changes import Change, changes
from lethe_common.policy.diff.leads import Late, late
from lethe_common.policy.diff.notices import Due, due
from lethe_common.policy.diff.telling import told, told_notice

__all__ = ["Announced", "Change", "Due", "Late", "changes", "due", "late", "told", "told_notice", "unannounced"]
