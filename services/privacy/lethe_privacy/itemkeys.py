"""Item keys: issued for new items, leased for existing ones, destroyed with them.

All wishes that wait at a moment share one transaction and a handful of statements.
"""

import base64
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from lethe_common.clock import Clock
from lethe_common.database import Database, Transaction
from lethe_common.identifiers import SealKeyId
from lethe_common.rpc.privacy import ItemKey, KeyWish, LeaseWish
from lethe_common.sealing import KEY_BYTES
from lethe_privacy import key_queries as queries
from lethe_privacy.classkeys import ClassKey, ClassKeys, ClassName, WrappedClassKey, at_rest
from lethe_privacy.leases import KEY_UNKNOWN, PURPOSE_REFUSED, Gate, Opening, refusal_of, refusal_of_new

Granted = Sequence[tuple[KeyWish, asyncpg.Record]]
"""Wishes that are not refused, with what there is for each."""


@dataclass(frozen=True, slots=True, repr=False)
class OpenItemKey:
    """An item's key in clear, with whose it is, for as long as one batch takes."""

    owner: ClassName
    key_id: SealKeyId
    key: bytes


class ItemKeys:
    """Issues, leases and destroys items' keys, many at a time."""

    def __init__(self, database: Database, classes: ClassKeys, clock: Clock) -> None:
        self._database, self._classes, self._clock = database, classes, clock

    async def issue(self, wishes: Sequence[KeyWish]) -> list[ItemKey]:
        """Make the wished keys, or find those that exist; one answer per wish, in their order."""
        async with self._database.transaction(queries.SHARE) as tx:
            rows = await queries.load_for_issue(tx, wishes)
            granted, refusals = _judged(wishes, rows)
            classes = await self._open_classes(granted)
            if missing := {_class_of(wish) for wish, _ in granted} - classes.keys():
                # The same in every row, and it stays so until this transaction ends: who swaps generations waits for it.
                classes |= await self._classes.make(tx, missing, SealKeyId(rows[0]["current_epoch"]))
            there = _there(granted, classes)
            made = await self._make(tx, (wish for wish, _ in granted if wish.item_id not in there), classes)
        return _answers(wishes, refusals, there | made)

    async def find(self, wishes: Sequence[KeyWish]) -> list[ItemKey] | None:
        """The same where all that is granted is there already, in one look and without a lock; None where it is not."""
        async with self._database.single() as tx:
            rows = await queries.load_for_issue(tx, wishes)
        granted, refusals = _judged(wishes, rows)
        if any(row["item_owner"] is None for _, row in granted):
            return None
        return _answers(wishes, refusals, _there(granted, await self._open_classes(granted)))

    async def lease(self, wishes: Sequence[LeaseWish], openings: Sequence[Opening], gate: Gate) -> list[ItemKey]:
        """Open the keys of items that exist, each for its opening; one answer per wish, in their order."""
        return await self._open(wishes, lambda place, row: _refused_by(gate, openings[place], row))

    async def open_records(self, wishes: Sequence[LeaseWish]) -> list[ItemKey]:
        """The same for what this service sealed itself, which it opens without a gate."""
        return await self._open(wishes, lambda _place, _row: None)

    async def destroy(self, wishes: Sequence[LeaseWish]) -> int:
        """Delete items' keys where owner and item belong together; how many there were."""
        async with self._database.transaction(queries.SHARE) as tx:
            return await queries.destroy_items(tx, wishes)

    async def _open(
        self, wishes: Sequence[LeaseWish], refused_by: Callable[[int, asyncpg.Record], str | None]
    ) -> list[ItemKey]:
        async with self._database.single() as tx:
            rows = await queries.load_for_lease(tx, wishes)
        answers: list[ItemKey | None] = []
        wrapped: dict[ClassName, WrappedClassKey] = {}
        for place, (wish, row) in enumerate(zip(wishes, rows, strict=True)):
            class_key = at_rest(wish.subject_ref, row)
            refusal = refusal_of(row["state"]) or refused_by(place, row)
            refusal = refusal or (KEY_UNKNOWN if class_key is None else None)
            answers.append(_refused(wish.item_id, refusal) if refusal else None)
            if refusal is None and class_key is not None:
                wrapped[wish.subject_ref, row["key_class"]] = class_key
        classes = await self._classes.open(wrapped)
        return [answer or _leased(wish, row, classes) for wish, row, answer in zip(wishes, rows, answers, strict=True)]

    async def _open_classes(self, granted: Granted) -> dict[ClassName, ClassKey]:
        """The class keys that are there."""
        at_hand = {_class_of(wish): at_rest(wish.subject_ref, row) for wish, row in granted}
        return await self._classes.open({name: key for name, key in at_hand.items() if key is not None})

    async def _make(
        self, tx: Transaction, wishes: Iterable[KeyWish], classes: Mapping[ClassName, ClassKey]
    ) -> dict[str, OpenItemKey | None]:
        """Keys for items that have none; where another process was first, its key is the answer."""
        fresh: dict[str, OpenItemKey | None] = {}
        rows = []
        for wish in wishes:
            if wish.item_id in fresh:
                continue
            name, key_id, key = _class_of(wish), SealKeyId.new(), secrets.token_bytes(KEY_BYTES)
            fresh[wish.item_id] = OpenItemKey(name, key_id, key)
            rows.append((wish.item_id, *name, key_id, classes[name].wrap_item(wish.item_id, key)))
        if not rows:
            return {}
        added = await queries.add_item_keys(tx, rows, self._clock.now())
        late = fresh.keys() - added
        for row in await tx.fetch(queries.ITEM_KEYS, list(late)) if late else ():
            item_id = row["item_id"]
            fresh[item_id] = _opened(item_id, row["subject_ref"], row["key_class"], row, classes)
        return fresh


