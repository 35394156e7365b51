"""The way of a hold: all calls that wait at one moment become one transaction."""

from collections.abc import Sequence
from datetime import timedelta

from lethe_billing import queries
from lethe_billing.holds import HoldDesk, Wallet
from lethe_common.clock import Clock
from lethe_common.database import Database, Transaction
from lethe_common.rpc.billing import HoldAnswer, HoldRequest


class HoldCounter:
    """Applies batches of hold requests; given to a coalescer."""

    def __init__(self, database: Database, desk: HoldDesk, clock: Clock, retry_window: timedelta) -> None:
        self._database, self._desk, self._clock, self._retry_window = database, desk, clock, retry_window

    async def apply(self, requests: Sequence[HoldRequest]) -> list[HoldAnswer]:
        """Place what can be placed; one answer per request, in their order."""
        at = self._clock.now()
        async with self._database.transaction() as tx:
            wallets = await self._load(tx, requests)
            quote_ids = [request.quote_id for request in requests if request.quote_id is not None]
            quotes = await queries.quotes(tx, quote_ids)
            placement = self._desk.place(requests, wallets, quotes, at)
            if placement.placed:
                await queries.place(tx, placement.placed, placement.books, at)
        return placement.answers

    async def _load(self, tx: Transaction, requests: Sequence[HoldRequest]) -> dict[str, Wallet]:
        refs = list({request.subject_ref for request in requests})
        rows = await tx.fetch(queries.LOCK_WALLETS_OF_SUBJECTS, refs)
        wallets = {row["subject_ref"]: Wallet(row["wallet_id"]) for row in rows if not row["is_closed"]}
        if not wallets:
            return wallets
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
        return wallets
