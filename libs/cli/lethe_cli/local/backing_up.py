"""Backing up a running suite: the data's database as it is at one moment, and what objects there were.

Not the keys, whose store has a backup of its own, nor the ledger of facts, without
which no backup may be restored, nor the streams, which are only transport.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from minio.error import MinioException
from urllib3.exceptions import HTTPError

from lethe_cli.errors import BackupRefused
from lethe_cli.local import backups, bucket, dumps, runtime
from lethe_cli.local.backups import DUMP, OBJECTS, LastBackup, Ledger, Manifest, PolicyVersion
from lethe_cli.local.folder import DataFolder, write_private
from lethe_cli.local.pgfiles import postgres_programs, postgres_version
from lethe_cli.local.ports import LOOPBACK
from lethe_cli.local.runtime import Runtime
from lethe_cli.local.secrets import Secrets
from lethe_common.clock import RealClock, read_virtual, wall
from lethe_common.database.roles import DATABASE, FACTS_DATABASE
from lethe_common.policy import load_profile

NEWEST_FACT = "SELECT number, encode(hash, 'hex') AS hash FROM privacy.facts ORDER BY number DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told how far it is: bytes of the dump, objects listed."""

    dumped: Callable[[int], None]
    listed: Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Taken:
    """A finished backup, and those that were removed because the policy keeps them no longer."""

    folder: Path
    manifest: Manifest
    removed: list[Path]


async def back_up(data: DataFolder, place: Path, watch: Watch) -> Taken:
    """Take a backup into a new folder at `place`, and end those that are over.

    Raises:
        NotRunning: nothing runs on the data folder.
        BackupRefused: the policy speaks of no backups, or something could not be read.
    """
    running, known = runtime.read(data), Secrets.model_validate_json(data.secrets.read_bytes())
    book, key = load_profile(Path(running.profile)).book, backups.key_of(data)
    now = read_virtual(data.clock)[0] if running.clock == "virtual" else RealClock().now()
    declared = book.governing(now).content.backups
    if declared is None:
        raise BackupRefused(
            "The policy speaks of no backups, so none is taken. Declare `backups` in policy.yaml first."
        )
    taken_at = wall()
    folder = place / backups.name_of(taken_at)
    folder.mkdir(mode=0o700, parents=True)
    try:
        # First: whatever is decided meanwhile is a fact after this one, and is gone through again after a restore.
        ledger = await newest_fact(running, known)
        await dumps.dump(running.postgres_port, known.postgres_superuser, DATABASE, folder / DUMP, watch.dumped)
        objects = _list_objects(running, known, folder / OBJECTS, watch.listed)
        manifest = Manifest(
            taken_at=taken_at,
            policy_time=now,
            profile=book.versions[0].profile,
            policies=tuple(PolicyVersion(version=one.version, hash=one.hash) for one in book.versions),
            ledger=ledger,
            server_version=postgres_version(postgres_programs()),
            objects=objects,
            files=tuple(backups.described(folder, name) for name in (DUMP, OBJECTS)),
        )
        backups.write_manifest(folder, manifest, key)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    last = LastBackup(taken_at=taken_at, place=str(folder.absolute()))
    write_private(data.last_backup, last.model_dump_json(indent=2).encode())
    removed = backups.over(place, key, now, declared.keep)
    for old in removed:
        shutil.rmtree(old)
    return Taken(folder, manifest, removed)


async def newest_fact(running: Runtime, known: Secrets) -> Ledger:
    """How far the ledger of facts of a running suite is.

    Raises:
        BackupRefused: it is empty, or the database does not answer.
    """
    url = f"postgresql://postgres:{known.postgres_superuser}@{LOOPBACK}:{running.postgres_port}/{FACTS_DATABASE}"
    try:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            row = await connection.fetchrow(NEWEST_FACT)
        finally:
            await connection.close()
    except asyncpg.UndefinedTableError:
        row = None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise BackupRefused(
            f"The ledger of facts cannot be read ({error or type(error).__name__}). "
            "Does the suite still start, or stop? See `lethe service status`, and try again."
        ) from error
    if row is None:
        raise BackupRefused("The ledger of facts is empty: is the privacy service running? See `lethe service status`.")
    return Ledger(number=row["number"], hash=row["hash"])


def _list_objects(running: Runtime, known: Secrets, file: Path, listed: Callable[[int], None]) -> int:
    """Names, versions and sizes; objects themselves stay where they are, and names are random.

    Raises:
        BackupRefused: the store does not answer.
    """
    store, count = bucket.client(running.s3_endpoint, known.s3_admin), 0
    file.touch(mode=0o600)
    try:
        with file.open("w") as stream:
            for one in store.list_objects(bucket_name=running.s3_bucket, recursive=True, include_version=True):
                line = {"name": one.object_name, "version": one.version_id, "size_bytes": one.size}
                stream.write(json.dumps(line) + "\n")
                count += 1
                listed(count)
    except (MinioException, HTTPError) as error:
        raise BackupRefused(
            f"The object store does not list its objects ({type(error).__name__}). See `lethe service status`, and try again."
        ) from error
    return count
