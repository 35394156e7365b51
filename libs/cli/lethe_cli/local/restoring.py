"""Restoring a backup: old data beside the newest keys and the newest ledger of facts. The suite stands still meanwhile.

What comes after is the services' own: each goes through the facts since its data
before it does anything, and the gateway opens only when all have.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lethe_cli.errors import BackupRefused
from lethe_cli.local import backups, in_flight
from lethe_cli.local.backups import DUMP, Manifest
from lethe_cli.local.folder import DataFolder
from lethe_cli.local.offline import change_places, connected, fill, postgres_alone
from lethe_cli.local.postgres import RESTORED, Postgres
from lethe_common.database.roles import DATABASE, FACTS_DATABASE
from lethe_common.rpc.facts import OWNERS

HAS_LEDGER = "SELECT to_regclass('privacy.facts') IS NOT NULL"
FACT_AT = "SELECT encode(hash, 'hex') FROM privacy.facts WHERE number = $1"
FACTS_SINCE = "SELECT count(*) FROM privacy.facts WHERE number > $1"
FIRST_FACT = "SELECT min(number) FROM privacy.facts"
SEAL = """
    INSERT INTO privacy.replays (service, through) SELECT unnest($1::text[]), NULL
        ON CONFLICT (service) DO UPDATE SET through = NULL
"""
_MISSING = (
    "The ledger of facts is not here, and without it a restored backup would bring back what people had deleted. "
    "Bring back its newest copy first: `lethe facts restore`, see docs/operate.md."
)


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did: the backup, how many facts came after it, how many events are told again."""

    manifest: Manifest
    facts: int
    events: int


async def restore(data: DataFolder, backup: Path, step: Callable[[str], None]) -> Restored:
    """Put a backup in the place of the data. `step` is told what is done next.

    Raises:
        FolderRefused: a suite runs on the data folder.
        BackupRefused: the backup is not whole or not of this suite, or the ledger is missing, older or another one.
    """
    step("Checking the backup")
    manifest = backups.read_manifest(backup, backups.key_of(data))
    backups.check_files(backup, manifest)
    with data.lock():
        async with postgres_alone(data, _MISSING) as postgres:
            step("Comparing it with the ledger of facts")
            facts = await _facts_since(postgres, manifest)
            step("Restoring the database beside the present one")
            events = await _fill(postgres, backup / DUMP)
            # What is published there has been told by data that are no more. Services declare their streams anew.
            shutil.rmtree(data.nats / "store", ignore_errors=True)
            step("Sealing, and changing places")
            await _seal(postgres)
            await change_places(postgres, DATABASE)
    return Restored(manifest, facts, events)


async def _facts_since(postgres: Postgres, manifest: Manifest) -> int:
    async with connected(postgres, FACTS_DATABASE) as connection:
        if not await connection.fetchval(HAS_LEDGER):
            raise BackupRefused(_MISSING)
        number = manifest.ledger.number
        hash_ = await connection.fetchval(FACT_AT, number)
        if hash_ is None:
            first = await connection.fetchval(FIRST_FACT)
            raise BackupRefused(
                _MISSING
                if first is None
                else "The ledger of facts is older than the backup. Bring back its newest copy first: `lethe facts restore`."
                if first <= number
                else "The backup is older than the ledger of facts reaches back. Use a newer backup."
            )
        if hash_ != manifest.ledger.hash:
            raise BackupRefused("This is another ledger of facts than the one this backup was taken beside.")
        return int(await connection.fetchval(FACTS_SINCE, number))


async def _fill(postgres: Postgres, dump: Path) -> int:
    await fill(postgres, dump)
    async with connected(postgres, RESTORED) as connection:
        return await in_flight.settle(connection)


async def _seal(postgres: Postgres) -> None:
    """From now on the gateway waits for every service to have been through the facts."""
    async with connected(postgres, FACTS_DATABASE) as connection:
        await connection.execute(SEAL, [service.value for service in OWNERS])
