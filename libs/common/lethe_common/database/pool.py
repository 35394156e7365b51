"""The pool of working-role connections, and the transaction around each piece of work."""

import asyncio
import collections
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Self

import asyncpg
from prometheus_client import Counter

from lethe_common.database import outbox
from lethe_common.database.transaction import Transaction
from lethe_common.errors import Unavailable
from lethe_common.events.envelope import Envelope
from lethe_common.services import Service

AWAY = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    # Connections, disk or memory are used up (class 53): no fault of what was asked, and over by itself or by an operator.
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""Errors that say nothing of the statement: it is tried again as it is."""


_ACQUIRE_SECONDS = 10.0
PLANNED_ANEW = "SET LOCAL plan_cache_mode = force_custom_plan"
"""Opens a transaction whose statements are planned for their values: where the statistics say nearly nothing is in an index."""
UNFLUSHED = "SET LOCAL synchronous_commit = off"
"""Opens a transaction whose commit waits for no flush: a power failure may take it, if no later one was flushed.

For what is done again without harm, such as taking a piece of work.
"""
OnTold = Callable[[Sequence[Envelope]], None]


class DatabaseAway(Unavailable):
    """Postgres cannot be reached, or went away in the middle; nothing was committed or its outcome is unknown."""

    code = "database_away"

    def __init__(self) -> None:
        super().__init__("The database is away for a moment. Try again in a few seconds.")


async def connect(
    url: str, schema: str, *, statement_timeout_seconds: float = 30.0, is_flushed: bool = True
) -> asyncpg.Connection:
    """One connection outside the pool, for locks that live as long as a session.

    Without `is_flushed` each of its commits is as one of `UNFLUSHED`.

    Raises:
        DatabaseAway: nobody answers.
    """
    try:
        settings = _settings(schema, statement_timeout_seconds)
        if not is_flushed:
            settings["synchronous_commit"] = "off"
        return await asyncpg.connect(url, server_settings=settings, timeout=10)
    except AWAY as error:
        raise DatabaseAway from error


class _Clean(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """A connection that need not be reset when it goes back to the pool: one round trip less per transaction.

    Nothing here changes a session: locks, settings and cursors are a transaction's, and it always ends.
    """

    def get_reset_query(self) -> str:
        return ""


class Database:
    """A service's own schema, as its working role sees it."""

    def __init__(self, pool: asyncpg.Pool, service: Service, on_told: OnTold, told: Counter | None = None) -> None:
        self.pool = pool
        self._service, self._on_told, self._told = service, on_told, told

    @classmethod
    async def open(
        cls,
        url: str,
        service: Service,
        *,
        schema: str | None = None,
        size: int = 10,
        least: int = 1,
        statement_timeout_seconds: float = 30.0,
        on_told: OnTold = lambda _told: None,
        told: Counter | None = None,
    ) -> Self:
        """Connect. `on_told` is called after each commit that told something, with the envelopes if they are at hand.

        With `least` at 0 nobody is asked before the first transaction, and no connection outlives 5 idle minutes.

        Raises:
            DatabaseAway: nobody answers.
        """
        settings = _settings(schema or str(service), statement_timeout_seconds)
        try:
            pool = await asyncpg.create_pool(
                url, min_size=least, max_size=size, server_settings=settings, timeout=10, connection_class=_Clean
            )
        except AWAY as error:
            raise DatabaseAway from error
        return cls(pool, service, on_told, told)

    @asynccontextmanager
    async def transaction(self, opening: str = "") -> AsyncIterator[Transaction]:
        """Begin, hand over, write what was told, commit.

        `opening` is a statement without parameters that travels with the BEGIN: a lock to be had before anything is
        read, or the inbox rows of a few events; `Transaction.opened` is the number of rows it wrote.

        Raises:
            DatabaseAway: the connection failed. Whether a commit under way took effect is unknown:
                callers are idempotent.
        """
        undoers: list[Callable[[], None]] = []
        try:
            async with self._connection() as connection:
                tx = Transaction(connection, self._service)
                undoers = tx.undoers
                tag = await connection.execute(f"BEGIN; {opening}")
                tx.opened = int(tag.rpartition(" ")[2]) if tag.startswith("INSERT") else 0
                try:
                    yield tx
                    if tx.told:
                        await outbox.write(tx)
                except BaseException:
                    # A connection that broke has nothing to roll back, and its own error is the one to be told.
                    with contextlib.suppress(*AWAY):
                        await connection.execute("ROLLBACK")
                    raise
                await connection.execute("COMMIT")
        except BaseException:
            for undo in undoers:
                undo()
            raise
        self._committed(tx)

    @asynccontextmanager
    async def single(self) -> AsyncIterator[Transaction]:
        """For work of which one statement at most writes; each is a transaction by itself: two round trips less.

        Raises:
            DatabaseAway: as in `transaction`.
        """
        async with self._connection() as connection:
            tx = Transaction(connection, self._service)
            yield tx
        self._committed(tx)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        try:
            # Not the pool's own timeout: it makes a task for each acquisition.
            async with asyncio.timeout(_ACQUIRE_SECONDS):
                connection = await self.pool.acquire()
            try:
                yield connection
            finally:
                await self.pool.release(connection)
        except (*AWAY, TimeoutError) as error:
            if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
                # A server that became a standby keeps its connections; new ones are led to the one that writes.
                await self.pool.expire_connections()
            raise DatabaseAway from error

    def _committed(self, tx: Transaction) -> None:
        if told := [*tx.told, *tx.told_along]:
            if self._told is not None:
                for kind, count in collections.Counter(event.type for event in told).items():
                    self._told.labels(kind).inc(count)
            self._on_told(tx.sent)
        for follow in tx.followers:
            follow()

    async def close(self) -> None:
        """Return all connections; those still busy after a few seconds are cut."""
        try:
            await asyncio.wait_for(self.pool.close(), 5)
        except TimeoutError:
            self.pool.terminate()


def _settings(schema: str, statement_timeout_seconds: float) -> dict[str, str]:
    return {
        "search_path": schema,
        "application_name": f"lethe-{schema}",
        "statement_timeout": str(int(statement_timeout_seconds * 1000)),
        "idle_in_transaction_session_timeout": "60000",
        "jit": "off",
        # Every statement has its index. A queue's statistics lag behind it, and a plan made while a table was empty
        # would read all of it for as long as the plan is kept.
        "enable_seqscan": "off",
        # So no statement is planned for its values each time, a quarter of the server's work for a submission.
        "plan_cache_mode": "force_generic_plan",
    }
