import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from lethe_common.clock import RealClock
from lethe_common.consents import texts_of
from lethe_common.database import Database
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.purposes import uses_of
from lethe_common.rpc.privacy import ItemKey, KeyClass, KeyWish, LeaseWish, Purpose
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.classkeys import ClassKeys
from lethe_privacy.errors import SubjectGone, SubjectUnknown
from lethe_privacy.itemkeys import ItemKeys
from lethe_privacy.leases import Gate, Opening
from lethe_privacy.subjects import KeyCounts, Subjects
from tests.integration.key_store import empty_key_store
from tests.servers import RunningServers
from tests.unit.common.policy_files import shipped_policy

POLICY = shipped_policy("aisora2")


class KeyStore:
    """One replica's view of the key store."""

    def __init__(self, database: Database, keyring: Path) -> None:
        port = FolderKeyring(keyring)
        self.database = database
        self.subjects = Subjects(database, port)
        self.items = ItemKeys(database, ClassKeys(port), RealClock())
        self.gate = Gate(uses_of(POLICY), texts_of(POLICY))

    async def lease(self, wishes: list[LeaseWish]) -> list[ItemKey]:
        """Open items in order to show them."""
        return await self.items.lease(wishes, [Opening(Purpose.SHOW)] * len(wishes), self.gate)


