import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lethe_common.identifiers import SealKeyId
from lethe_common.sealing import CannotOpen, CannotSeal, SealContext, Sealer, plain_size, sealed_size
from lethe_common.sealing.layout import HEADER_BYTES, SEALED_SEGMENT_BYTES, SEGMENT_BYTES

ON, OFF = Sealer(is_on=True), Sealer(is_on=False)
KEY = bytes(range(32))
CONTEXT = SealContext("content.output", "subj_" + "a" * 32, "video_" + "b" * 32, SealKeyId("seal_" + "c" * 32))
BATCH_BYTES = 16 * SEGMENT_BYTES
EDGES = [0, 1, SEGMENT_BYTES, BATCH_BYTES]
SIZES = st.one_of(
    st.builds(lambda edge, off: max(0, edge + off), st.sampled_from([*EDGES, 3 * SEGMENT_BYTES]), st.integers(-2, 2)),
    st.integers(0, 5 * SEGMENT_BYTES),
)


def plaintext_of(size: int) -> bytes:
    """Bytes of which no two segments are alike."""
    return b"".join(number.to_bytes(8, "big") for number in range(-(-size // 8)))[:size]


async def in_pieces(content: bytes, cuts: Sequence[int] = ()) -> AsyncIterator[bytes]:
    edges = [0, *sorted(cut % (len(content) + 1) for cut in cuts), len(content)]
    for start, end in itertools.pairwise(edges):
        yield content[start:end]


async def seal(content: bytes, *, by: Sealer = ON, size: int | None = None, cuts: Sequence[int] = ()) -> bytes:
    return b"".join([piece async for piece in by.seal_stream(KEY, CONTEXT, in_pieces(content, cuts), size)])


class Store:
    """One object, served in pieces, and what was asked of it."""

    def __init__(self, sealed: bytes) -> None:
        self.sealed, self.asked_bytes, self.open_reads = sealed, 0, 0

    async def fetch(self, offset: int, length: int) -> AsyncGenerator[bytes, None]:
        self.open_reads += 1
        try:
            for position in range(offset, offset + length, 50_000):
                piece = self.sealed[position : min(position + 50_000, offset + length)]
                self.asked_bytes += len(piece)
                yield piece
        finally:
            self.open_reads -= 1


async def read(
    sealed: bytes,
    start: int = 0,
    end: int | None = None,
    *,
    by: Sealer = ON,
    context: SealContext = CONTEXT,
    key: bytes = KEY,
    size: int | None = None,
) -> bytes:
    fetch = Store(sealed).fetch
    stream = by.open_range(key, context, len(sealed) if size is None else size, fetch, start, end)
    return b"".join([piece async for piece in stream])


@given(SIZES, st.lists(st.integers(0, 1 << 24), max_size=4), st.booleans())
@settings(deadline=None, max_examples=60)
async def test_an_object_comes_back_however_its_stream_is_cut(size: int, cuts: list[int], is_known: bool) -> None:
    content = plaintext_of(size)
    sealed = await seal(content, size=size if is_known else None, cuts=cuts)

    assert len(sealed) == sealed_size(size)
    assert plain_size(len(sealed)) == size
    assert await read(sealed) == content


@given(SIZES, st.integers(0, 1 << 24), st.integers(0, 1 << 24))
@settings(deadline=None, max_examples=80)
async def test_a_range_equals_the_slice(size: int, one: int, other: int) -> None:
    content = plaintext_of(size)
    start, end = sorted((one % (size + 1), other % (size + 1)))

    assert await read(await seal(content), start, end) == content[start:end]


@given(st.integers(0, 1 << 40))
def test_sizes_are_each_others_inverse(size: int) -> None:
    assert plain_size(sealed_size(size)) == size


@given(st.sampled_from([0, 1, SEGMENT_BYTES, SEGMENT_BYTES + 9]), st.data())
@settings(deadline=None)
async def test_any_flipped_bit_of_an_object_is_found(size: int, data: st.DataObject) -> None:
    sealed = bytearray(await seal(plaintext_of(size)))
    position = data.draw(st.one_of(st.integers(0, HEADER_BYTES), st.integers(0, len(sealed) - 1)))
    sealed[position] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises(CannotOpen):
        await read(bytes(sealed))


@given(SIZES, st.integers(0, 1 << 24))
@settings(deadline=None, max_examples=60)
async def test_a_cut_object_never_reads_whole(size: int, cut: int) -> None:
    sealed = await seal(plaintext_of(size))

    with pytest.raises(CannotOpen):
        await read(sealed[: cut % len(sealed)])


@pytest.mark.parametrize("size", [0, 1, SEGMENT_BYTES, 3 * SEGMENT_BYTES])
@pytest.mark.parametrize("tail", [b"\0", bytes(16), bytes(SEALED_SEGMENT_BYTES)])
async def test_an_extended_object_never_reads_whole(size: int, tail: bytes) -> None:
    with pytest.raises(CannotOpen):
        await read(await seal(plaintext_of(size)) + tail)


async def test_a_range_that_touches_what_was_cut_fails() -> None:
    sealed = await seal(plaintext_of(4 * SEGMENT_BYTES))
    cut = sealed[: HEADER_BYTES + 2 * SEALED_SEGMENT_BYTES]

    with pytest.raises(CannotOpen):
        await read(cut, SEGMENT_BYTES, SEGMENT_BYTES + 1)
    with pytest.raises(CannotOpen):
        await read(cut, 2 * SEGMENT_BYTES, 2 * SEGMENT_BYTES + 1, size=len(sealed))


async def test_an_object_of_known_size_shows_a_cut_to_any_range() -> None:
    content = plaintext_of(4 * SEGMENT_BYTES)
    sealed = await seal(content, size=len(content))

    with pytest.raises(CannotOpen):
        await read(sealed[: HEADER_BYTES + 2 * SEALED_SEGMENT_BYTES], 0, 1)


async def test_swapped_repeated_or_dropped_segments_fail() -> None:
    sealed = await seal(plaintext_of(4 * SEGMENT_BYTES))
    header, body = sealed[:HEADER_BYTES], sealed[HEADER_BYTES:]
    a, b, c, d = (body[n * SEALED_SEGMENT_BYTES : (n + 1) * SEALED_SEGMENT_BYTES] for n in range(4))

    for order in ([b, a, c, d], [a, a, c, d], [a, c, d], [a, b, d, c], [d], [a, b, c, d, d]):
        with pytest.raises(CannotOpen):
            await read(header + b"".join(order))


async def test_segments_of_another_object_of_the_same_item_do_not_fit() -> None:
    content = plaintext_of(2 * SEGMENT_BYTES)
    one, other = await seal(content), await seal(content)
    middle = HEADER_BYTES + SEALED_SEGMENT_BYTES

    with pytest.raises(CannotOpen):
        await read(one[:middle] + other[middle:])
    with pytest.raises(CannotOpen):
        await read(one[:HEADER_BYTES] + other[HEADER_BYTES:])


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(CONTEXT, category="another"),
        replace(CONTEXT, subject_ref="another"),
        replace(CONTEXT, item_id="another"),
    ],
)
async def test_an_object_cannot_be_moved_to_another_user_item_or_category(elsewhere: SealContext) -> None:
    with pytest.raises(CannotOpen):
        await read(await seal(b"a paper boat"), context=elsewhere)


async def test_an_object_opens_under_its_own_key_only() -> None:
    sealed = await seal(b"a paper boat")

    with pytest.raises(CannotOpen):
        await read(sealed, key=bytes(32))
    with pytest.raises(CannotOpen):
        await read(sealed, context=replace(CONTEXT, key_id=SealKeyId.new()))


@pytest.mark.parametrize("announced", [0, 11, 13, 200])
async def test_a_stream_of_another_size_than_announced_is_refused(announced: int) -> None:
    with pytest.raises(CannotSeal):
        await seal(b"a paper boat", size=announced)


async def test_a_range_outside_the_object_is_refused() -> None:
    sealed = await seal(b"a paper boat")

    for start, end in ((0, 13), (5, 4), (-1, 3), (13, None)):
        with pytest.raises(ValueError, match="not inside"):
            await read(sealed, start, end)


async def test_a_range_asks_the_store_for_its_own_segments_only() -> None:
    store = Store(await seal(plaintext_of(100 * SEGMENT_BYTES)))
    start = 50 * SEGMENT_BYTES + 5
    stream = ON.open_range(KEY, CONTEXT, len(store.sealed), store.fetch, start, start + 10)

    assert b"".join([piece async for piece in stream]) == plaintext_of(100 * SEGMENT_BYTES)[start : start + 10]
    assert store.asked_bytes == HEADER_BYTES + SEALED_SEGMENT_BYTES


async def test_a_reader_that_leaves_early_leaves_no_read_open() -> None:
    store = Store(await seal(plaintext_of(40 * SEGMENT_BYTES)))
    stream = ON.open_range(KEY, CONTEXT, len(store.sealed), store.fetch)

    await anext(stream)
    assert store.open_reads == 1
    await stream.aclose()

    assert store.open_reads == 0


async def test_while_off_objects_rest_in_clear_and_open_transparently() -> None:
    content = plaintext_of(SEGMENT_BYTES + 100)
    left = await seal(content, by=OFF)

    assert content[:SEGMENT_BYTES] in left
    assert len(left) == sealed_size(len(content))
    assert await read(left, 70, SEGMENT_BYTES + 7, by=OFF) == content[70 : SEGMENT_BYTES + 7]
    assert await read(await seal(content), by=OFF) == content


async def test_while_on_an_object_in_clear_is_refused() -> None:
    with pytest.raises(CannotOpen):
        await read(await seal(b"a paper boat", by=OFF))


async def test_the_format_of_an_object_stays_as_it_was_first_written() -> None:
    written = bytes.fromhex(OBJECT_OF_THE_FIRST_RELEASE)

    assert await read(written) == b"a paper boat in the rain"


OBJECT_OF_THE_FIRST_RELEASE = (
    "4c5448450100010000ccccccccccccccccccccccccccccccccac49053e4bedb89098657f9b1ff2d2c6b580aff506b36a0000"
    "00000000001828cac29ec7c29267dd170d1f7ab56576fed5633e44aa918978bcb3b5b1fe755c2a58e8612612a0f5"
)
