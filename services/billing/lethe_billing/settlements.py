"""Settlements: what becomes of a hold once its generation's outcome is known.

| hold is | completed | failed, cancelled | about to expire | owner erased |
|---|---|---|---|---|
| held | posted as delivered, the rest released | voided | expired, unless accepted | voided |
| expired | charged late | stays | stays | stays |
| posted, voided | stays | stays | stays | stays |
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from lethe_billing.errors import PostExceedsHold
from lethe_billing.grants import Grant, Line, give_back, take
from lethe_billing.holds import Hold, HoldState
from lethe_billing.ledger import Books, Credits, Kind

VoidCause = Literal["failed", "cancelled", "expired", "erased"]


@dataclass(frozen=True, slots=True)
class Settled:
    """One hold's new state; `charged` is what its generation cost."""

    hold: Hold
    state: HoldState
    charged: Credits = 0
    cause: VoidCause | None = None


@dataclass(slots=True)
class Settlement:
    """What a batch of outcomes comes to."""

    settled: list[Settled] = field(default_factory=list)
    books: Books = field(default_factory=Books)


def post(settlement: Settlement, hold: Hold, spent: Credits, grants: Sequence[Grant], at: datetime) -> None:
    """Charge a hold for what was delivered; what it held above that goes back to its grants.

    `grants` are those of its wallet in spending order, and may be left out where
    nothing goes back.

    Raises:
        PostExceedsHold: `spent` is above the held amount; the quote bound the price.
    """
    if spent > hold.quoted.credits:
        raise PostExceedsHold(held=hold.quoted.credits, spent=spent)
    if hold.state is HoldState.EXPIRED:
        _post_late(settlement.books, hold, spent, grants, at)
    elif hold.state is HoldState.HELD:
        settlement.books.move(Kind.POST, hold.wallet_id, hold.cause_ref, spent)
        _release(settlement.books, hold, unspent(hold.lines, spent), grants, at)
    else:
        return
    settlement.settled.append(Settled(hold, HoldState.POSTED, spent))


def void(settlement: Settlement, hold: Hold, cause: VoidCause, grants: Sequence[Grant], at: datetime) -> None:
    """Give everything held back to its grants; what is settled already stays as it is."""
    if hold.state is not HoldState.HELD:
        return
    _release(settlement.books, hold, hold.lines, grants, at)
    state = HoldState.EXPIRED if cause == "expired" else HoldState.VOIDED
    settlement.settled.append(Settled(hold, state, cause=cause))


def unspent(lines: Sequence[Line], spent: Credits) -> tuple[Line, ...]:
    """The lines of a hold less what was spent; the first lines are spent first."""
    left = []
    for line in lines:
        part = min(line.amount, spent)
        spent -= part
        if line.amount > part:
            left.append(Line(line.grant_id, line.amount - part))
    return tuple(left)


def _release(books: Books, hold: Hold, lines: Sequence[Line], grants: Sequence[Grant], at: datetime) -> None:
    if not lines:
        return
    books.move(Kind.RELEASE, hold.wallet_id, hold.cause_ref, sum(line.amount for line in lines))
    by_id = {grant.grant_id: grant for grant in grants}
    for line in lines:
        give_back(books, by_id[line.grant_id], line.amount, at)  # type: ignore[index]  # a GrantId is a str


def _post_late(books: Books, hold: Hold, spent: Credits, grants: Sequence[Grant], at: datetime) -> None:
    """The credits went back when the hold expired: take them again; what is no longer there is owed."""
    lines = take(grants, spent, at)
    for line in lines:
        books.grant_changes[line.grant_id] -= line.amount
    taken = sum(line.amount for line in lines)
    books.move(Kind.LATE_POST, hold.wallet_id, hold.cause_ref, taken)
    books.move(Kind.OWE, hold.wallet_id, hold.cause_ref, spent - taken)
