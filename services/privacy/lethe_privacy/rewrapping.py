"""Rewrapping: what becomes of class keys and item keys in the next generation.

A class key is wrapped by the new epoch. A subject from whom anything was deleted gets
new class keys, and its living item keys are wrapped by those: so what is left of the
deleted ones opens with nothing that the next generation holds.
"""

import secrets
from collections.abc import Iterable, Sequence

import asyncpg

from lethe_common.database import Transaction
from lethe_common.identifiers import SealKeyId
from lethe_common.sealing import KEY_BYTES, KeyLabel, wrapping_context
from lethe_privacy import rotation_queries as queries
from lethe_privacy.classkeys import ClassKey, ClassKeys, ClassName, WrappedClassKey
from lethe_privacy.errors import GenerationIncomplete
from lethe_privacy.keyring import Keyring

_RENEWED_ROWS = 2_000
"""Item keys that are wrapped anew at a time, about 1 MiB of them."""


class Rewrapping:
    """Writes rows of the next generation, inside the transactions of whoever calls."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring, self._classes = keyring, ClassKeys(keyring)

    async def class_batch(
        self, tx: Transaction, epoch_id: SealKeyId, after: tuple[str, str], limit: int
    ) -> tuple[str, str] | None:
        """Copy the next class keys; the last one's name, None when there was none."""
        rows = await tx.fetch(queries.CLASS_BATCH, *after, limit)
        await self._add_classes(tx, epoch_id, rows)
        return (rows[-1]["subject_ref"], rows[-1]["key_class"]) if rows else None

    async def item_batch(self, tx: Transaction, after: tuple[str, str], limit: int) -> tuple[str, str] | None:
        """Copy the next item keys; the last one's subject and id, None when there was none."""
        last = await tx.fetchrow(queries.COPY_BATCH, *after, limit)
        if last is None:
            return None
        await self._add_renewed(tx, await tx.fetch(queries.RENEWED_BATCH, *after, limit))
        return last["subject_ref"], last["item_id"]

    async def again(self, tx: Transaction, epoch_id: SealKeyId, subjects: Sequence[str]) -> None:
        """Copy subjects anew that have changed since they were copied.

        Raises:
            GenerationIncomplete: afterwards they have not as many keys as they should.
        """
        await tx.execute(queries.DROP_COPIES, subjects)
        await self._add_classes(tx, epoch_id, await tx.fetch(queries.CLASSES_OF, subjects))
        await tx.fetchrow(queries.COPY_OF, subjects)
        await self._add_renewed(tx, await tx.fetch(queries.RENEWED_OF, subjects))
        must_agree(await tx.fetchrow(queries.COUNTS_OF, subjects))

    async def _add_classes(self, tx: Transaction, epoch_id: SealKeyId, rows: Sequence[asyncpg.Record]) -> None:
        if not rows:
            return
        # Opened even where a new one takes its place: what cannot be opened now is an alarm, not a loss to be made final.
        opened = await self._classes.open(_named(rows))
        keys = [_renewed(opened[_name(row)]) if row["is_renewed"] else opened[_name(row)] for row in rows]
        wrapped = await self._keyring.wrap(
            [(wrapping_context(KeyLabel.CLASS, key.subject_ref, key.key_id, epoch_id), key.key) for key in keys]
        )
        columns = [[row[name] for row in rows] for name in ("subject_ref", "key_class")]
        await tx.execute(queries.ADD_CLASSES, *columns, [key.key_id for key in keys], wrapped, epoch_id)

    async def _add_renewed(self, tx: Transaction, rows: Sequence[asyncpg.Record]) -> None:
        for start in range(0, len(rows), _RENEWED_ROWS):
            part = rows[start : start + _RENEWED_ROWS]
            before = await self._classes.open(_named(part, "class_"))
            after = await self._classes.open(_named(part, "next_"))
            wrapped = [
                after[_name(row)].wrap_item(
                    row["item_id"], before[_name(row)].unwrap_item(row["item_id"], row["wrapped"])
                )
                for row in part
            ]
            await queries.add_items(tx, part, wrapped)


def must_agree(counts: asyncpg.Record | None) -> None:
    """Class keys now and next, item keys now and next: as many of each.

    Raises:
        GenerationIncomplete: they are not.
    """
    if counts is None or counts[0] != counts[1] or counts[2] != counts[3]:
        raise GenerationIncomplete


def _renewed(key: ClassKey) -> ClassKey:
    return ClassKey(key.subject_ref, SealKeyId.new(), secrets.token_bytes(KEY_BYTES))


def _name(row: asyncpg.Record) -> ClassName:
    return row["subject_ref"], row["key_class"]


def _named(rows: Iterable[asyncpg.Record], prefix: str | None = None) -> dict[ClassName, WrappedClassKey]:
    """The class keys in rows, each once; `prefix` is that of their columns beside an item's."""
    names = (
        ("key_id", "wrapped", "epoch_id") if prefix is None else (f"{prefix}id", f"{prefix}wrapped", f"{prefix}epoch")
    )
    return {_name(row): WrappedClassKey(row["subject_ref"], *(row[name] for name in names)) for row in rows}
