from collections.abc import AsyncIterator, Iterable

from hypothesis import given
from hypothesis import strategies as st

from lethe_retention.orphans import Kind, batches, compared

KEYS = st.sets(st.text("abc/", min_size=1, max_size=4), max_size=30)


async def stream(names: Iterable[str]) -> AsyncIterator[str]:
    for name in names:
        yield name


@given(KEYS, KEYS)
async def test_what_only_one_side_has_is_found_and_nothing_else(objects: set[str], rows: set[str]) -> None:
    found = [one async for one in compared(stream(sorted(objects)), stream(sorted(rows)))]

    assert {name for kind, name in found if kind is Kind.OBJECT_WITHOUT_ROW} == objects - rows
    assert {name for kind, name in found if kind is Kind.ROW_WITHOUT_OBJECT} == rows - objects
    assert len(found) == len(objects ^ rows)


@given(st.lists(st.text(max_size=2), max_size=20), st.integers(1, 7), st.integers(1, 25))
async def test_a_long_list_is_taken_in_batches_up_to_its_limit(names: list[str], size: int, most: int) -> None:
    taken = [batch async for batch in batches(stream(names), size, most)]

    assert [name for batch in taken for name in batch] == names[:most]
    assert all(0 < len(batch) <= size for batch in taken)
