"""Looks into databases by connections that stay open: making one costs more than most looks, and tests look again and again."""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor

import asyncpg

_ITS_SERVER_WAS_ENDED = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)


class Looks:
    """One look at a time, on a thread of its own: a browser's test has a loop running while it is set up and ended."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = ThreadPoolExecutor(1, "looks")
        self._connections: dict[str, asyncpg.Connection] = {}

    def fetch(self, dsn: str, sql: str, *arguments: object) -> list[asyncpg.Record]:
        """Rows of one statement, in a transaction of its own."""
        return self._thread.submit(lambda: self._loop.run_until_complete(self._fetch(dsn, sql, *arguments))).result()

    def close(self) -> None:
        """Hang up."""
        self._thread.submit(self._hang_up).result()
        self._thread.shutdown()

    def _hang_up(self) -> None:
        for connection in self._connections.values():
            with contextlib.suppress(OSError, asyncpg.InterfaceError):
                connection.terminate()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _fetch(self, dsn: str, sql: str, *arguments: object) -> list[asyncpg.Record]:
        connection = self._connections.get(dsn)
        if connection is not None:
            try:
                return list(await connection.fetch(sql, *arguments))
            except _ITS_SERVER_WAS_ENDED:
                connection.terminate()
        # Tables come and go in some tests, and plans would not notice.
        connection = self._connections[dsn] = await asyncpg.connect(dsn, statement_cache_size=0)
        return list(await connection.fetch(sql, *arguments))
