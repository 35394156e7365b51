"""How long a rotation of the key store takes, what memory it needs, and what leases and new keys wait for meanwhile.

Subjects have one class key each, wrapped by the epoch, and ten item keys; one in a
hundred subjects lost a key since the last generation, so that theirs are all wrapped
anew. Keys of the others are noise of the same length, written by PostgreSQL itself:
nobody opens them. Meanwhile one caller issues a key and leases it, again and again.
"""

import asyncio
import contextlib
import gc
import secrets
from collections.abc import Callable, Iterator
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
# An id of an age and a number, and as many bytes as a wrapped key has.
_NOISE = """
    INSERT INTO keys.item_keys (item_id, subject_ref, key_class, key_id, wrapped, created_at)
    SELECT 'video_' || lpad(to_hex($1::bigint * 100000000 + row_number() OVER ()), 32, '0'), c.subject_ref, 'content',
           'seal_' || md5(c.subject_ref || $1::bigint), substr(s.noise || s.noise || s.noise, 1, 77), now()
      FROM keys.class_keys c, LATERAL (SELECT sha256(convert_to(c.subject_ref || $1::bigint, 'UTF8'))) s(noise)
     WHERE NOT EXISTS (SELECT 1 FROM keys.losses l WHERE l.subject_ref = c.subject_ref)
"""
_DAILY = Rules(rotation=timedelta(days=1), key_backups=2)
_PAUSE_SECONDS, _LOOK_SECONDS = 0.02, 0.2
_LONGEST_STATEMENT_SECONDS = 3600.0

Row = tuple[object, ...]
Say = Callable[[str], None]


@dataclass(slots=True)
class Rotated:
    """One rotation."""

    seconds: float
    grown_mib: float
    postgres_mib: float
    """By how much PostgreSQL's processes grew together, beside the memory that they share."""
    waits_ms: list[float] = field(default_factory=list)
    """What each issue with its lease took while it ran."""

    @property
    def longest_ms(self) -> float:
        return max(self.waits_ms, default=0.0)


async def rotated(servers: RunningServers, folder: Path, subjects: int, say: Say) -> Rotated:
    """Fill an empty key store with so many subjects, and rotate it once."""
    database = await empty_key_store(servers, folder)
    keyring = FolderKeyring(folder)
    try:
        await _fill(servers, keyring, subjects, say)
        long = await Database.open(
            servers.keys_dsn("privacy"),
            Service.PRIVACY,
            schema="keys",
            size=2,
            statement_timeout_seconds=_LONGEST_STATEMENT_SECONDS,
        )
        rotation = Rotation(long, keyring, KeyBackups(None, None, keyring), lambda _now: _DAILY)
        waits: list[float] = []
        sizes: list[float] = []
        meanwhile = [asyncio.create_task(_ask(database, keyring, waits)), asyncio.create_task(_watch(servers, sizes))]
        gc.collect()
        before, began = forget_peak(), monotonic_seconds()
        await rotation.sweep(datetime.now(UTC) + timedelta(days=1))
        took = monotonic_seconds() - began
        made = Rotated(took, memory_mib("VmHWM") - before, max(sizes) - sizes[0], waits)
        for one in meanwhile:
            one.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await one
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


async def _fill(servers: RunningServers, keyring: FolderKeyring, subjects: int, say: Say) -> None:
    """Class keys first, then item keys by their age: each subject's lie scattered, as those of a living store do."""
    (epoch_id,) = await keyring.epochs()
    connection = await asyncpg.connect(servers.keys_dsn("privacy_owner"))
    numbers = iter(range(subjects))
    try:
        while page := list(islice(numbers, _PAGE)):
            classes = [ClassKey(SubjectRef.new(), SealKeyId.new(), secrets.token_bytes(32)) for _ in page]
            lost = [key for number, key in zip(page, classes, strict=True) if number % _LOST_ONE_IN == 0]
            wrapped = await keyring.wrap([
                (wrapping_context(KeyLabel.CLASS, key.subject_ref, key.key_id, epoch_id), key.key) for key in classes
            ])  # fmt: skip
            rows = [
                (key.subject_ref, "content", key.key_id, sealed, epoch_id)
                for key, sealed in zip(classes, wrapped, strict=True)
            ]
            await connection.copy_records_to_table("class_keys", schema_name="keys", records=rows)
            await connection.copy_records_to_table("item_keys", schema_name="keys", records=list(_items(lost)))
            losses = [(key.subject_ref,) for key in lost]
            await connection.copy_records_to_table("losses", schema_name="keys", records=losses)
        for age in range(ITEMS_EACH):
            await connection.execute(_NOISE, age, timeout=None)
            say(f"item keys {(age + 1) * subjects:,}")
        await connection.execute("VACUUM ANALYZE keys.class_keys")
        await connection.execute("VACUUM ANALYZE keys.item_keys", timeout=None)
        await connection.execute("ANALYZE keys.losses")
    finally:
        await connection.close()


def _items(lost: list[ClassKey]) -> Iterator[Row]:
    now = datetime.now(UTC)
    for key in lost:
        for _ in range(ITEMS_EACH):
            item_id = GenerationId.new()
            wrapped = key.wrap_item(item_id, secrets.token_bytes(32))
            yield item_id, key.subject_ref, "content", SealKeyId.new(), wrapped, now


async def _watch(servers: RunningServers, sizes: list[float]) -> None:
    """What PostgreSQL's processes have of their own, in MiB, again and again; what they share is fixed at their start."""
    postmaster = int((servers.data / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children")
    while True:
        sizes.append(_own_all(children))
        await asyncio.sleep(_LOOK_SECONDS)


def _own_all(children: Path) -> float:
    return sum(_own_mib(pid) for pid in children.read_text().split())


def _own_mib(pid: str) -> float:
    try:
        return memory_mib("RssAnon", pid)
    except OSError:
        return 0.0  # it has ended since
