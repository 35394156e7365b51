"""What billing does when a generation's outcome is known.

Each handler runs inside the frame's transaction, together with its inbox row and
the events it tells: it loads, decides, writes, tells, and never commits. Outcomes
come in batches; when one of a batch fails, the frame handles them one by one.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from lethe_billing import account_queries, queries
from lethe_billing.errors import HoldNotFound
from lethe_billing.holds import Hold, HoldState, size_of
from lethe_billing.settlements import Settled, Settlement, VoidCause, post, void
from lethe_common.clock import Clock
from lethe_common.database import Transaction
from lethe_common.events.billing import HOLDS_MOST, HoldsPosted, HoldVoided
from lethe_common.events.jobs import GenerationCancelled, GenerationCompleted, GenerationFailed
from lethe_common.identifiers import SubjectRef
from lethe_common.policy.prices import PriceBook
from lethe_common.policy.sizes import PictureSize

Outcome = GenerationCompleted | GenerationFailed | GenerationCancelled


class OutcomeHandlers:
    """Settles holds by outcomes."""

    def __init__(self, prices: PriceBook, clock: Clock) -> None:
        self._prices, self._clock = prices, clock

    async def on_generations_completed(self, events: Sequence[GenerationCompleted], tx: Transaction) -> None:
        """Charge what was delivered.

        Raises:
            HoldNotFound: a hold is not known yet.
        """
        await self._settle(events, tx)

    async def on_generations_failed(self, events: Sequence[GenerationFailed], tx: Transaction) -> None:
        """Charge nothing.

        Raises:
            HoldNotFound: a hold is not known yet.
        """
        await self._settle(events, tx)

    async def on_generations_cancelled(self, events: Sequence[GenerationCancelled], tx: Transaction) -> None:
        """Charge nothing.

        Raises:
            HoldNotFound: a hold is not known yet.
        """
        await self._settle(events, tx)

    async def _settle(self, events: Sequence[Outcome], tx: Transaction) -> None:
        at = self._clock.now()
        outcomes: dict[str, Outcome] = {event.generation_id: event for event in events}
        open_wallets = await _lock(tx, outcomes)
        holds = await queries.holds_of_generations(tx, outcomes.keys())
        await _check_all_known(tx, outcomes, holds)
        due = [(hold, outcomes[key]) for key, hold in holds.items() if hold.wallet_id in open_wallets]
        charges = [(hold, outcome, self._spent(hold, outcome)) for hold, outcome in due]
        needy = {hold.wallet_id for hold, _, spent in charges if _touches_grants(hold, spent)}
        grants = await queries.grants_of(tx, needy) if needy else {}
        settlement = Settlement()
        for hold, outcome, spent in charges:
            in_order = grants.get(hold.wallet_id, [])
            if isinstance(outcome, GenerationCompleted):
                post(settlement, hold, spent, in_order, at)
            else:
                void(settlement, hold, _cause(outcome), in_order, at)
        await write(tx, settlement, {key: outcome.subject_ref for key, outcome in outcomes.items()}, at)

    def _spent(self, hold: Hold, outcome: Outcome) -> int:
        if not isinstance(outcome, GenerationCompleted):
            return 0
        got = outcome.delivered
        size = PictureSize(got.width_px, got.height_px)
        return self._prices.as_delivered(hold.quoted, hold.order.model, size_of(hold.order), size, got.duration_seconds)


async def write(tx: Transaction, settlement: Settlement, subjects: Mapping[str, str], at: datetime) -> None:
    """Store what a settlement came to and tell it. `subjects` are the owners' refs by generation."""
    await queries.settle_holds(tx, settlement.settled, at)
    await queries.book(tx, settlement.books, at)
    posted = [one for one in settlement.settled if one.state is HoldState.POSTED]
    for start in range(0, len(posted), HOLDS_MOST):
        part = posted[start : start + HOLDS_MOST]
        tx.tell(HoldsPosted(holds=tuple(_posted(one, subjects[one.hold.generation_id]) for one in part)))
    for one in settlement.settled:
        if one.cause is not None:
            tx.tell(_voided(one.hold, subjects[one.hold.generation_id], one.cause))


def _posted(settled: Settled, subject_ref: str) -> HoldsPosted.Posted:
    return HoldsPosted.Posted(
        hold_id=settled.hold.hold_id,
        generation_id=settled.hold.generation_id,
        subject_ref=SubjectRef.trusted(subject_ref),
        credits=settled.charged,
    )


def _voided(hold: Hold, subject_ref: str, cause: VoidCause) -> HoldVoided:
    return HoldVoided(
        hold_id=hold.hold_id,
        generation_id=hold.generation_id,
        subject_ref=SubjectRef.trusted(subject_ref),
        cause=cause,
    )


def _cause(outcome: GenerationFailed | GenerationCancelled) -> VoidCause:
    return "failed" if isinstance(outcome, GenerationFailed) else "cancelled"


def _touches_grants(hold: Hold, spent: int) -> bool:
    return hold.state is HoldState.EXPIRED or (hold.state is HoldState.HELD and spent < hold.quoted.credits)


async def _lock(tx: Transaction, outcomes: Mapping[str, Outcome]) -> set[UUID]:
    """Lock the wallets; those closed by an erasure are not among what is returned, and keep their books."""
    rows = await tx.fetch(queries.LOCK_WALLETS_OF_GENERATIONS, list(outcomes))
    return {row["wallet_id"] for row in rows if not row["is_closed"]}


async def _check_all_known(tx: Transaction, outcomes: Mapping[str, Outcome], holds: Mapping[str, Hold]) -> None:
    missing = [outcome for key, outcome in outcomes.items() if key not in holds]
    if not missing:
        return
    erased = await account_queries.fenced(tx, [outcome.subject_ref for outcome in missing])
    waiting = sum(outcome.subject_ref not in erased for outcome in missing)
    if waiting:
        raise HoldNotFound(waiting)
