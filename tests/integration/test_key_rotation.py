import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from lethe_common.database import Database
from lethe_common.identifiers import SubjectRef
from lethe_common.rpc.privacy import ItemKey, KeyWish
from lethe_common.sealing import CannotOpen
from lethe_privacy import rotation_queries as queries
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.classkeys import ClassKeys, WrappedClassKey
from lethe_privacy.errors import EpochUnknown, GenerationIncomplete, KeyringLost
from lethe_privacy.generations import Generation, Phase
from lethe_privacy.keybackups import KeyBackups
from lethe_privacy.keyring import Keyring
from lethe_privacy.rotation import Batches, Rotation, Rules, begin_first
from tests.hand_clock import HandClock
from tests.integration.dying_keyring import Died, DyingKeyring
from tests.integration.key_store import empty_key_store
from tests.integration.test_privacy_keys import KeyStore, keys, lease, opened_subject, refusals, wish
from tests.servers import RunningServers
from tests.tree import ROOT

DAILY = Rules(rotation=timedelta(days=1), key_backups=2)
SMALL = Batches(class_keys=3, item_keys=4, touched=2)
TABLES = "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'keys' AND relkind = 'r'"
ROWS = """
    SELECT i.item_id, i.subject_ref, i.wrapped AS item_wrapped, c.key_id, c.wrapped, c.epoch_id
      FROM item_keys i JOIN class_keys c USING (subject_ref, key_class)
"""


@dataclass
class Stand:
    """A key store whose generations are rotated by a test."""

    store: KeyStore
    folder: Path
    clock: HandClock

    @property
    def database(self) -> Database:
        return self.store.database

    def rotation(self, keyring: Keyring | None = None, batches: Batches = SMALL) -> Rotation:
        """As a process that was just started has it."""
        keyring = keyring or FolderKeyring(self.folder)
        return Rotation(self.database, keyring, KeyBackups(None, None, keyring), lambda _now: DAILY, batches)

    async def rotate(self) -> None:
        """A day later."""
        await self.rotation().sweep(self.clock.advance(days=1))

    async def generation(self) -> Generation:
        async with self.database.transaction() as tx:
            generation = await queries.load(tx)
        assert generation is not None
        return generation

    async def people(self, number: int, each: int = 3) -> list[KeyWish]:
        """Wishes for the items of so many subjects, whose keys are issued."""
        wishes = [wish(ref) for ref in [await opened_subject(self.store) for _ in range(number)] for _ in range(each)]
        await self.store.items.issue(wishes)
        return wishes

    async def opened(self, wishes: Sequence[KeyWish]) -> list[bytes | None]:
        """What a process that was just started opens."""
        store = KeyStore(self.database, self.folder)
        return keys(await store.lease([lease(one) for one in wishes]))

    async def rows(self) -> list[asyncpg.Record]:
        async with self.database.transaction() as tx:
            return await tx.fetch(ROWS)

    async def tables(self) -> set[str]:
        async with self.database.transaction() as tx:
            return {row[0] for row in await tx.fetch(TABLES)}


@pytest.fixture
async def stand(servers: RunningServers, tmp_path: Path) -> AsyncIterator[Stand]:
    clock = HandClock()
    database = await empty_key_store(servers, tmp_path / "keyring", clock)
    yield Stand(KeyStore(database, tmp_path / "keyring"), tmp_path / "keyring", clock)
    await database.close()


async def test_a_rotation_keeps_every_living_key_and_nothing_of_the_old_generation(stand: Stand) -> None:
    wishes = await stand.people(5)
    before, first = await stand.opened(wishes), await stand.generation()
    tables = await stand.tables()

    await stand.rotate()

    now = await stand.generation()
    assert await stand.opened(wishes) == before
    assert (now.number, now.phase, now.began_at) == (1, Phase.RESTING, first.began_at + timedelta(days=1))
    assert {row["epoch_id"] for row in await stand.rows()} == {now.epoch_id} != {first.epoch_id}
    assert await FolderKeyring(stand.folder).epochs() == {now.epoch_id}
    assert await stand.tables() == tables


