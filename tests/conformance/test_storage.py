"""What Lethe asks of any S3 store. SeaweedFS always; MinIO where LETHE_MINIO names its program."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from functools import partial
from pathlib import Path

import pytest

from lethe_common.errors import Unavailable
from lethe_common.identifiers import SealKeyId
from lethe_common.sealing import CannotOpen, SealContext, Sealer, plain_size, sealed_size
from lethe_common.storage import (
    Limits,
    ObjectMissing,
    Remains,
    Removed,
    Storage,
    StorageRefused,
    WrongSize,
    new_object_prefix,
    new_subject_random,
    subject_prefix,
    whole,
)
from tests.conformance.object_stores import OWNER, VERIFIER, Identity, ObjectStore, free_ports, minio, seaweedfs

MIB = 1024 * 1024
LIMITS = Limits(part_bytes=5 * MIB, read_seconds=10, retries=1)
NOTHING = Remains(object_versions=0, multiparts=0)


@pytest.fixture(scope="module", params=["seaweedfs", pytest.param("minio", marks=pytest.mark.minio)])
def server(request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    if request.param == "seaweedfs":
        with seaweedfs() as store:
            yield store
        return
    binary = os.environ.get("LETHE_MINIO")
    if not binary:
        pytest.skip("LETHE_MINIO names no program")
    with minio(Path(binary)) as store:
        yield store


def connect(server: ObjectStore, bucket: str, identity: Identity = OWNER, limits: Limits = LIMITS) -> Storage:
    return Storage(server.endpoint, identity.access_key, identity.secret_key, bucket, limits=limits)


@pytest.fixture(params=["versioned", "unversioned"])
async def storage(server: ObjectStore, request: pytest.FixtureRequest) -> AsyncGenerator[Storage, None]:
    made = connect(server, request.param)
    await made.ensure_bucket(is_versioned=request.param == "versioned")
    yield made
    await made.close()


@pytest.fixture
async def verifier(
    server: ObjectStore, storage: Storage, request: pytest.FixtureRequest
) -> AsyncGenerator[Storage, None]:
    made = connect(server, request.node.callspec.params["storage"], VERIFIER)
    yield made
    await made.close()


@pytest.fixture
def prefix() -> str:
    return new_object_prefix("content.output", new_subject_random())


async def chunks_of(size: int, chunk_bytes: int = 300_000) -> AsyncIterator[bytes]:
    for position in range(0, size, chunk_bytes):
        yield pattern(position, min(chunk_bytes, size - position))


def pattern(position: int, length: int) -> bytes:
    """Bytes that tell their own position."""
    first = position // 8
    words = b"".join(number.to_bytes(8, "big") for number in range(first, first + length // 8 + 2))
    return words[position % 8 :][:length]


def content_of(size: int) -> bytes:
    return pattern(0, size)


async def leave_upload(storage: Storage, key: str) -> None:
    """An upload whose writer died between two parts."""
    connection = storage._connection

    def begin() -> None:
        upload_id = connection.client._create_multipart_upload(connection.bucket, key, {})
        connection.client._upload_part(connection.bucket, key, bytes(5 * MIB), None, upload_id, 1)

    await connection.call(begin)


@pytest.mark.parametrize("size", [0, 1, 5 * MIB, 5 * MIB + 1, 12 * MIB])
@pytest.mark.parametrize("is_size_known", [True, False])
async def test_a_stream_of_any_size_comes_back_whole(
    storage: Storage,
    prefix: str,
    size: int,
    is_size_known: bool,
) -> None:
    stored = await storage.put_stream(f"{prefix}a.mp4", chunks_of(size), size if is_size_known else None, "video/mp4")

    facts = await storage.stat(f"{prefix}a.mp4")
    assert (stored.size_bytes, facts.size_bytes, facts.media_type) == (size, size, "video/mp4")
    assert facts.etag == stored.etag
    assert facts.version_id == stored.version_id
    assert await whole(storage.get_range(f"{prefix}a.mp4", 0, size + 1), size + 1) == content_of(size)


async def test_a_range_is_the_slice(storage: Storage, prefix: str) -> None:
    content = content_of(3 * MIB)
    await storage.put_bytes(f"{prefix}a", content)

    for start, length in (
        (0, 1),
        (7, 1000),
        (MIB, 2 * MIB),
        (3 * MIB - 1, 1),
        (3 * MIB - 5, 100),
        (3 * MIB, 5),
        (4, 0),
    ):
        assert await whole(storage.get_range(f"{prefix}a", start, length), 3 * MIB) == content[start : start + length]


async def test_an_unknown_key_is_missing(storage: Storage, prefix: str) -> None:
    with pytest.raises(ObjectMissing):
        await storage.stat(f"{prefix}none")
    with pytest.raises(ObjectMissing):
        await anext(storage.get_range(f"{prefix}none", 0, 10))


async def test_writing_again_replaces_what_is_read(storage: Storage, prefix: str) -> None:
    await storage.put_bytes(f"{prefix}a", b"first")
    await storage.put_bytes(f"{prefix}a", b"second")

    assert await whole(storage.get_range(f"{prefix}a", 0, 100), 100) == b"second"


async def test_all_versions_and_unfinished_uploads_of_an_item_are_removed_and_no_others(
    storage: Storage, verifier: Storage
) -> None:
    subject = new_subject_random()
    mine, neighbour = (new_object_prefix("content.output", subject) for _ in range(2))
    for text in (b"first", b"second"):
        await storage.put_bytes(f"{mine}a.mp4", text)
    stored = await storage.put_bytes(f"{mine}b.webp", b"third")
    await storage.put_bytes(f"{neighbour}a.mp4", b"another's")
    await remove_newest(storage, f"{mine}b.webp")
    await leave_upload(storage, f"{mine}c.mp4")
    await leave_upload(storage, f"{mine}c.mp4")
    await leave_upload(storage, f"{neighbour}c.mp4")
    left = Remains(object_versions=4 if stored.version_id else 1, multiparts=2)

    found = await verifier.find_each([neighbour, mine])
    assert {under: one.remains for under, one in found.items()} == {mine: left, neighbour: Remains(1, 1)}
    assert await storage.remove_all_versions(mine, found=found[mine]) == Removed(left.object_versions, left.multiparts)

    assert await verifier.remains(mine) == NOTHING
    assert await storage.remove_all_versions(mine) == Removed(0, 0)
    assert await verifier.remains(neighbour) == Remains(object_versions=1, multiparts=1)
    with pytest.raises(ObjectMissing):
        await storage.stat(f"{mine}a.mp4")
    assert await storage.remove_all_versions(subject_prefix("content.output", subject)) == Removed(1, 1)


async def remove_newest(storage: Storage, key: str) -> None:
    """A plain S3 delete: in a versioned bucket it leaves a marker and the version."""
    connection = storage._connection
    await connection.call(lambda: connection.client.remove_object(connection.bucket, key))


async def test_more_than_one_page_is_removed(
    server: ObjectStore, storage: Storage, request: pytest.FixtureRequest
) -> None:
    paged = connect(server, request.node.callspec.params["storage"], limits=Limits(page=10))
    prefix = new_object_prefix("content.output", new_subject_random())
    await asyncio.gather(*(storage.put_bytes(f"{prefix}{number}", b"x") for number in range(35)))

    found = await paged.find_each([prefix])
    assert found[prefix].count == 10
    assert await paged.remove_all_versions(prefix, found=found[prefix]) == Removed(35, 0)
    assert await paged.remains(prefix) == NOTHING
    await paged.close()


async def test_a_prefix_reaches_no_neighbour_whose_name_begins_alike(storage: Storage, prefix: str) -> None:
    for careless in ("", "/", "-", prefix.rstrip("-"), prefix.partition("/")[0]):
        with pytest.raises(ValueError, match="slash"):
            await storage.remove_all_versions(careless)


async def test_the_verifier_reads_and_lists_but_never_writes_or_removes(
    storage: Storage, verifier: Storage, prefix: str
) -> None:
    await storage.put_bytes(f"{prefix}a", b"content")

    assert (await verifier.stat(f"{prefix}a")).size_bytes == 7
    with pytest.raises(StorageRefused):
        await verifier.put_bytes(f"{prefix}b", b"forged")
    with pytest.raises(StorageRefused):
        await verifier.put_stream(f"{prefix}c", chunks_of(6 * MIB))
    with pytest.raises(Exception, match="AccessDenied"):
        await verifier.remove_all_versions(prefix)
    assert (await verifier.remains(prefix)).object_versions == 1


@pytest.mark.parametrize("announced", [11 * MIB, 13 * MIB, 4 * MIB])
async def test_a_stream_of_another_size_than_announced_leaves_nothing(
    storage: Storage, prefix: str, announced: int
) -> None:
    with pytest.raises(WrongSize):
        await storage.put_stream(f"{prefix}a", chunks_of(12 * MIB), announced)

    assert await storage.remains(prefix, [f"{prefix}a"]) == NOTHING


async def test_a_stream_that_breaks_leaves_nothing(storage: Storage, prefix: str) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield bytes(6 * MIB)
        yield bytes(6 * MIB)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await storage.put_stream(f"{prefix}a", breaking())

    assert await storage.remains(prefix, [f"{prefix}a"]) == NOTHING


async def test_a_cancelled_upload_leaves_nothing_and_writes_nothing_later(storage: Storage, prefix: str) -> None:
    has_begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(6 * MIB)
            has_begun.set()

    upload = asyncio.create_task(storage.put_stream(f"{prefix}a", endless()))
    await has_begun.wait()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload

    assert await storage.remains(prefix, [f"{prefix}a"]) == NOTHING


async def test_readers_that_leave_early_give_their_connection_back(
    server: ObjectStore, storage: Storage, request: pytest.FixtureRequest
) -> None:
    few = connect(
        server,
        request.node.callspec.params["storage"],
        limits=Limits(threads=2, open_reads=2, open_read_wait_seconds=0.5),
    )
    prefix = new_object_prefix("content.output", new_subject_random())
    await storage.put_bytes(f"{prefix}a", content_of(4 * MIB))

    for _ in range(6):
        async with aclosing(few.get_range(f"{prefix}a", 0, 4 * MIB)) as reading:
            await anext(reading)
    first, second, third = (few.get_range(f"{prefix}a", 0, 4 * MIB) for _ in range(3))
    await anext(first)
    await anext(second)
    with pytest.raises(Unavailable):
        await anext(third)
    for reading in (first, second):
        await reading.aclose()
    await few.close()


async def test_the_loop_turns_while_bytes_move(storage: Storage, prefix: str) -> None:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.001)
            longest = max(longest, time.monotonic() - before)

    watching = asyncio.create_task(watch())
    content = content_of(20 * MIB)

    async def once() -> AsyncIterator[bytes]:
        for position in range(0, len(content), MIB):
            yield content[position : position + MIB]

    await storage.put_stream(f"{prefix}a", once(), len(content))
    async with aclosing(storage.get_range(f"{prefix}a", 0, len(content))) as reading:
        assert sum([len(chunk) async for chunk in reading]) == len(content)
    watching.cancel()

    assert longest < 0.5


async def test_a_sealed_video_is_stored_and_read_by_range(storage: Storage, prefix: str) -> None:
    size, key, sealer = 20 * MIB + 12345, bytes(range(32)), Sealer(is_on=True)
    context = SealContext("content.output", "subj_1", "video_1", SealKeyId.new())
    name = f"{prefix}video.mp4"

    stored = await storage.put_stream(name, sealer.seal_stream(key, context, chunks_of(size), size), sealed_size(size))

    assert plain_size(stored.size_bytes) == size
    fetch = partial(storage.get_range, name)
    for start, end in ((0, 1), (0, size), (MIB - 1, MIB + 1), (10 * MIB, 13 * MIB + 7), (size - 3, size)):
        opened = await whole(sealer.open_range(key, context, stored.size_bytes, fetch, start, end), size)
        assert opened == pattern(start, end - start)
    await storage.put_bytes(name, await whole(storage.get_range(name, 0, 10 * MIB), size))
    with pytest.raises(CannotOpen):
        await whole(sealer.open_range(key, context, stored.size_bytes, fetch), size)


async def test_a_store_that_is_away_is_unavailable_within_bounds() -> None:
    (port,) = free_ports(1)
    limits = Limits(connect_seconds=0.5, retries=1, backoff_seconds=0.01)
    nowhere = Storage(f"127.0.0.1:{port}", "key", "secret-key", "lethe", limits=limits)
    began = time.monotonic()

    with pytest.raises(Unavailable):
        await nowhere.put_stream("a/b/c", chunks_of(10))
    with pytest.raises(Unavailable):
        await anext(nowhere.get_range("a/b/c", 0, 1))
    with pytest.raises(Unavailable):
        await nowhere.remove_all_versions("a/")

    assert time.monotonic() - began < 5
    await nowhere.close()


async def test_a_store_that_hangs_is_unavailable_within_bounds_and_comes_back(
    server: ObjectStore, storage: Storage, request: pytest.FixtureRequest
) -> None:
    limits = Limits(read_seconds=0.5, retries=1, backoff_seconds=0.01)
    hasty = connect(server, request.node.callspec.params["storage"], limits=limits)
    prefix = new_object_prefix("content.output", new_subject_random())
    await hasty.put_bytes(f"{prefix}a", b"content")
    server.process.send_signal(signal.SIGSTOP)
    # Its threads stop one after the other; until the last has, it may still answer.
    await asyncio.to_thread(os.waitid, os.P_PID, server.process.pid, os.WSTOPPED)
    began = time.monotonic()
    try:
        with pytest.raises(Unavailable):
            await hasty.stat(f"{prefix}a")
        with pytest.raises(Unavailable):
            await hasty.put_bytes(f"{prefix}b", b"content")
    finally:
        server.process.send_signal(signal.SIGCONT)

    assert time.monotonic() - began < 8
    assert (await storage.stat(f"{prefix}a")).size_bytes == 7
    await hasty.close()


async def test_wrong_credentials_are_refused(server: ObjectStore, storage: Storage) -> None:
    stranger = connect(server, "versioned", Identity(OWNER.access_key, "another-secret"))

    with pytest.raises(StorageRefused):
        await stranger.stat("a/b/c")
    with pytest.raises(StorageRefused):
        await stranger.put_bytes("a/b/c", b"forged")
    await stranger.close()


async def test_ensuring_a_bucket_twice_or_at_once_keeps_it(server: ObjectStore) -> None:
    several = [connect(server, "ensured") for _ in range(3)]
    await asyncio.gather(*(one.ensure_bucket(is_versioned=True) for one in several))
    prefix = new_object_prefix("content.output", new_subject_random())
    stored = await several[0].put_bytes(f"{prefix}a", b"content")
    await several[1].ensure_bucket(is_versioned=False)

    assert stored.version_id
    assert (await several[2].put_bytes(f"{prefix}a", b"again")).version_id != stored.version_id
    await asyncio.gather(*(one.close() for one in several))


async def test_keys_are_listed_in_order_page_after_page_and_one_is_removed_without_its_neighbours(
    server: ObjectStore, storage: Storage
) -> None:
    prefix = new_object_prefix("output.video", new_subject_random())
    keys = [f"{prefix}{name}" for name in ("a", "a1", "b/video", "c")]
    for key in keys:
        await storage.put_bytes(key, b"one")
        await storage.put_bytes(key, b"two")

    assert await storage.list_keys(prefix) == keys
    assert await storage.list_keys(prefix, keys[1]) == keys[2:]
    assert await storage.remove_key(keys[0]) >= 1
    assert await storage.list_keys(prefix) == keys[1:]
    assert await storage.remove_key(keys[0]) == 0
