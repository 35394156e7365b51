"""What billing answers."""

from datetime import timedelta
from uuid import uuid4

import asyncpg

from lethe_billing import account_queries, queries
from lethe_billing.errors import UnknownPrice, UnknownSubject
from lethe_billing.expiries import Expiries
from lethe_billing.grants import spendable
from lethe_billing.holds import HoldDesk, Quote
from lethe_billing.schemas import grant_line, transfer_line, transfer_uuid
from lethe_common.clock import Clock
from lethe_common.coalescer import Coalescer
from lethe_common.database import Database, Transaction
from lethe_common.events.billing import PlanChanged
from lethe_common.identifiers import SubjectRef
from lethe_common.policy import Catalogue
from lethe_common.rpc.billing import (
    BalanceAnswer,
    BalanceQuestion,
    HoldAnswer,
    HoldPlaceAnswer,
    HoldPlaceQuestion,
    HoldReleaseAnswer,
    HoldReleaseQuestion,
    HoldRequest,
    LedgerVerifyAnswer,
    LedgerVerifyQuestion,
    PlanChangeAnswer,
    PlanChangeQuestion,
    PlanCount,
    PlansCountAnswer,
    PlansCountQuestion,
    QuoteAnswer,
    QuoteQuestion,
)
from lethe_common.services import Service

_NEXT = timedelta(microseconds=1)


class HoldEndpoint:
    """Answers `hold.place`, where every call's holds join whatever waits at that moment, and `hold.release`."""

    def __init__(self, holds: Coalescer[HoldRequest, HoldAnswer], expiries: Expiries, clock: Clock) -> None:
        self._holds, self._expiries, self._clock = holds, expiries, clock

    async def release(self, question: HoldReleaseQuestion, _caller: Service) -> HoldReleaseAnswer:
        """Give the credits of an order back that was not accepted."""
        now = self._clock.now()
        is_released = await self._expiries.release(question.subject_ref, question.generation_id, now)
        return HoldReleaseAnswer(is_released=is_released)

    async def place(self, question: HoldPlaceQuestion, _caller: Service) -> HoldPlaceAnswer:
        """One answer per hold. Only what befalls all of them (the database is away) refuses the call."""
        answers: list[HoldAnswer] = []
        for answer in await self._holds.put_all(question.holds):
            if isinstance(answer, Exception):
                raise answer
            answers.append(answer)
        return HoldPlaceAnswer(answers=tuple(answers))


class AccountEndpoints:
    """Answers about one subject's money, and about the books as a whole."""

    def __init__(
        self, database: Database, desk: HoldDesk, catalogue: Catalogue, clock: Clock, quote_period: timedelta
    ) -> None:
        self._database, self._desk, self._catalogue, self._clock = database, desk, catalogue, clock
        self._quote_period = quote_period

    async def quote(self, question: QuoteQuestion, _caller: Service) -> QuoteAnswer:
        """Bind a price for a while.

        Raises:
            UnknownSubject: no such account.
            UnknownPrice: nothing on offer fits the order.
        """
        at = self._clock.now()
        price = self._desk.price(question.order, at)
        if price is None:
            raise UnknownPrice
        async with self._database.transaction() as tx:
            subject = await _subject(tx, question.subject_ref)
            quote_id = f"quote_{uuid4().hex}"
            quote = Quote(subject["wallet_id"], question.order, price, at + self._quote_period)
            await queries.insert_quote(tx, quote_id, quote)
            grants = (await queries.grants_of(tx, [quote.wallet_id]))[quote.wallet_id]
        return QuoteAnswer(
            quote_id=quote_id,
            credits=price.credits,
            price_version=price.version,
            available=spendable(grants, at),
            expires_at=quote.expires_at,
        )

    async def balance(self, question: BalanceQuestion, _caller: Service) -> BalanceAnswer:
        """What a subject has, and a page of its transfers, newest first.

        Raises:
            UnknownSubject: no such account.
        """
        after = None if question.history_after is None else transfer_uuid(question.history_after)
        async with self._database.transaction() as tx:
            subject = await _subject(tx, question.subject_ref)
            wallet_id = subject["wallet_id"]
            grants = (await queries.grants_of(tx, [wallet_id]))[wallet_id]
            lines = await tx.fetch(account_queries.GRANT_LINES, wallet_id)
            limit = question.history_limit
            page = await tx.fetch(account_queries.HISTORY, wallet_id, after, limit + 1) if limit else []
        return BalanceAnswer(
            available=spendable(grants, self._clock.now()),
            held=subject["held"],
            owed=subject["owed"],
            plan=subject["plan"],
            grants=tuple(grant_line(row) for row in lines),
            history=tuple(transfer_line(row) for row in page[:limit]),
            has_more=len(page) > limit,
        )

    async def change_plan(self, question: PlanChangeQuestion, _caller: Service) -> PlanChangeAnswer:
        """Move a subject to another plan from now on.

        Raises:
            UnknownSubject: no such account.
            UnknownPlan: no such plan.
        """
        plan = self._catalogue.plan(question.plan).id
        async with self._database.transaction() as tx:
            row = await tx.fetchrow(account_queries.LOCK_SUBJECT, question.subject_ref)
            if row is None or await account_queries.fenced(tx, [question.subject_ref]):
                raise UnknownSubject
            if row["plan"] == plan:
                return PlanChangeAnswer(plan=plan, since=row["plan_since"])
            # Each plan begins at an instant of its own, so that whoever hears of all of them has as many.
            since = max(self._clock.now(), row["plan_since"] + _NEXT)
            await tx.execute(account_queries.CHANGE_PLAN, question.subject_ref, plan, since)
            tx.tell(PlanChanged(subject_ref=question.subject_ref, plan=plan, since=since))
        return PlanChangeAnswer(plan=plan, since=since)

    async def plans_count(self, question: PlansCountQuestion, _caller: Service) -> PlansCountAnswer:
        """How many plans these subjects have had."""
        async with self._database.transaction() as tx:
            rows = await tx.fetch(account_queries.PLANS_COUNT, question.subject_refs)
        return PlansCountAnswer(
            plans=tuple(PlanCount(subject_ref=SubjectRef.trusted(row[0]), count=row[1]) for row in rows)
        )

    async def verify(self, _question: LedgerVerifyQuestion, _caller: Service) -> LedgerVerifyAnswer:
        """Add up the whole ledger and compare it with every cached number."""
        async with self._database.transaction() as tx:
            row = await tx.fetchone(account_queries.VERIFY)
        differences = tuple(row["differences"] or ())
        return LedgerVerifyAnswer(
            is_balanced=not differences,
            transfers=row["transfers"],
            accounts=row["wallets"],
            open_holds=row["open_holds"],
            differences=differences,
        )


async def _subject(tx: Transaction, subject_ref: str) -> asyncpg.Record:
    row = await tx.fetchrow(account_queries.SUBJECT, subject_ref)
    if row is None:
        raise UnknownSubject
    return row
