"""The way of a hold: all calls that wait at one moment become one transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from lethe_billing import queries
from lethe_billing.holds import HoldDesk, Placement, Wallet
from lethe_common.clock import Clock
from lethe_common.database import Database, Transaction
from lethe_common.rpc.billing import HoldAnswer, HoldRequest

_FEW = 16
"""So many are placed without a lock at first. Among more, one has often changed; round trips then count for less, too."""


class HoldCounter:
    """Applies batches of hold requests; given to a coalescer."""

    def __init__(self, database: Database, desk: HoldDesk, clock: Clock, retry_window: timedelta) -> None:
        self._database, self._desk, self._clock, self._retry_window = database, desk, clock, retry_window

    async def apply(self, requests: Sequence[HoldRequest]) -> list[HoldAnswer]:
        """Place what can be placed; one answer per request, in their order."""
        at = self._clock.now()
        if len(requests) <= _FEW and (answers := await self._without_lock(requests, at)) is not None:
            return answers
        async with self._database.transaction() as tx:
            rows = await tx.fetch(queries.LOCK_WALLETS_OF_SUBJECTS, _subjects(requests))
            placement = await self._decide(tx, requests, rows, at)
            if placement.placed:
                await queries.place(tx, placement.placed, placement.books, at)
        return placement.answers

    async def _without_lock(self, requests: Sequence[HoldRequest], at: datetime) -> list[HoldAnswer] | None:
        """The same without a transaction around it, two round trips less; None where a wallet changed meanwhile."""
        async with self._database.single() as tx:
            rows = await tx.fetch(queries.WALLETS_OF_SUBJECTS, _subjects(requests))
            placement = await self._decide(tx, requests, rows, at)
            if any(not one.hold.quoted.credits for one in placement.placed):
                # It would leave its wallet as it was, and so be seen by nobody who decides at the same moment.
                return None
            versions = {row["wallet_id"]: row["version"] for row in rows}
            if placement.placed and not await queries.place(tx, placement.placed, placement.books, at, versions):
                return None
        return placement.answers

    async def _decide(
        self, tx: Transaction, requests: Sequence[HoldRequest], rows: Sequence[asyncpg.Record], at: datetime
    ) -> Placement:
        wallets = {row["subject_ref"]: Wallet(row["wallet_id"]) for row in rows if not row["is_closed"]}
        await self._load(tx, requests, wallets)
        quote_ids = [request.quote_id for request in requests if request.quote_id is not None]
        return self._desk.place(requests, wallets, await queries.quotes(tx, quote_ids), at)

    async def _load(self, tx: Transaction, requests: Sequence[HoldRequest], wallets: dict[str, Wallet]) -> None:
        """What there is in these wallets, by subject."""
        if not wallets:
            return
        by_id = {wallet.wallet_id: wallet for wallet in wallets.values()}
        keys = {(wallets[r.subject_ref].wallet_id, r.key) for r in requests if r.subject_ref in wallets}
        grants, holds = await queries.grants_and_holds_by_key(tx, keys)
        for wallet_id, in_order in grants.items():
            by_id[wallet_id].grants = in_order
        for wallet_id, key, known in holds:
            by_id[wallet_id].by_key[key] = known
        bodies = {
            (wallets[r.subject_ref].wallet_id, r.body_hash) for r in requests if r.is_retry and r.subject_ref in wallets
        }
        if bodies:
            since = self._clock.now() - self._retry_window
            for wallet_id, _, known in await queries.latest_holds_by_body(tx, bodies, since):
                by_id[wallet_id].latest_by_body[known.body_hash] = known


def _subjects(requests: Sequence[HoldRequest]) -> list[str]:
    return list({request.subject_ref for request in requests})
