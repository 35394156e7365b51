"""Grants: credits given, with where they came from and when they run out.

Spending order: soonest expiry, then priority, then age, so that nobody loses what
they could have used, and a purchased top-up outlives every plan's allowance.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID, uuid4

from lethe_billing.ledger import Books, Credits, Kind
from lethe_common.identifiers import GrantId

_NEVER = datetime.max.replace(tzinfo=UTC)

Source = Literal["plan", "top_up", "promo", "goodwill", "refund"]


@dataclass(slots=True)
class Grant:
    """One grant as it stands under lock; `remaining` follows what is decided in this transaction."""

    grant_id: GrantId
    wallet_id: UUID
    cause_ref: UUID
    source: Source
    amount: Credits
    remaining: Credits
    priority: int
    granted_at: datetime
    expires_at: datetime | None

    def is_over(self, at: datetime) -> bool:
        """Whether it ran out; at the very second of its expiry it has."""
        return self.expires_at is not None and at >= self.expires_at


@dataclass(frozen=True, slots=True)
class Line:
    """Credits taken from one grant."""

    grant_id: str
    amount: Credits


def spending_order(grants: Iterable[Grant]) -> list[Grant]:
    """The order in which grants are used up."""
    return sorted(grants, key=_rank)


def spendable(grants: Iterable[Grant], at: datetime) -> Credits:
    """How much could be held at a moment."""
    return sum(grant.remaining for grant in grants if not grant.is_over(at))


def take(in_order: Sequence[Grant], amount: Credits, at: datetime) -> tuple[Line, ...]:
    """Take up to `amount` credits from grants in spending order, and say from which.

    The lines sum to less than `amount` when the grants do.
    """
    lines = []
    for grant in in_order:
        part = 0 if grant.is_over(at) else min(grant.remaining, amount)
        if part:
            grant.remaining -= part
            amount -= part
            lines.append(Line(grant.grant_id, part))
        if not amount:
            break
    return tuple(lines)


def issue(books: Books, wallet_id: UUID, source: Source, amount: Credits, at: datetime, owed: Credits = 0) -> Grant:
    """Give credits that never expire; what the owner owes is paid from them first."""
    repaid = min(owed, amount)
    grant = Grant(GrantId.new(), wallet_id, uuid4(), source, amount, amount - repaid, 0, at, None)
    books.move(Kind.ISSUE, wallet_id, grant.cause_ref, amount)
    books.move(Kind.REPAY, wallet_id, grant.cause_ref, repaid)
    return grant


def give_back(books: Books, grant: Grant, amount: Credits, at: datetime) -> None:
    """Return released credits to their grant; they expire at once where it has meanwhile run out."""
    if grant.is_over(at):
        books.move(Kind.EXPIRE, grant.wallet_id, grant.cause_ref, amount)
        return
    grant.remaining += amount
    books.grant_changes[grant.grant_id] += amount


def expire(books: Books, grant: Grant) -> None:
    """Let everything that is left of a grant run out."""
    books.move(Kind.EXPIRE, grant.wallet_id, grant.cause_ref, grant.remaining)
    books.grant_changes[grant.grant_id] -= grant.remaining
    grant.remaining = 0


def _rank(grant: Grant) -> tuple[datetime, int, datetime]:
    return grant.expires_at or _NEVER, grant.priority, grant.granted_at
