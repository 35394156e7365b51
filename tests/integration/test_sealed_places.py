"""Sealed values in tables: what is moved opens for nobody, what is renamed stays readable."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg
import pytest

from lethe_common.identifiers import SubjectRef
from lethe_common.rpc.privacy import ItemKey
from lethe_common.sealing import CannotOpen, SealContext, Sealer
from tests.integration.key_store import empty_key_store
from tests.integration.test_privacy_keys import KeyStore, opened_subject, wish
from tests.servers import RunningServers

PROMPT, TITLE = "content.prompt", "content.title"
TABLE = """
    CREATE TEMPORARY TABLE drawer (item_id text PRIMARY KEY, subject_ref text, prompt bytea, title bytea)
"""


@dataclass
class Drawer:
    """A table with two sealed columns, and the keys of its items."""

    connection: asyncpg.Connection
    keys: dict[str, ItemKey]
    owners: dict[str, SubjectRef]
    table: str = "drawer"
    prompt: str = "prompt"

    def context(self, item_id: str, category: str) -> SealContext:
        key_id = self.keys[item_id].key_id
        assert key_id is not None
        return SealContext(category, self.owners[item_id], item_id, key_id)

    async def put(self, item_id: str) -> None:
        key = self.keys[item_id].key or b""
        sealed = [Sealer(is_on=True).seal(key, self.context(item_id, c), c.encode()) for c in (PROMPT, TITLE)]
        await self.connection.execute(
            "INSERT INTO drawer VALUES ($1, $2, $3, $4)", item_id, self.owners[item_id], *sealed
        )

    async def read(self, item_id: str, context: SealContext | None = None) -> str:
        """The prompt, as whoever has the item's key reads it."""
        sealed = await self.connection.fetchval(f"SELECT {self.prompt} FROM {self.table} WHERE item_id = $1", item_id)
        key = self.keys[item_id].key or b""
        return Sealer(is_on=True).open(key, context or self.context(item_id, PROMPT), sealed).decode()


@pytest.fixture
async def drawer(servers: RunningServers, tmp_path: Path) -> AsyncIterator[Drawer]:
    database = await empty_key_store(servers, tmp_path)
    store = KeyStore(database, tmp_path)
    ours, theirs = await opened_subject(store), await opened_subject(store)
    wishes = [wish(ref) for ref in (ours, ours, theirs)]
    keys = {key.item_id: key for key in await store.items.issue(wishes)}
    connection = await asyncpg.connect(servers.superuser_dsn())
    await connection.execute(TABLE)
    made = Drawer(connection, keys, {one.item_id: SubjectRef(one.subject_ref) for one in wishes})
    for item_id in made.keys:
        await made.put(item_id)
    yield made
    await connection.close()
    await database.close()


@pytest.mark.parametrize(
    "move",
    [
        "UPDATE drawer SET prompt = (SELECT prompt FROM drawer WHERE item_id = $2) WHERE item_id = $1",
        "UPDATE drawer SET prompt = (SELECT prompt FROM drawer WHERE item_id = $3) WHERE item_id = $1",
        "UPDATE drawer SET prompt = title WHERE item_id = $1",
        "UPDATE drawer SET prompt = set_byte(prompt, 0, 2) WHERE item_id = $1",
    ],
    ids=["from another item", "from another user", "from another field", "to another version of the format"],
)
async def test_a_sealed_value_that_was_moved_opens_for_nobody(drawer: Drawer, move: str) -> None:
    ours, second, theirs = drawer.keys
    assert await drawer.read(ours) == PROMPT

    statement = move + " AND $2::text IS NOT NULL AND $3::text IS NOT NULL"
    await drawer.connection.execute(statement, ours, second, theirs)

    with pytest.raises(CannotOpen):
        await drawer.read(ours)
    assert await drawer.read(second) == await drawer.read(theirs) == PROMPT


async def test_a_renamed_table_and_a_renamed_column_stay_readable(drawer: Drawer) -> None:
    await drawer.connection.execute("ALTER TABLE drawer RENAME TO chest")
    await drawer.connection.execute("ALTER TABLE chest RENAME prompt TO wording")
    drawer.table, drawer.prompt = "chest", "wording"

    for item_id in drawer.keys:
        assert await drawer.read(item_id) == PROMPT


async def test_a_value_opens_in_no_context_but_its_own(drawer: Drawer) -> None:
    ours, second, theirs = drawer.keys
    own = drawer.context(ours, PROMPT)

    for wrong in (
        replace(own, category=TITLE),
        replace(own, subject_ref=drawer.owners[theirs]),
        replace(own, item_id=second),
        replace(own, key_id=drawer.context(second, PROMPT).key_id),
    ):
        with pytest.raises(CannotOpen):
            await drawer.read(ours, wrong)
