"""A process that rotates a key store's generation, for a test that kills it: URL, keyring, policy time."""

import asyncio
import sys
from datetime import datetime, timedelta
from pathlib import Path

from lethe_common.database import Database
from lethe_common.services import Service
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.keybackups import KeyBackups
from lethe_privacy.rotation import Batches, Rotation, Rules


async def _rotate(url: str, folder: Path, now: datetime) -> None:
    keyring = FolderKeyring(folder)
    database = await Database.open(url, Service.PRIVACY, schema="keys")
    rules = Rules(rotation=timedelta(days=1), key_backups=2)
    rotation = Rotation(database, keyring, KeyBackups(None, None, keyring), lambda _now: rules, Batches(1, 1, 1))
    sys.stdout.write("rotating\n")
    sys.stdout.flush()
    await rotation.sweep(now)


if __name__ == "__main__":
    asyncio.run(_rotate(sys.argv[1], Path(sys.argv[2]), datetime.fromisoformat(sys.argv[3])))