def _refused_by(gate: Gate, opening: Opening, row: asyncpg.Record) -> str | None:
    is_let = gate.lets(opening, row["consents"], row["objections"], is_restricted=row["is_restricted"])
    return None if is_let else PURPOSE_REFUSED


def _refusal_of_new(wish: KeyWish, row: asyncpg.Record) -> str | None:
    # What exists was begun before the restriction; its key is found again.
    is_restricted = bool(row["is_restricted"]) and row["item_owner"] is None
    return refusal_of_new(row["state"], wish.key_class, is_restricted=is_restricted)


def _judged(wishes: Sequence[KeyWish], rows: Sequence[asyncpg.Record]) -> tuple[Granted, list[str | None]]:
    """What is granted, and for each wish why it is not."""
    refusals = [_refusal_of_new(wish, row) for wish, row in zip(wishes, rows, strict=True)]
    return [(wish, row) for wish, row, refusal in zip(wishes, rows, refusals, strict=True) if not refusal], refusals


def _there(granted: Granted, classes: Mapping[ClassName, ClassKey]) -> dict[str, OpenItemKey | None]:
    """The keys of items that have one."""
    return {
        wish.item_id: _opened(wish.item_id, row["item_owner"], row["item_class"], row, classes)
        for wish, row in granted
        if row["item_owner"] is not None
    }


def _answers(
    wishes: Sequence[KeyWish], refusals: Sequence[str | None], keys: Mapping[str, OpenItemKey | None]
) -> list[ItemKey]:
    return [
        _refused(wish.item_id, refusal) if refusal else _answer(wish.item_id, keys[wish.item_id], _class_of(wish))
        for wish, refusal in zip(wishes, refusals, strict=True)
    ]


def _class_of(wish: KeyWish) -> ClassName:
    return wish.subject_ref, wish.key_class


def _opened(
    item_id: str, subject_ref: str, key_class: str, row: asyncpg.Record, classes: Mapping[ClassName, ClassKey]
) -> OpenItemKey | None:
    """An existing item's key; None when the item is of a subject or class that this batch did not ask for."""
    class_key = classes.get((subject_ref, key_class))
    if class_key is None:
        return None
    key = class_key.unwrap_item(item_id, row["wrapped"])
    return OpenItemKey((subject_ref, key_class), row["key_id"], key)


def _leased(wish: LeaseWish, row: asyncpg.Record, classes: Mapping[ClassName, ClassKey]) -> ItemKey:
    owner = (wish.subject_ref, row["key_class"])
    return _answer(wish.item_id, _opened(wish.item_id, *owner, row, classes), owner)


def _answer(item_id: str, opened: OpenItemKey | None, wished: ClassName) -> ItemKey:
    """The item's key in clear, unless the item is somebody else's or of another class."""
    if opened is None or opened.owner != wished:
        return _refused(item_id, KEY_UNKNOWN)
    return ItemKey(item_id=item_id, key_id=opened.key_id, key=base64.b64encode(opened.key))


def _refused(item_id: str, refusal: str) -> ItemKey:
    return ItemKey(item_id=item_id, refusal=refusal)
