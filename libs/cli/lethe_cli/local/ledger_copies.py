"""Copies of the ledger of facts: only the newest is of any use, so a place holds one.

It is the whole database in which the privacy service records: what people decided,
and its own erasures, requests and certificates.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import asyncpg

from lethe_cli.errors import BackupRefused
from lethe_cli.local import backups, dumps, runtime
from lethe_cli.local.backing_up import NEWEST_FACT, newest_fact
from lethe_cli.local.backups import Ledger, LedgerCopy
from lethe_cli.local.folder import DataFolder
from lethe_cli.local.offline import change_places, connected, drop_filled, fill, postgres_alone
from lethe_cli.local.pgfiles import postgres_programs, postgres_version
from lethe_cli.local.postgres import RESTORED, Postgres
from lethe_cli.local.restoring import FACT_AT, HAS_LEDGER
from lethe_cli.local.secrets import Secrets
from lethe_common.clock import wall
from lethe_common.database.roles import FACTS_DATABASE

_DUMPS: Final = "ledger-*.dump"
_NO_DATABASES = (
    "There are no databases on this data folder. Make them with `lethe up --servers-only`, stop that, and try again."
)


async def copy(data: DataFolder, place: Path, copied: Callable[[int], None]) -> LedgerCopy:
    """Put a copy of a running suite's ledger in the place of the one before; `copied` is told bytes.

    Raises:
        NotRunning: nothing runs on the data folder.
        BackupRefused: the ledger is empty, or could not be read.
    """
    running, known = runtime.read(data), Secrets.model_validate_json(data.secrets.read_bytes())
    key, taken_at = backups.key_of(data), wall()
    _prepare(place)
    ledger = await newest_fact(running, known)
    file = place / f"ledger-{ledger.number}-{backups.name_of(taken_at)}.dump"
    try:
        await dumps.dump(running.postgres_port, known.postgres_superuser, FACTS_DATABASE, file, copied)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    made = LedgerCopy(
        taken_at=taken_at,
        ledger=ledger,
        server_version=postgres_version(postgres_programs()),
        file=backups.described(place, file.name),
    )
    backups.write_manifest(place, made, key)
    _keep_only(file)
    return made


def _prepare(place: Path) -> None:
    place.mkdir(mode=0o700, parents=True, exist_ok=True)


def _keep_only(file: Path) -> None:
    for old in file.parent.glob(_DUMPS):
        if old != file:
            old.unlink()


async def bring_back(data: DataFolder, place: Path, step: Callable[[str], None]) -> LedgerCopy:
    """Put a copy in the place of a ledger that is lost, or behind it. `step` is told what is done next.

    Raises:
        FolderRefused: a suite runs on the data folder.
        BackupRefused: the copy is not whole or not of this suite, or the present ledger is as new, or another one.
    """
    step("Checking the copy")
    made = backups.read_ledger_copy(place, backups.key_of(data))
    backups.check_file(place, made.file)
    with data.lock():
        async with postgres_alone(data, _NO_DATABASES) as postgres:
            step("Restoring it beside the present one")
            await fill(postgres, place / made.file.name)
            step("Comparing the two")
            try:
                await _must_be_ahead(postgres)
            except BackupRefused:
                await drop_filled(postgres)
                raise
            step("Changing places")
            await change_places(postgres, FACTS_DATABASE)
    return made


async def _must_be_ahead(postgres: Postgres) -> None:
    """A copy that is not ahead of the present ledger would undo what was decided since."""
    async with connected(postgres, FACTS_DATABASE) as here, connected(postgres, RESTORED) as copied:
        present, newest = await _newest(here), await _newest(copied)
        if newest is None:
            raise BackupRefused("There is no ledger of facts in this copy. Use another one.")
        if present is None:
            return
        if newest.number <= present.number:
            raise BackupRefused(
                f"The ledger of facts here is as new as the copy (it is at {present.number}, the copy at {newest.number}): "
                "there is nothing to bring back."
            )
        if await copied.fetchval(FACT_AT, present.number) != present.hash:
            raise BackupRefused("The ledger of facts here is another one than the copy's. Name a copy of this suite's.")


async def _newest(connection: asyncpg.Connection) -> Ledger | None:
    if not await connection.fetchval(HAS_LEDGER):
        return None
    row = await connection.fetchrow(NEWEST_FACT)
    return None if row is None else Ledger(number=row["number"], hash=row["hash"])
