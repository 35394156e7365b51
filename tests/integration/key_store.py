"""A key store of a test's own: the shared database emptied, with a keyring that nobody else has."""

import asyncio
from pathlib import Path

import asyncpg

from lethe_common.clock import Clock, RealClock
from lethe_common.database import Database
from lethe_common.services import Service
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.rotation import begin_first
from lethe_privacy.wiring import migrate_keys
from tests.servers import RunningServers

_EMPTY = """
    DROP TABLE IF EXISTS keys.class_keys_next, keys.item_keys_next, keys.class_keys_old, keys.item_keys_old;
    DROP TRIGGER IF EXISTS touched ON keys.class_keys;
    DROP TRIGGER IF EXISTS touched ON keys.item_keys;
    TRUNCATE keys.class_keys, keys.item_keys, keys.login_index, keys.subjects, keys.consents, keys.facts_mark, keys.closed_holders, keys.losses, keys.touched;
    UPDATE keys.generation SET number = 0, epoch_id = NULL, began_at = NULL, phase = 'resting', next_epoch_id = NULL,
           next_began_at = NULL, copied_subject = '', copied_item = '';
"""


async def empty_key_store(servers: RunningServers, folder: Path, clock: Clock | None = None) -> Database:
    """The key store with nothing in it but a first generation, whose epoch is in the keyring at `folder`."""
    await migrate_keys(servers.keys_dsn("privacy_owner"))
    owner = await asyncpg.connect(servers.keys_dsn("privacy_owner"))
    try:
        await owner.execute(_EMPTY)
    finally:
        await owner.close()
    database = await Database.open(servers.keys_dsn("privacy"), Service.PRIVACY, schema="keys")
    await begin_first(database, FolderKeyring(folder), clock or RealClock())
    return database


def emptied_for_a_process(servers: RunningServers, folder: Path) -> Path:
    """The keyring for a privacy process that a test starts: an epoch of another test's would stop it."""

    async def empty() -> None:
        await (await empty_key_store(servers, folder)).close()

    asyncio.run(empty())
    return folder
