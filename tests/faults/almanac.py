"""The published periods of aisora2 as plain arithmetic, apart from the product's: until when a thing stays, when it is gone.

Everything is in whole seconds of policy time since 1970. Nothing of Lethe is imported here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

HOUR = 3600
DAY = 24 * HOUR

# output.video: keep from completed, exactly {free: P7D, basic: P30D, standard: P60D, pro: P90D}, grace PT24H
DAYS = {"free": 7, "basic": 30, "standard": 60, "pro": 90}
VIDEO_GRACE = DAY
# upload.image: keep from processed, at_most PT1H
UPLOAD_MOST = HOUR
# until account_closed, at_most P30D; backups keep P14D
CLOSED_MOST = 30 * DAY
BACKUPS = 14 * DAY
# technical.log: at_most P90D, partition P1D, grace PT24H
LOG_MOST, LOG_PARTITION, LOG_GRACE = 90 * DAY, DAY, DAY
# ledger.transfer: at_least P7Y; a minimum is never shortened, so a year is 366 days. erasure.record and consent.record: P3Y
LEDGER_LEAST = 7 * 366 * DAY
RECORD_LEAST = CONSENT_LEAST = 3 * 366 * DAY


@dataclass(slots=True)
class Plans:
    """Which plans somebody had, each with the second from which on; in the order in which they came."""

    held: list[tuple[int, str]] = field(default_factory=list)

    @property
    def current(self) -> str:
        """The latest one."""
        return self.held[-1][1]

    def change(self, at: int, plan: str) -> None:
        """On another plan from now on."""
        self.held.append((at, plan))


def due_at(completed_at: int, held: Sequence[tuple[int, str]]) -> int:
    """When a video's time is over: the longest period of all plans held between its completion and that time."""
    at_start = [plan for since, plan in held if since <= completed_at][-1]
    due = completed_at + DAYS[at_start] * DAY
    for since, plan in held:
        if completed_at < since < due:
            due = max(due, completed_at + DAYS[plan] * DAY)
    return due
