"""Statistics of groups and of nobody: fixed spans, at least `k` people in a group, a bound on each one's share, rounded.

They are made once, when a span is over, and kept. Made anew after somebody's videos
went, they would tell by the difference how many those were.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from lethe_common.database import Database
from lethe_common.policy import PolicyBook
from lethe_jobs.queries import statistics as queries

log = structlog.get_logger()

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Span:
    """From an instant until just before another one."""

    began_at: datetime
    ended_at: datetime


def last_span(now: datetime, period: timedelta) -> Span:
    """The last whole span before `now`; all of them are counted from one instant, so that nobody chooses where they begin."""
    ended_at = now - (now - _EPOCH) % period
    return Span(ended_at - period, ended_at)


class Statistics:
    """Makes the statistics of each span that is over, where the policy in force has any."""

    def __init__(self, database: Database, book: PolicyBook) -> None:
        self._database, self._book = database, book

    async def sweep(self, now: datetime) -> None:
        """Count the last span, unless that is done, or it overlaps one that was counted under another period."""
        rule = self._book.governing(now).content.aggregates
        if rule is None:
            return
        span = last_span(now, rule.period)
        async with self._database.transaction() as tx:
            if not await queries.begin(tx, span.began_at, span.ended_at, rule.k, rule.rounding):
                return
            groups = await queries.count(tx, span.began_at, span.ended_at, rule.k, rule.rounding)
        log.info("statistics_made", count=groups)
