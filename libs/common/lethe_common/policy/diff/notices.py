"""Whether people have to hear of a new version before it takes effect, by when and how.

The version that is in force decides: it promised the notice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lethe_common.policy.diff.changes import Change
from lethe_common.policy.durations import Period
from lethe_common.policy.policy import Policy

Channel = Literal["page", "app", "email"]


@dataclass(frozen=True, slots=True)
class Due:
    """Notice is due by an instant, so long before the new version takes effect, through these channels."""

    by: datetime
    before: Period
    channels: tuple[Channel, ...]
    is_significant: bool


def due(old: Policy, new: Policy, found: Sequence[Change]) -> Due | None:
    """The notice that the old version promises for these changes; None when it promises none.

    A significant change goes through every channel, one that is only material not by mail.
    """
    notice = old.content.notice
    kinds = {change.kind for change in found}
    if notice is None or not kinds & {*notice.material, *notice.significant}:
        return None
    lead = notice.controller_change if "controller" in kinds and notice.controller_change else notice.before
    if lead is None:
        return None
    is_significant = bool(kinds & set(notice.significant))
    channels = tuple(channel for channel in notice.channels if is_significant or channel != "email")
    return Due(new.effective_at - lead, lead, channels, is_significant)
