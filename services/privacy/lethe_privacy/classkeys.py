"""Class keys: one per subject and kind, made when first needed, wrapped by the epoch key of the generation in use.

They are read and unwrapped for each batch and kept nowhere in clear, so a fence
or a destruction has no cache to reach.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import asyncpg

from lethe_common.database import Transaction
from lethe_common.identifiers import SealKeyId
from lethe_common.sealing import KEY_BYTES, KeyLabel, SealContext, unwrap, wrap, wrapping_context
from lethe_privacy import key_queries as queries
from lethe_privacy.keyring import Keyring

ClassName = tuple[str, str]
"""A subject's reference and a key class."""


@dataclass(frozen=True, slots=True)
class WrappedClassKey:
    """A class key as it rests."""

    subject_ref: str
    key_id: SealKeyId
    wrapped: bytes
    epoch_id: SealKeyId

    @property
    def context(self) -> SealContext:
        """What it is bound to."""
        return wrapping_context(KeyLabel.CLASS, self.subject_ref, self.key_id, self.epoch_id)


@dataclass(frozen=True, slots=True, repr=False)
class ClassKey:
    """A class key in clear, for as long as one batch takes."""

    subject_ref: str
    key_id: SealKeyId
    key: bytes

    def wrap_item(self, item_id: str, item_key: bytes) -> bytes:
        """An item's key, wrapped."""
        return wrap(self.key, self._context(item_id), item_key)

    def unwrap_item(self, item_id: str, wrapped: bytes) -> bytes:
        """An item's key.

        Raises:
            CannotOpen: it belongs to another item or subject, or was changed.
        """
        return unwrap(self.key, self._context(item_id), wrapped)

    def _context(self, item_id: str) -> SealContext:
        return wrapping_context(KeyLabel.ITEM, self.subject_ref, item_id, self.key_id)


def at_rest(subject_ref: str, row: asyncpg.Record) -> WrappedClassKey | None:
    """The class key in a row of a wish, if the subject has one."""
    if row["class_key_id"] is None:
        return None
    return WrappedClassKey(subject_ref, row["class_key_id"], row["class_wrapped"], row["epoch_id"])


class ClassKeys:
    """Makes and opens class keys, many at a time."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    async def open(self, keys: Mapping[ClassName, WrappedClassKey]) -> dict[ClassName, ClassKey]:
        """The keys in clear."""
        opened = await self._keyring.unwrap([(key.context, key.wrapped) for key in keys.values()])
        return {
            name: ClassKey(key.subject_ref, key.key_id, clear)
            for (name, key), clear in zip(keys.items(), opened, strict=True)
        }

    async def make(self, tx: Transaction, names: Iterable[ClassName], epoch_id: SealKeyId) -> dict[ClassName, ClassKey]:
        """Class keys for those that have none, wrapped by the epoch in use.

        Where another process was first, its key is the answer.
        """
        fresh = {name: ClassKey(name[0], SealKeyId.new(), secrets.token_bytes(KEY_BYTES)) for name in sorted(names)}
        if not fresh:
            return {}
        added = await self._add(tx, fresh, epoch_id)
        if len(added) == len(fresh):
            return fresh
        late = fresh.keys() - added
        rows = await tx.fetch(queries.CLASS_KEYS, [name[0] for name in late], [name[1] for name in late])
        theirs = {
            (row["subject_ref"], row["key_class"]): WrappedClassKey(
                row["subject_ref"], row["key_id"], row["wrapped"], row["epoch_id"]
            )
            for row in rows
        }
        return fresh | await self.open(theirs)

    async def _add(self, tx: Transaction, fresh: Mapping[ClassName, ClassKey], epoch_id: SealKeyId) -> set[ClassName]:
        """Write the keys, wrapped; the names that had none before."""
        wrapped = await self._keyring.wrap([
            (wrapping_context(KeyLabel.CLASS, key.subject_ref, key.key_id, epoch_id), key.key)
            for key in fresh.values()
        ])  # fmt: skip
        rows = await tx.fetch(
            queries.ADD_CLASS_KEYS,
            [name[0] for name in fresh],
            [name[1] for name in fresh],
            [key.key_id for key in fresh.values()],
            wrapped,
            [epoch_id] * len(fresh),
        )
        return {(row["subject_ref"], row["key_class"]) for row in rows}
