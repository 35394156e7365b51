"""The ledger: double entry, append only, in credits.

A transfer takes from its debit account what it adds to its credit account. A
wallet has the accounts `available`, `held` and `owed`; the house has the others.
Which kind of transfer joins which accounts is fixed here and checked again by
the database. Balances are a cache of the transfers, never the other way round.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from lethe_common.identifiers import uuid7

Credits = int


class Account(StrEnum):
    """Where credits can be."""

    AVAILABLE = "available"
    HELD = "held"
    OWED = "owed"
    ISSUED = "issued"
    REVENUE = "revenue"
    EXPIRED = "expired"


class Kind(StrEnum):
    """Why credits move."""

    ISSUE = "issue"
    HOLD = "hold"
    POST = "post"
    RELEASE = "release"
    EXPIRE = "expire"
    LATE_POST = "late_post"
    OWE = "owe"
    REPAY = "repay"


SIDES = MappingProxyType(
    {
        Kind.ISSUE: (Account.ISSUED, Account.AVAILABLE),
        Kind.HOLD: (Account.AVAILABLE, Account.HELD),
        Kind.POST: (Account.HELD, Account.REVENUE),
        Kind.RELEASE: (Account.HELD, Account.AVAILABLE),
        Kind.EXPIRE: (Account.AVAILABLE, Account.EXPIRED),
        Kind.LATE_POST: (Account.AVAILABLE, Account.REVENUE),
        Kind.OWE: (Account.OWED, Account.REVENUE),
        Kind.REPAY: (Account.AVAILABLE, Account.OWED),
    }
)
"""Debit and credit account of each kind of transfer."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One line of the ledger. `cause_ref` is the billing-only ref of the hold or grant it belongs to."""

    transfer_id: UUID
    kind: Kind
    wallet_id: UUID
    cause_ref: UUID
    amount: Credits

    @property
    def debit(self) -> Account:
        """The account it takes from."""
        return SIDES[self.kind][0]

    @property
    def credit(self) -> Account:
        """The account it adds to."""
        return SIDES[self.kind][1]


@dataclass(slots=True)
class Balance:
    """A wallet's accounts, or changes of them. `owed` counts what the owner owes, upwards."""

    available: Credits = 0
    held: Credits = 0
    owed: Credits = 0

    def add(self, transfer: Transfer) -> None:
        """Follow one transfer."""
        for account, sign in ((transfer.debit, -1), (transfer.credit, 1)):
            if account is Account.AVAILABLE:
                self.available += sign * transfer.amount
            elif account is Account.HELD:
                self.held += sign * transfer.amount
            elif account is Account.OWED:
                self.owed -= sign * transfer.amount


@dataclass(slots=True)
class Books:
    """What one transaction writes: transfers, and what they take from or give back to grants."""

    transfers: list[Transfer] = field(default_factory=list)
    grant_changes: dict[str, Credits] = field(default_factory=lambda: defaultdict(int))

    def move(self, kind: Kind, wallet_id: UUID, cause_ref: UUID, amount: Credits) -> None:
        """Add a transfer; moving nothing leaves no line."""
        if amount:
            self.transfers.append(Transfer(uuid7(), kind, wallet_id, cause_ref, amount))

    def balance_changes(self) -> dict[UUID, Balance]:
        """What the transfers change in each wallet."""
        changes: dict[UUID, Balance] = defaultdict(Balance)
        for transfer in self.transfers:
            changes[transfer.wallet_id].add(transfer)
        return changes
