"""The calendar: what goes when and why, and what should have gone."""

from datetime import timedelta

from lethe_common.clock import Clock
from lethe_common.database import Database
from lethe_common.policy import PolicyBook
from lethe_common.rpc import retention as rpc
from lethe_common.services import Service
from lethe_retention import calendar_queries, queries, schemas
from lethe_retention.deadlines import CATEGORY, Timetable


class Calendar:
    """Looks ahead for operators and for the owners of items."""

    def __init__(self, database: Database, book: PolicyBook, timetable: Timetable, clock: Clock) -> None:
        self._database, self._book, self._timetable, self._clock = database, book, timetable, clock

    async def summary(self, _question: rpc.DeadlineSummaryQuestion, _caller: Service) -> rpc.DeadlineSummaryAnswer:
        """How many items wait, are due, or are late: overdue once their grace is over as well."""
        now = self._clock.now()
        late = now - self._book.governing(now).grace(CATEGORY)
        async with self._database.transaction() as tx:
            return schemas.summary(await tx.fetchone(calendar_queries.SUMMARY, late))

    async def overdue(self, question: rpc.OverdueListQuestion, _caller: Service) -> rpc.OverdueListAnswer:
        """What passed deadline and grace and is still there, the longest overdue first."""
        now = self._clock.now()
        policy = self._book.governing(now)
        graces = {category: policy.grace(category) for category in policy.categories}
        async with self._database.transaction() as tx:
            counts = await calendar_queries.overdue(tx, graces, now)
            rows = await calendar_queries.overdue_page(tx, graces, now, question.limit)
        return schemas.overdue(counts, rows)

    async def forecast(self, question: rpc.ForecastQuestion, _caller: Service) -> rpc.ForecastAnswer:
        """How much goes on each of the coming days."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            rows = await tx.fetch(calendar_queries.FORECAST, now, now + timedelta(days=question.days))
        return rpc.ForecastAnswer(days=tuple(rpc.ForecastDay(**dict(row)) for row in rows))

    async def page(self, question: rpc.CalendarQuestion, _caller: Service) -> rpc.CalendarAnswer:
        """One page of a subject's items, each with the rule behind its deadline."""
        arguments = question.subject_ref, question.after or "", question.limit + 1
        async with self._database.transaction() as tx:
            rows = await tx.fetch(calendar_queries.PAGE, *arguments)
            plans = (await queries.plans(tx, [question.subject_ref]))[question.subject_ref]
        now = self._clock.now()
        items = [schemas.item(row, self._timetable.rule(queries.deadline(row), plans, now)) for row in rows]
        return rpc.CalendarAnswer(items=tuple(items[: question.limit]), has_more=len(items) > question.limit)
