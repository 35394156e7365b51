"""What the privacy service does when an owner reports, and when a hold ends. Both are told twice and late."""

from collections.abc import Callable
from datetime import timedelta

from lethe_common.database import Transaction
from lethe_common.events.privacy import ErasureStepReported
from lethe_common.events.retention import LegalHoldLifted
from lethe_privacy import queries
from lethe_privacy.erasures import Report, State, after_report, merged


class ErasureHandlers:
    """Moves erasures on; `wake` is called after the commit when the saga has something to do."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    async def on_step_reported(self, event: ErasureStepReported, tx: Transaction) -> None:
        """Keep the report; with the last one, the keys are next."""
        erasure = await queries.lock_erasure(tx, event.erasure_id)
        if erasure is None or erasure.subject_ref != event.subject_ref:
            return
        reports, reported = await queries.reports_of(tx, event.erasure_id)
        earlier = next((report for report in reports if report.owner is event.owner), None)
        report = merged(earlier, Report(event.owner, event.counts, event.prefixes))
        await queries.put_report(tx, event.erasure_id, report)
        if after_report(erasure.state, reported | {event.owner}) is State.DESTROYING and (
            erasure.state is not State.DESTROYING
        ):
            await tx.execute(queries.MOVE, event.erasure_id, State.DESTROYING, timedelta(0))
            tx.after_commit(self._wake)

    async def on_hold_lifted(self, event: LegalHoldLifted, tx: Transaction) -> None:
        """An erasure that waited for it asks again; another hold may still keep it."""
        await tx.execute(queries.ASK_AGAIN_WHETHER_HELD, event.subject_ref)
        tx.after_commit(self._wake)