async def test_rotations_keep_their_hour_and_after_a_long_pause_one_is_enough(stand: Stand) -> None:
    began_at = (await stand.generation()).began_at

    await stand.rotation().sweep(stand.clock.advance(hours=23))
    assert (await stand.generation()).number == 0
    await stand.rotation().sweep(stand.clock.advance(hours=2))
    assert (await stand.generation()).began_at == began_at + timedelta(days=1)
    await stand.rotation().sweep(stand.clock.advance(days=30))
    await stand.rotation().sweep(stand.clock.advance(minutes=5))

    now = await stand.generation()
    assert (now.number, now.began_at) == (2, began_at + timedelta(days=31))


async def test_what_was_deleted_opens_with_no_key_that_is_left_and_all_else_does(stand: Stand) -> None:
    wishes = await stand.people(3)
    gone, erased = wishes[0], wishes[3]
    copies = [await stand.rows()]
    old_keyring = {file.name: file.read_bytes() for file in stand.folder.iterdir()}
    await stand.store.items.destroy([lease(gone)])
    await stand.store.subjects.fence(SubjectRef(erased.subject_ref))
    await stand.store.subjects.destroy(SubjectRef(erased.subject_ref), stand.clock.now())
    copies.append(await stand.rows())

    await stand.rotate()

    copies.append(await stand.rows())
    living = {one.item_id for one in wishes[1:] if one.subject_ref != erased.subject_ref}
    assert await openable(FolderKeyring(stand.folder), copies) == living
    # The control: with the destroyed epoch's key back, the very same copies open.
    for name, content in old_keyring.items():
        (stand.folder / name).write_bytes(content)
        (stand.folder / name).chmod(0o600)
    assert await openable(FolderKeyring(stand.folder), copies) == {one.item_id for one in wishes}


async def openable(keyring: Keyring, copies: Sequence[Sequence[asyncpg.Record]]) -> set[str]:
    """The items of which some copy opens with some class key of some copy that some epoch opens."""
    classes = {}
    for row in (row for copy in copies for row in copy):
        wrapped = ClassKeys(keyring)
        at_rest = wrapped_class(row)
        try:
            classes[row["key_id"]] = (await wrapped.open({(row["subject_ref"], "content"): at_rest})).popitem()[1]
        except (EpochUnknown, CannotOpen):
            continue
    found = set()
    for row in (row for copy in copies for row in copy):
        for class_key in classes.values():
            try:
                class_key.unwrap_item(row["item_id"], row["item_wrapped"])
            except CannotOpen:
                continue
            found.add(row["item_id"])
    return found


def wrapped_class(row: asyncpg.Record) -> WrappedClassKey:
    return WrappedClassKey(row["subject_ref"], row["key_id"], row["wrapped"], row["epoch_id"])


async def test_only_subjects_who_lost_something_get_new_class_keys(stand: Stand) -> None:
    wishes = await stand.people(2)
    classes = {row["subject_ref"]: row["key_id"] for row in await stand.rows()}
    await stand.store.items.destroy([lease(wishes[0])])

    await stand.rotate()

    now = {row["subject_ref"]: row["key_id"] for row in await stand.rows()}
    assert now[wishes[0].subject_ref] != classes[wishes[0].subject_ref]
    assert now[wishes[3].subject_ref] == classes[wishes[3].subject_ref]
    await stand.rotate()
    assert {row["subject_ref"]: row["key_id"] for row in await stand.rows()} == now


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.SWAPPED])
async def test_what_is_made_and_deleted_in_any_phase_is_in_the_next_generation(stand: Stand, phase: Phase) -> None:
    wishes = await stand.people(4)
    now, rotation = stand.clock.advance(days=1), stand.rotation()
    while (await stand.generation()).phase is not phase:
        await rotation.take_step(now)
    newcomer = await opened_subject(stand.store)
    more = [wish(newcomer), wish(newcomer), wish(SubjectRef(wishes[-1].subject_ref))]
    issued = keys(await stand.store.items.issue(more))
    await stand.store.items.destroy([lease(wishes[0]), lease(more[0])])
    before = await stand.opened(wishes[1:])

    while await rotation.take_step(now):
        pass

    assert await stand.opened(wishes[1:]) == before
    assert await stand.opened(more[1:]) == issued[1:]
    gone = await stand.store.lease([lease(wishes[0]), lease(more[0])])
    assert refusals(gone) == ["key_unknown", "key_unknown"]
    assert (await stand.generation()).number == 1


