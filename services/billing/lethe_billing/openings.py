"""Openings: an account's wallet, its plan, and the credits it starts with, given once."""

from collections.abc import Sequence
from uuid import uuid4

from lethe_billing import account_queries, queries
from lethe_billing.grants import issue
from lethe_billing.ledger import Books
from lethe_common.clock import Clock
from lethe_common.database import Transaction
from lethe_common.events.billing import CreditsGranted, PlanChanged
from lethe_common.events.identity import AccountOpened
from lethe_common.policy import Catalogue


class OpeningHandlers:
    """What billing does when an account was opened."""

    def __init__(self, catalogue: Catalogue, clock: Clock) -> None:
        self._catalogue, self._clock = catalogue, clock

    async def on_accounts_opened(self, events: Sequence[AccountOpened], tx: Transaction) -> None:
        """Open a wallet for each; one that is known already, or being erased, is left alone.

        Raises:
            UnknownPlan: the catalogue lacks a plan.
        """
        first = {event.subject_ref: event for event in reversed(events)}
        refs = list(first)
        done = await account_queries.known_subjects(tx, refs) | await account_queries.fenced(tx, refs)
        opened = [event for ref, event in first.items() if ref not in done]
        if not opened:
            return
        wallet_ids = [uuid4() for _ in opened]
        await tx.execute(queries.INSERT_WALLETS, wallet_ids)
        await account_queries.insert_subjects(
            tx,
            [event.subject_ref for event in opened],
            wallet_ids,
            [self._catalogue.plan(event.plan).id for event in opened],
            [event.opened_at for event in opened],
        )
        books, grants = Books(), []
        for event, wallet_id in zip(opened, wallet_ids, strict=True):
            tx.tell(PlanChanged(subject_ref=event.subject_ref, plan=event.plan, since=event.opened_at))
            credits_given = self._catalogue.plan(event.plan).opening_credits
            if credits_given:
                grant = issue(books, wallet_id, "plan", credits_given, event.opened_at)
                grants.append(grant)
                tx.tell(
                    CreditsGranted(
                        grant_id=grant.grant_id, subject_ref=event.subject_ref, credits=credits_given, source="plan"
                    )
                )
        await queries.insert_grants(tx, grants)
        await queries.book(tx, books, self._clock.now())
