"""The frame's transaction: handlers load, decide, write and tell; the frame commits."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
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
        self.told: list[Event] = []
        self.told_along: list[Event] = []
        """Told by a statement of the handler's own that wrote them into the outbox."""
        self.sent: list[Envelope] = []
        """What all that travels in, once it is in the outbox."""
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
        self.told.append(event)

    def envelopes(self, events: Iterable[Event]) -> list[Envelope]:
        """Facts in their envelopes: at the commit, or for a hot statement that writes the outbox along."""
        return list(Envelope.around_all(events, self._service, current_traceparent()))

    def was_told(self, events: Sequence[Event], sent: Sequence[Envelope]) -> None:
        """These facts were told in these envelopes, by a statement that put them into the outbox itself."""
        self.told_along += events
        self.sent += sent

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """What fails inside, or is told there, is undone, and the transaction goes on; the error is raised."""
        told, followers, undoers = len(self.told), len(self.followers), len(self.undoers)
        await self.execute("SAVEPOINT attempt")
        try:
            yield
        except Exception:
            await self.execute("ROLLBACK TO attempt")
            for undo in self.undoers[undoers:]:
                undo()
            del self.told[told:], self.followers[followers:], self.undoers[undoers:]
            raise
        await self.execute("RELEASE attempt")

    def after_commit(self, follow: Callable[[], None]) -> None:
        """Call this right after the commit, in this process: to wake who waits for the rows. Lost in a crash."""
        self.followers.append(follow)

    def after_failure(self, undo: Callable[[], None]) -> None:
        """Call this if the transaction does not commit, or may not have: to give back what was set aside for it."""
        self.undoers.append(undo)
