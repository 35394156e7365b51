"""Orphans: objects that a worker stored and died before it could say so. Retention finds them, jobs removes them.

Before anything goes, jobs looks with its own eyes: no asset leads there, no run that
is under way may still write there, and no legal hold keeps the run.
"""

from collections.abc import Sequence

from lethe_common.bus import Bus
from lethe_common.database import Database
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.rpc.orphans import OrphansRemoveAnswer, OrphansRemoveQuestion
from lethe_common.rpc.retention import RemovalCheck, RemovalCheckQuestion, RemovalWish
from lethe_common.services import Service
from lethe_common.storage import Storage, item_prefix
from lethe_jobs.models import OUTPUT_PREFIX
from lethe_jobs.queries import orphans as queries

_PARTS = 3
"""`<category>/<subject>/<run>-<attempt>-<variant>`."""


class Orphans:
    """Removes objects to which nothing leads."""

    def __init__(self, database: Database, bus: Bus, storage: Storage) -> None:
        self._database, self._bus, self._storage = database, bus, storage

    async def remove(self, question: OrphansRemoveQuestion, _caller: Service) -> OrphansRemoveAnswer:
        """Remove those that are orphans, with every version.

        Raises:
            Unavailable: the store or retention is away; asking again is safe.
        """
        keys = [key for key in question.keys if _is_output(key)]
        async with self._database.transaction() as tx:
            known = await queries.known(tx, keys)
            runs = await queries.runs(tx, [key.split("/")[1] for key in keys], [item_prefix(key) for key in keys])
        free = [key for key in keys if key not in known and (item_prefix(key) not in runs or runs[item_prefix(key)][2])]
        held = await self._held([runs[item_prefix(key)][:2] for key in free if item_prefix(key) in runs])
        gone = [key for key in free if item_prefix(key) not in runs or runs[item_prefix(key)][0] not in held]
        for key in gone:
            await self._storage.remove_key(key)
        return OrphansRemoveAnswer(removed=tuple(gone))

    async def _held(self, items: Sequence[tuple[GenerationId, SubjectRef]]) -> set[str]:
        if not items:
            return set()
        wishes = tuple(RemovalWish(generation_id=item, subject_ref=ref) for item, ref in items)
        return set((await self._bus.ask(RemovalCheck, RemovalCheckQuestion(wishes=wishes))).held)


def _is_output(key: str) -> bool:
    parts = key.split("/")
    return parts[0] == OUTPUT_PREFIX and len(parts) == _PARTS