async def test_issuing_leasing_and_deleting_go_on_while_it_rotates(stand: Stand) -> None:
    wishes = await stand.people(10)
    before, is_over = await stand.opened(wishes), asyncio.Event()

    async def lease_all() -> int:
        looks = 0
        while not is_over.is_set():
            assert keys(await stand.store.lease([lease(one) for one in wishes])) == before
            looks += 1
        return looks

    async def come_and_go() -> tuple[list[KeyWish], list[ItemKey], list[KeyWish]]:
        kept: list[KeyWish] = []
        issued: list[ItemKey] = []
        gone: list[KeyWish] = []
        while not is_over.is_set():
            made = [wish(await opened_subject(stand.store)), wish(SubjectRef(wishes[0].subject_ref))]
            keys_made = await stand.store.items.issue(made)
            await stand.store.items.destroy([lease(made[1])])
            kept, issued, gone = [*kept, made[0]], [*issued, keys_made[0]], [*gone, made[1]]
        return kept, issued, gone

    meanwhile = asyncio.gather(lease_all(), come_and_go(), come_and_go())
    for _ in range(2):
        await stand.rotation(batches=Batches(20, 20, 50)).sweep(stand.clock.advance(days=1))
    is_over.set()
    looks, *others = await meanwhile

    assert looks > 0
    assert (await stand.generation()).number == 2
    for kept, issued, gone in others:
        assert kept
        assert await stand.opened(kept) == keys(issued)
        assert set(refusals(await stand.store.lease([lease(one) for one in gone]))) == {"key_unknown"}


@pytest.mark.parametrize("phase", [Phase.SWAPPING, Phase.SWAPPED])
async def test_a_lease_that_has_one_of_the_tables_is_waited_for_and_gets_the_other(stand: Stand, phase: Phase) -> None:
    await stand.people(1)
    now, rotation = stand.clock.advance(days=1), stand.rotation()
    while (await stand.generation()).phase is not phase:
        await rotation.take_step(now)
    ending = "_old" if phase is Phase.SWAPPED else ""

    async with stand.database.transaction() as reader:
        await reader.execute(f"LOCK TABLE item_keys{ending} IN ACCESS SHARE MODE")
        step = asyncio.create_task(rotation.take_step(now))
        while not await reader.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"):
            assert not step.done()
            await asyncio.sleep(0.01)
        # Refused at once if the rotation has it, while it waits for the first one.
        await reader.execute(f"LOCK TABLE class_keys{ending} IN ACCESS SHARE MODE NOWAIT")

    assert await step
    assert (await stand.generation()).phase is not phase


@pytest.mark.parametrize("is_after", [False, True])
async def test_a_crash_at_any_call_of_the_keyring_is_followed_by_the_rest_of_the_rotation(
    stand: Stand, *, is_after: bool
) -> None:
    wishes = await stand.people(4, each=2)
    await stand.store.items.destroy([lease(wishes[0])])
    before, crashes = await stand.opened(wishes[1:]), 0

    for dies_at in count():
        now, number = stand.clock.advance(days=1), (await stand.generation()).number
        try:
            await stand.rotation(DyingKeyring(stand.folder, dies_at, is_after=is_after)).sweep(now)
        except Died:
            crashes += 1
        else:
            break
        assert await stand.opened(wishes[1:]) == before
        await stand.rotation().sweep(now)
        assert (await stand.generation()).number == number + 1
        assert await stand.opened(wishes[1:]) == before
        assert len(await FolderKeyring(stand.folder).epochs()) == 1

    assert crashes >= 4


