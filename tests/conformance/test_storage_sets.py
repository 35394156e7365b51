"""Many prefixes at once, on any S3 store: all of theirs goes, nothing of their neighbours."""

from collections.abc import AsyncGenerator, Iterator

import pytest

from lethe_common.storage import Limits, ObjectVersion, Storage, new_object_prefix, new_subject_random
from lethe_common.storage.removal import Removed
from tests.conformance.object_stores import OWNER, VERIFIER, ObjectStore, seaweedfs


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectStore]:
    with seaweedfs() as store:
        yield store


@pytest.fixture(params=["versioned", "unversioned"])
async def storage(server: ObjectStore, request: pytest.FixtureRequest) -> AsyncGenerator[Storage, None]:
    made = Storage(server.endpoint, OWNER.access_key, OWNER.secret_key, request.param, limits=Limits(retries=1))
    await made.ensure_bucket(is_versioned=request.param == "versioned")
    yield made
    await made.close()


async def filled(storage: Storage, count: int) -> list[str]:
    """Items of three subjects, each with two objects and an older version of one of them."""
    subjects = [new_subject_random() for _ in range(3)]
    prefixes = [new_object_prefix("outputs", subjects[number % 3]) for number in range(count)]
    for prefix in prefixes:
        for name in ("a-video", "a-thumbnail", "a-video"):
            await storage.put_bytes(f"{prefix}{name}", b"sealed")
    return prefixes


async def test_everything_under_many_prefixes_goes_and_the_neighbours_stay(storage: Storage) -> None:
    prefixes = await filled(storage, 40)
    going, staying = prefixes[::2], prefixes[1::2]

    gone = await storage.remove_sets(going)

    assert gone.failed == frozenset()
    assert all(gone.removed[prefix].object_versions >= 2 for prefix in going)
    assert await storage.remains_in(prefixes) == set(staying)
    assert all([(await storage.remains(prefix)).is_empty for prefix in going])
    assert (await storage.remove_sets(going)).removed == dict.fromkeys(going, Removed(0, 0))
    await storage.remove_sets(staying)
    assert await storage.remains_in(prefixes) == set()


async def test_delete_markers_of_each_prefix_go_too(storage: Storage) -> None:
    """A store tells all versions of a page first and its delete markers after them, out of the order of keys."""
    prefixes = sorted(await filled(storage, 5))
    going, staying = prefixes[::2], prefixes[1::2]
    client, bucket = storage._connection.client, storage._connection.bucket
    for prefix in going:
        client.remove_object(bucket, f"{prefix}a-video")

    await storage.remove_sets(going)

    assert all([(await storage.remains(prefix)).is_empty for prefix in going])
    assert await storage.remains_in(prefixes) == set(staying)
    await storage.remove_sets(staying)


async def test_delete_markers_alone_are_seen_under_each_prefix(storage: Storage) -> None:
    prefixes = sorted(await filled(storage, 5))
    client, bucket = storage._connection.client, storage._connection.bucket
    for prefix in prefixes[::2]:
        client.remove_object(bucket, f"{prefix}a-video")
        for one in client.list_objects(bucket, prefix, recursive=True, include_version=True):
            if not one.is_delete_marker:
                client.remove_object(bucket, one.object_name or "", one.version_id)

    # Where no versions are kept, nothing is marked either: then nothing of these is left.
    left = {prefix for prefix in prefixes if not (await storage.remains(prefix)).is_empty}
    assert await storage.remains_in(prefixes) == left
    await storage.remove_sets(prefixes)
    assert await storage.remains_in(prefixes) == set()


async def test_what_is_noted_goes_uncounted_and_what_nobody_noted_goes_with_it(storage: Storage) -> None:
    prefix, other = (new_object_prefix("outputs", new_subject_random()) for _ in range(2))
    stored = [await storage.put_bytes(f"{each}a-video", b"sealed") for each in (prefix, other)]
    noted = [ObjectVersion(one.key, one.version_id) for one in stored]
    await storage.put_bytes(f"{prefix}b-video", b"of an attempt that died")

    gone = await storage.remove_sets([prefix], noted)

    assert gone.removed == {prefix: Removed(object_versions=1, multiparts=0)}
    assert await storage.remains_in([prefix, other]) == {other}, "a neighbour's goes by no note"
    assert (await storage.remove_sets([prefix], noted)).removed == {prefix: Removed(0, 0)}
    await storage.remove_sets([other])


async def test_a_note_of_the_wrong_version_leaves_nothing_behind(storage: Storage) -> None:
    prefix = new_object_prefix("outputs", new_subject_random())
    await storage.put_bytes(f"{prefix}a-video", b"older")
    await storage.put_bytes(f"{prefix}a-video", b"newer")

    gone = await storage.remove_sets([prefix], [ObjectVersion(f"{prefix}a-video", None)])

    assert gone.failed == frozenset()
    assert await storage.remains_in([prefix]) == set()


async def test_one_prefix_is_found_among_many_others(storage: Storage) -> None:
    prefixes = await filled(storage, 30)
    for wanted in (min(prefixes), max(prefixes), sorted(prefixes)[15]):
        assert await storage.remains_in([wanted]) == {wanted}
    assert await storage.remains_in([new_object_prefix("outputs", new_subject_random())]) == set()
    assert await storage.remains_in([]) == set()
    await storage.remove_sets(prefixes)


async def test_unfinished_uploads_are_seen_and_aborted(storage: Storage) -> None:
    prefix, other = (new_object_prefix("outputs", new_subject_random()) for _ in range(2))
    client, bucket = storage._connection.client, storage._connection.bucket
    for each in (prefix, other):
        client._create_multipart_upload(bucket, f"{each}video", {"Content-Type": "video/mp4"})
    assert await storage.remains_in([prefix, other]) == {prefix, other}

    gone = await storage.remove_sets([prefix])

    assert gone.removed[prefix].multiparts == 1
    assert await storage.remains_in([prefix, other]) == {other}
    await storage.remove_sets([other])


async def test_who_may_only_look_sees_what_is_there(storage: Storage, server: ObjectStore) -> None:
    prefixes = await filled(storage, 4)
    bucket = storage._connection.bucket
    seeing = Storage(server.endpoint, VERIFIER.access_key, VERIFIER.secret_key, bucket, limits=Limits(retries=1))

    assert await seeing.remains_in(prefixes) == set(prefixes)
    await seeing.close()
    await storage.remove_sets(prefixes)


async def test_a_prefix_without_its_end_is_refused(storage: Storage) -> None:
    with pytest.raises(ValueError, match="slash"):
        await storage.remove_sets(["outputs/a"])
