"""What retention answers to operators."""

from lethe_common.clock import Clock
from lethe_common.database import Database
from lethe_common.policy import PolicyBook
from lethe_common.rpc.retention import DeadlineSummaryAnswer, DeadlineSummaryQuestion
from lethe_common.services import Service
from lethe_retention import queries, schemas
from lethe_retention.deadlines import CATEGORY


class Calendar:
    """How many items wait, are due, or are late."""

    def __init__(self, database: Database, book: PolicyBook, clock: Clock) -> None:
        self._database, self._book, self._clock = database, book, clock

    async def summary(self, _question: DeadlineSummaryQuestion, _caller: Service) -> DeadlineSummaryAnswer:
        """Count them. An item is overdue once its grace is over as well."""
        now = self._clock.now()
        late = now - self._book.governing(now).grace(CATEGORY)
        async with self._database.transaction() as tx:
            row = await tx.fetchrow(queries.SUMMARY, late)
        assert row is not None  # noqa: S101  a SELECT of counts always has its one row
        return schemas.summary(row)