@pytest.fixture
async def database(servers: RunningServers, tmp_path: Path) -> AsyncIterator[Database]:
    opened = await empty_key_store(servers, tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
def store(database: Database, tmp_path: Path) -> KeyStore:
    return KeyStore(database, tmp_path)


def login() -> str:
    return hashlib.sha256(secrets.token_bytes(16)).hexdigest()


async def opened_subject(store: KeyStore) -> SubjectRef:
    subject_ref = SubjectRef.new()
    assert await store.subjects.open(subject_ref, login())
    return subject_ref


def wish(subject_ref: SubjectRef, item_id: str | None = None, key_class: KeyClass = KeyClass.CONTENT) -> KeyWish:
    return KeyWish(subject_ref=subject_ref, item_id=item_id or GenerationId.new(), key_class=key_class)


def lease(of: KeyWish, subject_ref: SubjectRef | None = None) -> LeaseWish:
    return LeaseWish(subject_ref=subject_ref or of.subject_ref, item_id=of.item_id)


def keys(answers: list[ItemKey]) -> list[bytes | None]:
    return [answer.key for answer in answers]


def refusals(answers: list[ItemKey]) -> list[str | None]:
    return [answer.refusal for answer in answers]


async def test_a_login_belongs_to_the_subject_that_took_it_first(store: KeyStore) -> None:
    index, first, second = login(), SubjectRef.new(), SubjectRef.new()

    assert await store.subjects.open(first, index)
    assert await store.subjects.open(first, index)
    assert not await store.subjects.open(second, index)
    assert await store.subjects.find(index) == first
    assert not await store.subjects.is_known(second)
    assert await store.subjects.find(login()) is None


async def test_of_many_that_want_one_login_at_once_one_gets_it(store: KeyStore) -> None:
    index = login()

    opened = await asyncio.gather(*(store.subjects.open(SubjectRef.new(), index) for _ in range(8)))

    assert sum(opened) == 1


async def test_an_issued_key_is_leased_again_and_again_and_is_the_items_own(store: KeyStore) -> None:
    subject_ref = await opened_subject(store)
    wishes = [wish(subject_ref), wish(subject_ref), wish(subject_ref, key_class=KeyClass.IDENTITY)]

    issued = await store.items.issue(wishes)
    leased = await store.lease([lease(one) for one in wishes])

    assert all(key is not None and len(key) == 32 for key in keys(issued))
    assert len(set(keys(issued))) == 3
    assert leased == issued
    assert await store.items.issue(wishes) == issued


async def test_replicas_with_one_keyring_issue_the_same_key_for_the_same_item(store: KeyStore, tmp_path: Path) -> None:
    replica = KeyStore(store.database, tmp_path)
    subjects = [await opened_subject(store) for _ in range(8)]
    wishes = [wish(subject_ref) for subject_ref in subjects for _ in range(8)]

    batches = await asyncio.gather(
        *(each.items.issue(order) for each in (store, replica) for order in (wishes, wishes[::-1]))
    )

    first, first_backwards, second, second_backwards = batches
    assert first == second == first_backwards[::-1] == second_backwards[::-1]


async def test_one_wish_twice_in_a_batch_is_one_key(store: KeyStore) -> None:
    wanted = wish(await opened_subject(store))

    first, second = await store.items.issue([wanted, wanted])

    assert first == second


async def test_each_wish_of_a_batch_is_refused_or_granted_alone(store: KeyStore) -> None:
    owner, other = await opened_subject(store), await opened_subject(store)
    owned = wish(owner)
    await store.items.issue([owned])
    fenced = await opened_subject(store)
    await store.subjects.fence(fenced)

    issued = await store.items.issue([
        wish(owner), wish(SubjectRef.new()), wish(fenced), wish(other, owned.item_id),
        wish(owner, owned.item_id, KeyClass.IDENTITY), owned,
    ])  # fmt: skip
    leased = await store.lease([
        lease(owned), lease(owned, SubjectRef.new()), lease(owned, fenced), lease(owned, other), lease(wish(owner)),
    ])  # fmt: skip

    assert refusals(issued) == [None, "subject_unknown", "subject_fenced", "key_unknown", "key_unknown", None]
    assert refusals(leased) == [None, "subject_unknown", "subject_fenced", "key_unknown", "key_unknown"]
    assert all((one.key is None) is (one.refusal is not None) for one in (*issued, *leased))


async def test_a_destroyed_key_is_unknown_and_only_its_owner_can_destroy_it(store: KeyStore) -> None:
    owner, other = await opened_subject(store), await opened_subject(store)
    kept, gone = wish(owner), wish(owner)
    await store.items.issue([kept, gone])

    assert await store.items.destroy([lease(gone, other)]) == 0
    assert await store.items.destroy([lease(gone)]) == 1
    assert await store.items.destroy([lease(gone)]) == 0
    assert refusals(await store.lease([lease(kept), lease(gone)])) == [None, "key_unknown"]


async def test_a_fence_says_what_is_there_and_lets_nothing_more_in_or_out(store: KeyStore) -> None:
    subject_ref = await opened_subject(store)
    wanted = wish(subject_ref)
    await store.items.issue([wanted])

    counts = await store.subjects.fence(subject_ref)

    assert counts == await store.subjects.fence(subject_ref) == KeyCounts(item_keys=1, class_keys=1, login_index=1)
    assert refusals(await store.lease([lease(wanted)])) == ["subject_fenced"]
    assert await store.items.destroy([lease(wanted)]) == 1
    with pytest.raises(SubjectUnknown):
        await store.subjects.fence(SubjectRef.new())


async def test_after_a_fence_no_key_is_still_on_its_way(store: KeyStore) -> None:
    subject_ref = await opened_subject(store)

    async def issue_until_refused() -> int:
        granted = 0
        while True:
            answers = await store.items.issue([wish(subject_ref) for _ in range(20)])
            if answers[0].refusal is not None:
                return granted
            granted += len(answers)

    issuing = [asyncio.create_task(issue_until_refused()) for _ in range(3)]
    while await issued_so_far(store, subject_ref) < 100:
        pass
    at_the_fence = await store.subjects.fence(subject_ref)

    granted = sum(await asyncio.gather(*issuing))
    assert at_the_fence.item_keys == granted == (await store.subjects.fence(subject_ref)).item_keys


async def issued_so_far(store: KeyStore, subject_ref: SubjectRef) -> int:
    async with store.database.transaction() as tx:
        count: int = await tx.fetchval("SELECT count(*) FROM item_keys WHERE subject_ref = $1", subject_ref)
    return count


async def test_an_erased_subject_has_no_key_and_no_login_and_never_begins_anew(store: KeyStore) -> None:
    index, subject_ref, heir = login(), SubjectRef.new(), SubjectRef.new()
    await store.subjects.open(subject_ref, index)
    wanted = wish(subject_ref)
    await store.items.issue([wanted])
    await store.subjects.fence(subject_ref)
    assert await store.subjects.find(index) is None

    await store.subjects.destroy(subject_ref, datetime.now(UTC))
    await store.subjects.destroy(subject_ref, datetime.now(UTC))

    assert await store.subjects.fence(subject_ref) == KeyCounts(0, 0, 0)
    async with store.database.transaction() as tx:
        assert not await tx.fetchval("SELECT count(*) FROM losses WHERE subject_ref = $1", subject_ref)
    assert refusals(await store.items.issue([wanted])) == ["subject_fenced"]
    with pytest.raises(SubjectGone):
        await store.subjects.open(subject_ref, index)
    assert await store.subjects.open(heir, index)


async def test_a_wrapped_key_that_is_moved_to_another_item_opens_for_nobody(store: KeyStore) -> None:
    subject_ref = await opened_subject(store)
    ours, theirs = wish(subject_ref), wish(subject_ref)
    await store.items.issue([ours, theirs])
    async with store.database.transaction() as tx:
        await tx.execute(
            "UPDATE item_keys SET (key_id, wrapped) = (SELECT key_id, wrapped FROM item_keys WHERE item_id = $1)"
            " WHERE item_id = $2",
            ours.item_id,
            theirs.item_id,
        )

    with pytest.raises(Exception, match="cannot be opened"):
        await store.lease([lease(theirs)])


async def test_no_key_and_no_login_rests_in_clear(store: KeyStore) -> None:
    index, subject_ref = login(), SubjectRef.new()
    await store.subjects.open(subject_ref, index)
    (issued,) = await store.items.issue([wish(subject_ref)])

    async with store.database.transaction() as tx:
        row = await tx.fetchrow("SELECT wrapped FROM item_keys WHERE subject_ref = $1", subject_ref)
        digest = await tx.fetchval("SELECT index_digest FROM login_index WHERE subject_ref = $1", subject_ref)

    assert row is not None
    assert issued.key is not None
    assert issued.key not in row["wrapped"]
    assert digest != bytes.fromhex(index)


async def test_the_verifier_counts_keys_but_never_reads_one(servers: RunningServers, store: KeyStore) -> None:
    subject_ref = await opened_subject(store)
    await store.items.issue([wish(subject_ref)])
    connection = await asyncpg.connect(servers.keys_dsn("verifier"))
    try:
        for table in ("item_keys", "class_keys", "login_index"):
            counted = f"SELECT count(*) FROM keys.{table} WHERE subject_ref = $1"
            assert await connection.fetchval(counted, subject_ref) == 1
        for forbidden in (
            "SELECT wrapped FROM keys.item_keys",
            "SELECT wrapped FROM keys.class_keys",
            "SELECT index_digest FROM keys.login_index",
            "DELETE FROM keys.item_keys",
        ):
            with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError)):
                await connection.fetch(forbidden)
    finally:
        await connection.close()


async def test_class_keys_are_wrapped_by_the_epoch_of_the_generation_in_use(store: KeyStore, tmp_path: Path) -> None:
    subject_ref = await opened_subject(store)
    await store.items.issue([wish(subject_ref)])

    async with store.database.transaction() as tx:
        epoch_id = await tx.fetchval("SELECT epoch_id FROM class_keys WHERE subject_ref = $1", subject_ref)

    assert await FolderKeyring(tmp_path).epochs() == {epoch_id}