async def test_a_process_that_is_killed_while_it_rotates_is_followed_by_another(
    stand: Stand, servers: RunningServers
) -> None:
    wishes = await stand.people(12)
    before = await stand.opened(wishes)
    now = stand.clock.advance(days=1)
    arguments = [servers.keys_dsn("privacy"), str(stand.folder), now.isoformat()]

    kills = 0
    for seconds in (0.02, 0.2, 0.8):
        process = await asyncio.to_thread(
            subprocess.Popen,
            [sys.executable, "-m", "tests.integration.rotating", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        await asyncio.to_thread(process.stdout.readline)
        await asyncio.sleep(seconds)
        kills += process.poll() is None
        process.kill()
        await asyncio.to_thread(process.wait)
        process.stdout.close()
        assert await stand.opened(wishes) == before

    await stand.rotation().sweep(now)
    assert kills > 0
    assert (await stand.generation()).number == 1
    assert await stand.opened(wishes) == before
    assert len(await FolderKeyring(stand.folder).epochs()) == 1


async def test_a_generation_that_lacks_a_key_never_takes_the_place_of_the_old_one(stand: Stand) -> None:
    await stand.people(3)
    now, rotation = stand.clock.advance(days=1), stand.rotation()
    while (await stand.generation()).phase is not Phase.CATCHING_UP:
        await rotation.take_step(now)
    async with stand.database.transaction() as tx:
        await tx.execute("DELETE FROM item_keys_next WHERE item_id = (SELECT item_id FROM item_keys_next LIMIT 1)")

    with pytest.raises(GenerationIncomplete):
        await rotation.sweep(now)

    assert ((await stand.generation()).number, (await stand.generation()).phase) == (0, Phase.RESTING)
    await rotation.sweep(now)
    assert (await stand.generation()).number == 1
    assert len(await FolderKeyring(stand.folder).epochs()) == 1


async def test_of_two_processes_one_rotates(stand: Stand) -> None:
    await stand.people(3)
    now = stand.clock.advance(days=1)

    await asyncio.gather(stand.rotation().sweep(now), stand.rotation().sweep(now))

    assert (await stand.generation()).number == 1
    assert len(await FolderKeyring(stand.folder).epochs()) == 1


async def test_without_the_epoch_in_use_nothing_is_begun(stand: Stand, tmp_path: Path) -> None:
    await stand.people(1)

    with pytest.raises(KeyringLost):
        await begin_first(stand.database, FolderKeyring(tmp_path / "another"), stand.clock)


async def test_a_key_store_of_before_loses_its_daily_epochs_with_the_first_rotation(stand: Stand) -> None:
    wishes = await stand.people(2)
    before, keyring = await stand.opened(wishes), FolderKeyring(stand.folder)
    async with stand.database.transaction() as tx:
        await tx.execute("UPDATE generation SET epoch_id = NULL, began_at = NULL")
    await begin_first(stand.database, keyring, stand.clock)
    assert len(await keyring.epochs()) == 2

    await stand.rotate()

    assert await stand.opened(wishes) == before
    assert len(await keyring.epochs()) == 1


async def test_an_epoch_that_still_wraps_a_key_is_not_destroyed(stand: Stand) -> None:
    wishes, keyring = await stand.people(1), FolderKeyring(stand.folder)
    now, rotation = stand.clock.advance(days=1), stand.rotation()
    while (await stand.generation()).phase is not Phase.SWAPPED:
        await rotation.take_step(now)
    late, epoch_id = await opened_subject(stand.store), await keyring.new_epoch()
    async with stand.database.transaction() as tx:
        await ClassKeys(keyring).make(tx, [(late, "content")], epoch_id)

    await rotation.sweep(now)
    assert len(await keyring.epochs()) == 2
    issued = keys(await stand.store.items.issue([wish(late)]))
    before = await stand.opened(wishes)
    await stand.rotate()

    assert len(await keyring.epochs()) == 1
    assert issued[0] is not None
    assert await stand.opened(wishes) == before


async def test_an_item_without_a_class_key_opens_for_nobody_and_holds_nothing_up(stand: Stand) -> None:
    wishes = await stand.people(1)
    async with stand.database.transaction() as tx:
        await tx.execute("DELETE FROM class_keys")

    await stand.rotate()

    assert (await stand.generation()).number == 1
    assert refusals(await stand.store.lease([lease(one) for one in wishes])) == ["key_unknown"] * 3
