"""What jobs answers to the gateway. Looked up with the subject, always: somebody else's id finds nothing."""

from collections.abc import Mapping

from lethe_common.database import Database
from lethe_common.rpc.jobs import (
    AssetLocateAnswer,
    AssetLocateQuestion,
    PositionAnswer,
    PositionQuestion,
    RunListAnswer,
    RunListQuestion,
    StatisticsAnswer,
    StatisticsQuestion,
)
from lethe_common.services import Service
from lethe_jobs.admissions import eta_seconds, place_of
from lethe_jobs.paces import Pace
from lethe_jobs.queries import answers as queries
from lethe_jobs.queries import statistics
from lethe_jobs.runs import State
from lethe_jobs.schemas import located_asset, run_row, statistics_spans

_NEWEST = 10_000
"""Among how many runs those that ended are looked for."""


class Endpoints:
    """Reads only."""

    def __init__(self, database: Database, pace: Pace, at_once: Mapping[str, int], position_most: int) -> None:
        self._database, self._pace, self._at_once, self._position_most = database, pace, at_once, position_most

    async def position(self, question: PositionQuestion, _caller: Service) -> PositionAnswer:
        """Place in the queue and a guess of the time left; zeros for what is unknown or done."""
        async with self._database.transaction() as tx:
            place = await queries.place(tx, question.generation_id, question.subject_ref, self._position_most)
        if place is None or State(place.state).is_final:
            return PositionAnswer(position=0, eta_seconds=0)
        own = self._pace.expect(place.seconds)
        if place.state != State.QUEUED:
            return PositionAnswer(position=0, eta_seconds=round(own * (100 - place.progress) / 100))
        position = place_of(place.ahead, place.ahead_of_own)
        eta = eta_seconds(position, self._at_once.get(place.provider, 1), own, own)
        return PositionAnswer(position=position, eta_seconds=eta)

    async def assets(self, question: AssetLocateQuestion, _caller: Service) -> AssetLocateAnswer:
        """Where a generation's objects lie; nothing once it is to be removed."""
        async with self._database.transaction() as tx:
            found = await queries.assets(tx, question.generation_id, question.subject_ref)
        return AssetLocateAnswer(assets=tuple(map(located_asset, found)))

    async def runs(self, question: RunListQuestion, _caller: Service) -> RunListAnswer:
        """The newest runs, and how many there are in each state; of those that ended, among the newest ones."""
        async with self._database.transaction() as tx:
            found = await queries.listing(tx, question.state, question.limit, _NEWEST)
            counts = await queries.by_state(tx, _NEWEST)
        return RunListAnswer(runs=tuple(map(run_row, found)), by_state=counts, newest=_NEWEST)

    async def statistics(self, question: StatisticsQuestion, _caller: Service) -> StatisticsAnswer:
        """What was counted of the last spans."""
        async with self._database.transaction() as tx:
            found = await statistics.newest(tx, question.spans)
        return StatisticsAnswer(spans=statistics_spans(found))
