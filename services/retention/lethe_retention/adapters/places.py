"""What the verifier reads page by page to find orphans: keys and ids only, in their order."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import asyncpg

from lethe_common.database import Database
from lethe_common.storage import Storage
from lethe_retention.errors import PlaceNotSeen


@dataclass(frozen=True, slots=True)
class ObjectPlace:
    """A category's objects, and the table whose rows lead to them."""

    prefix: str
    table: str

    @property
    def page(self) -> str:
        """The statement that lists keys in byte order, as the store does."""
        return (
            f'SELECT object_key FROM {self.table} WHERE object_key COLLATE "C" > $1 AND object_key IS NOT NULL'  # noqa: S608  names of OBJECT_PLACES only
            ' ORDER BY object_key COLLATE "C" LIMIT $2'
        )


OUTPUTS, UPLOADS, EXPORTS = "outputs/", "upload.image/", "export.archive/"
"""Where jobs and the gateway keep their objects."""

OBJECT_PLACES = (
    ObjectPlace(OUTPUTS, "jobs.assets"),
    ObjectPlace(UPLOADS, "gateway.uploads"),
    ObjectPlace(EXPORTS, "gateway.exports"),
)

ENDED = {
    "jobs.runs": """
        SELECT generation_id FROM jobs.runs
         WHERE generation_id > $1 AND state IN ('completed', 'failed', 'cancelled') ORDER BY generation_id LIMIT $2
    """,
    "gateway.generations": """
        SELECT generation_id FROM gateway.generations
         WHERE generation_id > $1 AND state IN ('completed', 'failed', 'cancelled') ORDER BY generation_id LIMIT $2
    """,
    "gateway.exports": """
        SELECT export_id FROM gateway.exports WHERE export_id > $1 AND state = 'ready' ORDER BY export_id LIMIT $2
    """,
}
"""Where items are whose end should have given them a deadline; by primary key."""


class Places:
    """Reads in pages. Nothing of what was read is kept."""

    def __init__(self, database: Database, storage: Storage, *, page: int) -> None:
        self._database, self._storage, self._page = database, storage, page

    async def objects(self, place: ObjectPlace) -> AsyncIterator[str]:
        """Every key under a category's prefix."""
        after = ""
        while keys := await self._storage.list_keys(place.prefix, after):
            for key in keys:
                yield key
            after = keys[-1]

    async def rows(self, place: ObjectPlace) -> AsyncIterator[str]:
        """Every key that a row leads to."""
        async for page in self.pages(place.table, place.page):
            for key in page:
                yield key

    async def pages(self, table: str, statement: str) -> AsyncIterator[Sequence[str]]:
        """All names of a table, page by page.

        Raises:
            PlaceNotSeen: the verifier may not look into it, or it is not there.
        """
        after = ""
        while True:
            try:
                async with self._database.transaction() as tx:
                    names = [row[0] for row in await tx.fetch(statement, after, self._page)]
            except (
                asyncpg.UndefinedTableError,
                asyncpg.UndefinedColumnError,
                asyncpg.InsufficientPrivilegeError,
            ) as error:
                raise PlaceNotSeen(table) from error
            if names:
                yield names
            if len(names) < self._page:
                return
            after = names[-1]
