"""Upkeep of keys by hand, in the service's own environment: `python -m lethe_privacy.upkeep backup`, or `restore FILE`.

`lethe keys` calls it on a local suite; in containers it is run in one of the privacy service.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from lethe_common import logging as logs
from lethe_common.database import Database
from lethe_common.errors import LetheError
from lethe_common.services import Service
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.errors import KeyBackupInvalid
from lethe_privacy.keybackups import KeyBackups, KeyRestoration
from lethe_privacy.rotation import back_up_now
from lethe_privacy.settings import UpkeepSettings

_SCHEMA = "keys"


def main(arguments: Sequence[str] | None = None) -> int:
    """Back up or restore; 0, or 1 with a reason."""
    parser = argparse.ArgumentParser(prog="python -m lethe_privacy.upkeep", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("backup", help="back up the generation in use, in place of all older backups")
    restoring = commands.add_parser("restore", help="put the keyring back from a backup")
    restoring.add_argument("file", type=Path)
    restoring.add_argument("--recovery-key", type=Path, required=True, help="the private half, kept offline")
    restoring.add_argument("--with-store", action="store_true", help="replace the key store by the backup's, too")
    given = parser.parse_args(arguments)
    logs.configure(Service.PRIVACY, "warning")
    try:
        said = asyncio.run(_back_up() if given.command == "backup" else _restore(given))
    except (LetheError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{said}\n")
    return 0


async def _back_up() -> str:
    settings = UpkeepSettings()
    backups = KeyBackups(settings.key_backups, settings.recovery_key, FolderKeyring(settings.keyring))
    database = await _open(settings, settings.keys_database_url.get_secret_value())
    try:
        written = await back_up_now(database, backups)
    finally:
        await database.close()
    if written is None:
        raise KeyBackupInvalid("There is no recovery key to seal a backup to. Make one: `lethe keys recovery-key new`.")
    return f"{written}: the only key backup there is now"


async def _restore(given: argparse.Namespace) -> str:
    settings = UpkeepSettings()
    restoration = KeyRestoration(FolderKeyring(settings.keyring), given.recovery_key.read_bytes())
    if not given.with_store:
        label = await restoration.restore(given.file, None)
        return f"The keyring has the keys of generation {label.generation} again. Start the privacy service."
    database = await _open(settings, settings.keys_database_owner_url.get_secret_value())
    try:
        async with database.transaction() as tx:
            label = await restoration.restore(given.file, tx)
    finally:
        await database.close()
    return (
        f"Keyring and key store are those of generation {label.generation}, which began at {label.began_at.isoformat()}. "
        "Keys made since then are lost; what people decided since then is gone through again at the start."
    )


async def _open(settings: UpkeepSettings, url: str) -> Database:
    timeout = settings.rotation_statement_timeout_seconds
    return await Database.open(url, Service.PRIVACY, schema=_SCHEMA, size=1, statement_timeout_seconds=timeout)


if __name__ == "__main__":
    sys.exit(main())
