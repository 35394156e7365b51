"""The verifier's eyes: what is still there of an item, seen with credentials that can only read.

Looked into are the rows and the key that the owner says it deleted, and the
object prefixes it reports. The gateway's own row of an item is not among them:
it holds the sealed prompt until it hears that the item's key is seen to be gone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import asyncpg

from lethe_common.database import Database
from lethe_common.storage import Storage
from lethe_retention.errors import PlaceNotSeen


class Cluster(StrEnum):
    """Which of the two databases."""

    DATA = "lethe"
    KEYS = "lethe_keys"


@dataclass(frozen=True, slots=True)
class Place:
    """A table where nothing of a removed item may be, and the column that names items."""

    cluster: Cluster
    table: str
    column: str

    @property
    def seen(self) -> str:
        """The statement that answers which of many items are still there."""
        return f"SELECT DISTINCT {self.column} FROM {self.table} WHERE {self.column} = ANY($1::text[])"  # noqa: S608  names of PLACES only


PLACES = (
    Place(Cluster.DATA, "jobs.runs", "generation_id"),
    Place(Cluster.DATA, "jobs.assets", "generation_id"),
    Place(Cluster.DATA, "gateway.exports", "export_id"),
    Place(Cluster.KEYS, "keys.item_keys", "item_id"),
)


class Eyes:
    """Looks at items in batches."""

    def __init__(
        self,
        databases: Mapping[Cluster, Database],
        storage: Storage,
        *,
        places: Sequence[Place] = PLACES,
    ) -> None:
        self._databases, self._storage, self._places = databases, storage, places

    async def still_there(self, items: Mapping[str, Sequence[str]]) -> set[str]:
        """Which items (with their object prefixes) can still be seen anywhere.

        Raises:
            PlaceNotSeen: a place could not be looked into; nothing is known about it.
            Unavailable: a server is away.
        """
        found: set[str] = set()
        for place in self._places:
            found |= await self._look_into(place, list(items))
        owners = {prefix: item for item, prefixes in items.items() if item not in found for prefix in prefixes}
        return found | {owners[prefix] for prefix in await self._storage.remains_in(owners)}

    async def _look_into(self, place: Place, items: list[str]) -> set[str]:
        try:
            async with self._databases[place.cluster].transaction() as tx:
                return {row[0] for row in await tx.fetch(place.seen, items)}
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InsufficientPrivilegeError) as error:
            raise PlaceNotSeen(place.table) from error
