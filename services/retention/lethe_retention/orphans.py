"""Orphans: what one store has and another does not. Pure; `orphan_sweep.py` looks and writes.

Work in flight looks like an orphan for a moment: an object is stored before its
row is written, a run ends before its deadline is heard. So an orphan is believed
only when it was still there an age later.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")


class Kind(StrEnum):
    """What is missing."""

    OBJECT_WITHOUT_ROW = "object_without_row"
    ROW_WITHOUT_OBJECT = "row_without_object"
    ITEM_WITHOUT_DEADLINE = "item_without_deadline"
    DEADLINE_WITHOUT_ITEM = "deadline_without_item"


@dataclass(frozen=True, slots=True)
class Found:
    """One orphan: an object's key or a generation's id, and where it is."""

    kind: Kind
    place: str
    name: str


async def compared(objects: AsyncIterator[str], rows: AsyncIterator[str]) -> AsyncIterator[tuple[Kind, str]]:
    """Compare the keys of a store with those of a table, both in byte order, each key once, one of each in memory."""
    key, row = await anext(objects, None), await anext(rows, None)
    while key is not None or row is not None:
        if row is None or (key is not None and key < row):
            yield Kind.OBJECT_WITHOUT_ROW, key or ""
            key = await anext(objects, None)
        elif key is None or row < key:
            yield Kind.ROW_WITHOUT_OBJECT, row
            row = await anext(rows, None)
        else:
            key, row = await anext(objects, None), await anext(rows, None)


async def batches(source: AsyncIterator[T], size: int, most: int) -> AsyncIterator[list[T]]:
    """The first `most` of a source, in lists of up to `size`."""
    batch: list[T] = []
    count = 0
    async for one in source:
        batch.append(one)
        count += 1
        if len(batch) == size or count == most:
            yield batch
            batch = []
        if count == most:
            return
    if batch:
        yield batch
