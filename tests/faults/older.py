"""An older copy of all that the suite has told and heard: the NATS store, and every service's outbox and inbox."""

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from lethe_cli.local.folder import DataFolder
from lethe_common.database.roles import database_of
from lethe_common.services import Service
from tests.suite import RunningSuite

_BOXES = ("outbox", "inbox")
_UNSENT = "UPDATE {}.outbox SET stream_seq = NULL, stream_created = NULL"


@dataclass(frozen=True, slots=True)
class Older:
    """What was copied."""

    store: Path
    boxes: Mapping[str, Sequence[asyncpg.Record]]
    """Rows by table."""

    def put_back(self, suite: RunningSuite) -> None:
        """As if the store and these tables had come out of a backup: all as it was."""
        suite.stop("nats")
        shutil.rmtree(_store(suite))
        shutil.copytree(self.store, _store(suite))
        asyncio.run(self._put_back_boxes(suite, is_new=False))
        suite.start("nats")

    def tell_anew(self, suite: RunningSuite) -> None:
        """Worse than any backup: the store is lost, all rows are to be told once more, and nobody remembers one."""
        suite.stop("nats")
        shutil.rmtree(_store(suite))
        asyncio.run(self._put_back_boxes(suite, is_new=True))
        suite.start("nats")

    async def _put_back_boxes(self, suite: RunningSuite, *, is_new: bool) -> None:
        for service in Service:
            connection = await asyncpg.connect(suite.superuser_dsn(database_of(service)))
            try:
                async with connection.transaction():
                    for box in _BOXES:
                        rows = self.boxes[f"{service}.{box}"]
                        await connection.execute(f"DELETE FROM {service}.{box}")
                        if rows and not (is_new and box == "inbox"):
                            await connection.copy_records_to_table(
                                box, schema_name=service.value, columns=list(rows[0].keys()), records=rows
                            )
                    if is_new:
                        await connection.execute(_UNSENT.format(service))
            finally:
                await connection.close()


def copied(suite: RunningSuite, folder: Path) -> Older:
    """Copy all of it; the store while its server stands still."""
    suite.stop("nats")
    shutil.copytree(_store(suite), folder)
    boxes = {f"{service}.{box}": suite.look(f"SELECT * FROM {service}.{box}") for service in Service for box in _BOXES}
    suite.start("nats")
    return Older(folder, boxes)


def _store(suite: RunningSuite) -> Path:
    return DataFolder(suite.data).nats / "store"
