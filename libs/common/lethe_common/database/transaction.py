"""The frame's transaction: handlers load, decide, write and tell; the frame commits."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import asyncpg

from lethe_common.events.envelope import Envelope, Event
from lethe_common.services import Service
from lethe_common.telemetry import current_traceparent


class Transaction:
    """One asyncpg connection inside a transaction, and the events it tells at commit."""

    def __init__(self, connection: asyncpg.Connection, service: Service) -> None:
        self.connection = connection
        self._service = service
        self.opened = 0
        """Rows that the statement it began with wrote."""
        self.told: list[Envelope] = []
        self.written: list[Envelope] = []
        """Told by a statement of the handler's own that wrote them into the outbox."""
        self.followers: list[Callable[[], None]] = []
        self.undoers: list[Callable[[], None]] = []

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """All rows."""
        rows: list[asyncpg.Record] = await self.connection.fetch(sql, *args)
        return rows

    async def fetchrow(self, sql: str, *args: Any) -> asyncpg.Record | None:
        """The first row, or None."""
        return await self.connection.fetchrow(sql, *args)

    async def fetchone(self, sql: str, *args: Any) -> asyncpg.Record:
        """The row of a statement that always has one, such as a SELECT of counts.

        Raises:
            LookupError: it had none.
        """
        row = await self.fetchrow(sql, *args)
        if row is None:
            raise LookupError("A statement that always has a row had none.")
        return row

    async def fetchval(self, sql: str, *args: Any) -> Any:
        """The first column of the first row, or None."""
        return await self.connection.fetchval(sql, *args)

    async def execute(self, sql: str, *args: Any) -> str:
        """Run a statement and return its command tag."""
        tag: str = await self.connection.execute(sql, *args)
        return tag

    async def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement once per row."""
        await self.connection.executemany(sql, rows)

    def tell(self, event: Event) -> None:
        """Say a fact. It enters the outbox in this transaction and leaves after the commit."""
        self.told.append(self.envelope(event))

    def envelope(self, event: Event) -> Envelope:
        """A fact in its envelope, for a hot statement that writes the outbox along; add it to `written` if it did."""
        return Envelope.around(event, self._service, current_traceparent())

    def after_commit(self, follow: Callable[[], None]) -> None:
        """Call this right after the commit, in this process: to wake who waits for the rows. Lost in a crash."""
        self.followers.append(follow)

    def after_failure(self, undo: Callable[[], None]) -> None:
        """Call this if the transaction does not commit, or may not have: to give back what was set aside for it."""
        self.undoers.append(undo)
