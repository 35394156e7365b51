"""Whether people hear of a coming version early enough: the arithmetic, shown."""

from dataclasses import dataclass
from datetime import datetime

from lethe_common.policy.diff.changes import changes
from lethe_common.policy.diff.notices import Due, due
from lethe_common.policy.policy import Policy


@dataclass(frozen=True, slots=True)
class Late:
    """A version of which people hear at `known_at`, which is later than the version before it promised."""

    old: Policy
    new: Policy
    notice: Due
    known_at: datetime

    @property
    def earliest(self) -> datetime:
        """When it may take effect, if people hear of it now."""
        return self.known_at + self.notice.before

    def __str__(self) -> str:
        return (
            f"Version {self.new.version} takes effect at {_told(self.new.effective_at)}, and version {self.old.version} "
            f"promises notice {self.notice.before} before: {_told(self.new.effective_at)} - {self.notice.before} = "
            f"{_told(self.notice.by)}, but people would hear of it at {_told(self.known_at)} only. "
            f"Let it take effect at {_told(self.earliest)} or later."
        )


def late(old: Policy, new: Policy, known_at: datetime) -> Late | None:
    """What is wrong with telling people of a version at this instant; None: nothing, or no notice is promised.

    The version before it promised the notice, and says for which changes and how long before.
    """
    notice = due(old, new, changes(old, new))
    return None if notice is None or known_at <= notice.by else Late(old, new, notice, known_at)


def _told(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
