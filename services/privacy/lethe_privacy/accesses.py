"""Entries of the access log, read back: by the check of the whole chain, and for the person they are about.

`python -m lethe_privacy.accesses verify [--checkpoint FILE]`, or `checkpoint --output FILE`, in the service's own
environment; `lethe access-log` calls it on a local suite.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lethe_common import certificates
from lethe_common import logging as logs
from lethe_common.clock import RealClock
from lethe_common.database import Database, Transaction
from lethe_common.errors import LetheError
from lethe_common.identifiers import SubjectRef
from lethe_common.rpc.privacy import ItemKey, LeaseWish
from lethe_common.sealing import CannotOpen, SealContext, Sealer
from lethe_common.services import Service
from lethe_privacy import access_checkpoints as checkpoints
from lethe_privacy import access_queries as queries
from lethe_privacy.access_checkpoints import Checkpoint
from lethe_privacy.access_checks import Body, Entry, Walk
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.classkeys import ClassKeys
from lethe_privacy.errors import AccessLogBroken
from lethe_privacy.grants import CATEGORY
from lethe_privacy.itemkeys import ItemKeys
from lethe_privacy.settings import AccessLogSettings

_KEYS_SCHEMA = "keys"
_BATCHES = 500
_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


@dataclass(frozen=True, slots=True)
class Told:
    """A body of a batch, and its entries; none where nobody can read them any more."""

    number: int
    body: int
    entries: Sequence[Entry]


class Accesses:
    """Reads entries back."""

    def __init__(self, database: Database, keys: ItemKeys) -> None:
        self._database, self._keys, self._sealer = database, keys, Sealer(is_on=True)

    async def verify(self, key: Ed25519PrivateKey, outside: Sequence[Checkpoint] = ()) -> Walk:
        """Walk along the whole chain as it is at one moment.

        Raises:
            AccessLogBroken: something does not hold; the message names the first place.
        """
        walk = Walk(outside={one.number: one.link for one in outside})
        async with self._database.transaction(_SNAPSHOT) as tx:
            row = await tx.fetchrow(queries.LAST_CHECKPOINT)
            ended = None if row is None else checkpoints.read(row["document"].encode(), key.public_key())
            first = queries.batches(await tx.fetch(queries.FIRST, 1))
            walk.begin(first[0] if first else None, ended)
            while page := queries.batches(await tx.fetch(queries.PAGE, walk.last.number, _BATCHES)):
                bodies = await self._bodies(tx, walk.last.number, page[-1].number)
                for batch in page:
                    walk.step(batch, bodies.get(batch.number, []))
        walk.end()
        return walk

    async def newest(self) -> Checkpoint | None:
        """The end of the chain; None while there is nothing in it."""
        async with self._database.transaction() as tx:
            row = await tx.fetchrow(queries.LAST) or await tx.fetchrow(queries.LAST_CHECKPOINT)
        return None if row is None else Checkpoint(row["number"], row["link"])

    async def of_subject(self, subject_ref: SubjectRef, after: tuple[int, int], limit: int) -> list[Told]:
        """What a page of bodies says about somebody, in their order, behind a body of a batch."""
        async with self._database.transaction() as tx:
            rows = await tx.fetch(queries.OF_SUBJECT, subject_ref, *after, limit)
        return [
            Told(row["number"], row["body"], [entry for _, entry in body.entries or ()])
            for row, body in zip(rows, await self._opened(rows), strict=True)
        ]

    async def _bodies(self, tx: Transaction, after: int, through: int) -> dict[int, list[Body]]:
        rows = await tx.fetch(queries.BODIES, after, through)
        found: dict[int, list[Body]] = {}
        for row, body in zip(rows, await self._opened(rows), strict=True):
            found.setdefault(row["number"], []).append(body)
        return found

    async def _opened(self, rows: Sequence[asyncpg.Record]) -> list[Body]:
        """Each row's body, in their order."""
        names = sorted({(row["subject_ref"], row["item_id"]) for row in rows if row["subject_ref"] is not None})
        wishes = [LeaseWish(subject_ref=SubjectRef.trusted(name[0]), item_id=name[1]) for name in names]
        keys = dict(zip(names, await self._keys.open_records(wishes), strict=True)) if wishes else {}
        return [self._open(row, keys.get((row["subject_ref"], row["item_id"]))) for row in rows]

    def _open(self, row: asyncpg.Record, key: ItemKey | None) -> Body:
        if key is None or key.key is None or key.key_id is None:
            return Body(row["body"], None)
        context = SealContext(CATEGORY, row["subject_ref"], row["item_id"], key.key_id)
        try:
            text = self._sealer.open(key.key, context, row["sealed"])
        except CannotOpen as error:
            raise AccessLogBroken(
                f"Body {row['body']} of batch {row['number']} does not hold: it was changed after it was sealed."
            ) from error
        return Body(row["body"], [(place, entry) for place, entry in json.loads(text)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify or make a checkpoint; 0, or 1 with a reason."""
    parser = argparse.ArgumentParser(prog="python -m lethe_privacy.accesses", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    verifying = commands.add_parser("verify", help="see that no entry was changed, removed or put elsewhere")
    verifying.add_argument("--checkpoint", type=Path, action="append", default=[], help="one that was kept elsewhere")
    making = commands.add_parser("checkpoint", help="write a signed checkpoint of the newest batch")
    making.add_argument("--output", type=Path, required=True)
    given = parser.parse_args(arguments)
    logs.configure(Service.PRIVACY, "warning")
    try:
        outside = [file.read_bytes() for file in given.checkpoint] if given.command == "verify" else []
        said = asyncio.run(_run(given, outside))
    except (LetheError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{said}\n")
    return 0


async def _run(given: argparse.Namespace, documents: Sequence[bytes]) -> str:
    settings = AccessLogSettings()
    key = certificates.signing_key(settings.signing_key.read_bytes())
    database = await Database.open(settings.database_url.get_secret_value(), Service.PRIVACY, size=1)
    keys = await Database.open(
        settings.keys_database_url.get_secret_value(), Service.PRIVACY, schema=_KEYS_SCHEMA, size=1
    )
    accesses = Accesses(database, ItemKeys(keys, ClassKeys(FolderKeyring(settings.keyring)), RealClock()))
    try:
        if given.command == "verify":
            outside = [checkpoints.read(document, key.public_key()) for document in documents]
            return _told(await accesses.verify(key, outside), is_compared=bool(outside))
        newest = await accesses.newest()
    finally:
        await database.close()
        await keys.close()
    return _written(newest, key, given.output)


def _written(newest: Checkpoint | None, key: Ed25519PrivateKey, output: Path) -> str:
    if newest is None:
        raise AccessLogBroken("Nothing was logged yet: there is no checkpoint to make.")
    output.write_bytes(checkpoints.signed(newest, RealClock().now(), key))
    return f"{output}: batch {newest.number}. Keep it where whoever has the databases cannot write."


def _told(walk: Walk, *, is_compared: bool) -> str:
    compared = (
        "It holds what the checkpoint stands for."
        if is_compared
        else "Whether something was cut off at its end, or all of it written anew: not checked, that needs --checkpoint."
    )
    return (
        f"The access log holds: {walk.entries} entries in {walk.batches} batches, up to batch {walk.last.number}; "
        f"{walk.unreadable} bodies can be read by nobody any more. {compared}"
    )


if __name__ == "__main__":
    sys.exit(main())
