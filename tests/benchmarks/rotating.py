"""How long a rotation of the key store takes, what memory it needs, and what leases and new keys wait for meanwhile.

Subjects have one class key each, wrapped by the epoch, and ten item keys; one in a
hundred subjects lost a key since the last generation, so that theirs are all wrapped
anew. Keys of the others are noise of the same length: nobody opens them. Meanwhile one
caller issues a key and leases it, again and again.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import asyncpg

from lethe_common.clock import RealClock, monotonic_seconds
from lethe_common.database import Database
from lethe_common.identifiers import GenerationId, SealKeyId, SubjectRef
from lethe_common.policy import load_policy
from lethe_common.purposes import uses_of
from lethe_common.rpc.privacy import KeyClass, KeyWish, LeaseWish, Purpose
from lethe_common.sealing import KeyLabel, wrapping_context
from lethe_common.services import Service
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.classkeys import ClassKey, ClassKeys
from lethe_privacy.itemkeys import ItemKeys
from lethe_privacy.keybackups import KeyBackups
from lethe_privacy.leases import Gate, Opening
from lethe_privacy.rotation import Rotation, Rules
from lethe_privacy.subjects import Subjects
from tests.benchmarks.expiring import forget_peak, memory_mib
from tests.integration.key_store import empty_key_store
from tests.servers import RunningServers
from tests.tree import ROOT

ITEMS_EACH = 10
_LOST_ONE_IN = 100
_PAGE = 1000
_WRAPPED_BYTES = 77
_DAILY = Rules(rotation=timedelta(days=1), key_backups=2)
_PAUSE_SECONDS = 0.02
_LONGEST_STATEMENT_SECONDS = 3600.0

Row = tuple[object, ...]


@dataclass(slots=True)
class Rotated:
    """One rotation."""

    seconds: float
    grown_mib: float
    waits_ms: list[float] = field(default_factory=list)
    """What each issue with its lease took while it ran."""

    @property
    def longest_ms(self) -> float:
        return max(self.waits_ms, default=0.0)


async def rotated(servers: RunningServers, folder: Path, subjects: int) -> Rotated:
    """Fill an empty key store with so many subjects, and rotate it once."""
    database = await empty_key_store(servers, folder)
    keyring = FolderKeyring(folder)
    try:
        await _fill(servers, keyring, subjects)
        long = await Database.open(
            servers.keys_dsn("privacy"),
            Service.PRIVACY,
            schema="keys",
            size=2,
            statement_timeout_seconds=_LONGEST_STATEMENT_SECONDS,
        )
        rotation = Rotation(long, keyring, KeyBackups(None, None, keyring), lambda _now: _DAILY)
        waits: list[float] = []
        asking = asyncio.create_task(_ask(database, keyring, waits))
        before, began = forget_peak(), monotonic_seconds()
        await rotation.sweep(datetime.now(UTC) + timedelta(days=1))
        made = Rotated(monotonic_seconds() - began, memory_mib("VmHWM") - before, waits)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        assert await long.pool.fetchval("SELECT number FROM generation WHERE phase = 'resting'") == 1
        await long.close()
    finally:
        await database.close()
    return made


async def _ask(database: Database, keyring: FolderKeyring, waits: list[float]) -> None:
    policy = load_policy(ROOT / "deploy/profiles/aisora2")
    items, gate = ItemKeys(database, ClassKeys(keyring), RealClock()), Gate(uses_of(policy), frozenset())
    subject_ref = SubjectRef.new()
    await Subjects(database, keyring).open(subject_ref, secrets.token_hex(32))
    while True:
        wish = KeyWish(subject_ref=subject_ref, item_id=GenerationId.new(), key_class=KeyClass.CONTENT)
        began = monotonic_seconds()
        (issued,) = await items.issue([wish])
        lease = LeaseWish(subject_ref=subject_ref, item_id=wish.item_id)
        (leased,) = await items.lease([lease], [Opening(Purpose.SHOW)], gate)
        waits.append((monotonic_seconds() - began) * 1000)
        assert leased.key == issued.key
        await asyncio.sleep(_PAUSE_SECONDS)


async def _fill(servers: RunningServers, keyring: FolderKeyring, subjects: int) -> None:
    (epoch_id,) = await keyring.epochs()
    connection = await asyncpg.connect(servers.keys_dsn("privacy_owner"))
    numbers = iter(range(subjects))
    try:
        while page := list(islice(numbers, _PAGE)):
            people = [(SubjectRef.new(), number % _LOST_ONE_IN == 0) for number in page]
            classes = [(ClassKey(ref, SealKeyId.new(), secrets.token_bytes(32)), is_lost) for ref, is_lost in people]
            wrapped = await keyring.wrap([
                (wrapping_context(KeyLabel.CLASS, key.subject_ref, key.key_id, epoch_id), key.key) for key, _ in classes
            ])  # fmt: skip
            rows = [
                (key.subject_ref, "content", key.key_id, sealed, epoch_id)
                for (key, _), sealed in zip(classes, wrapped, strict=True)
            ]
            await connection.copy_records_to_table("class_keys", schema_name="keys", records=rows)
            await connection.copy_records_to_table("item_keys", schema_name="keys", records=list(_items(classes)))
            losses = [(ref,) for ref, is_lost in people if is_lost]
            await connection.copy_records_to_table("losses", schema_name="keys", records=losses)
        await connection.execute("ANALYZE keys.class_keys, keys.item_keys, keys.losses")
    finally:
        await connection.close()


def _items(classes: list[tuple[ClassKey, bool]]) -> Iterator[Row]:
    now = datetime.now(UTC)
    for key, is_lost in classes:
        for _ in range(ITEMS_EACH):
            item_id = GenerationId.new()
            wrapped = (
                key.wrap_item(item_id, secrets.token_bytes(32)) if is_lost else secrets.token_bytes(_WRAPPED_BYTES)
            )
            yield item_id, key.subject_ref, "content", SealKeyId.new(), wrapped, now
