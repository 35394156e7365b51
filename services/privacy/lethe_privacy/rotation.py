"""Rotation: writes the next generation of the key store, puts it in place of the old one, and destroys the old epoch.

Keys are issued and leased meanwhile; whoever makes or deletes keys waits only while
the tables change their names. Takes a step at a time, each committed, so that a crash
anywhere is followed by the same step again.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from lethe_common.clock import Clock
from lethe_common.crashes import point
from lethe_common.database import Database, Transaction
from lethe_common.identifiers import SealKeyId
from lethe_common.services import Service
from lethe_privacy import key_queries
from lethe_privacy import rotation_queries as queries
from lethe_privacy.errors import GenerationIncomplete, KeyringLost
from lethe_privacy.generations import Generation, Phase, next_beginning
from lethe_privacy.keybackups import KeyBackups
from lethe_privacy.keyring import Keyring
from lethe_privacy.recovery import Label
from lethe_privacy.rewrapping import Rewrapping, must_agree

log = structlog.get_logger()

_EPOCH_MADE = point("rotation.epoch_made", Service.PRIVACY)
_CLASSES_COPIED = point("rotation.classes_copied", Service.PRIVACY)
_ITEMS_COPIED = point("rotation.items_copied", Service.PRIVACY)
_BACKED_UP = point("rotation.backed_up", Service.PRIVACY)
_SWAPPING = point("rotation.swapping", Service.PRIVACY)
_SWAPPED = point("rotation.swapped", Service.PRIVACY)
_EPOCHS_DESTROYED = point("rotation.epochs_destroyed", Service.PRIVACY)
_COUNTING = f"{queries.SNAPSHOT}; SET LOCAL enable_seqscan = on"
Step = Callable[[Generation], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Batches:
    """How many rows are copied in one transaction: what a rotation needs of memory, and how long it holds anything."""

    class_keys: int = 500
    item_keys: int = 20_000
    touched: int = 500


@dataclass(frozen=True, slots=True)
class Rules:
    """What the policy says now of rotation."""

    rotation: timedelta
    key_backups: int


async def begin_first(database: Database, keyring: Keyring, clock: Clock) -> None:
    """Make the first epoch of a key store that has none.

    Raises:
        KeyringLost: the epoch of the store's class keys is not in the keyring.
    """
    async with database.transaction(key_queries.EXCLUDE) as tx:
        generation = await queries.load(tx)
        if generation is None:
            await tx.execute(queries.FIRST, await keyring.new_epoch(), clock.now())
        elif generation.epoch_id not in await keyring.epochs():
            raise KeyringLost


async def back_up_now(database: Database, backups: KeyBackups) -> Path | None:
    """Back up the generation in use, and remove all other backups: for a new recovery key, or before risky work.

    None when there is no recovery key.
    """
    async with database.transaction(_COUNTING) as tx:
        await tx.execute(queries.KEEP_NAMES)
        generation = await queries.load(tx)
        if generation is None:
            return None
        label = Label(generation.number, generation.epoch_id, generation.began_at)
        written = await backups.write(tx, label, is_next=False)
    if written is not None:
        backups.keep_only(written)
    return written


class Rotation:
    """Rotates when it is due. Of several processes one does; `database` is its own, with time for long statements."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        backups: KeyBackups,
        rules: Callable[[datetime], Rules],
        batches: Batches | None = None,
    ) -> None:
        self._database, self._keyring, self._backups, self._rules = database, keyring, backups, rules
        self._batches, self._rewrapping = batches or Batches(), Rewrapping(keyring)
        self._steps: Mapping[Phase, Step] = {
            Phase.COPYING_CLASSES: self._copy_classes,
            Phase.COPYING_ITEMS: self._copy_items,
            Phase.CATCHING_UP: self._catch_up,
            Phase.BACKING_UP: self._back_up,
            Phase.SWAPPING: self._swap,
            Phase.SWAPPED: self._clear,
        }

    async def sweep(self, now: datetime) -> None:
        """Rotate if it is due; go on where a crash left off."""
        # Whoever does not rotate forgets destroyed epochs here.
        await self._keyring.epochs()
        async with self._database.transaction() as tx:
            generation = await queries.load(tx)
        if generation is None or not self._is_due(generation, now):
            return
        async with self._alone() as is_alone:
            while is_alone and await self.take_step(now):
                pass

    async def take_step(self, now: datetime) -> bool:
        """Take the outstanding step of the rotation that is due; False when there is none."""
        async with self._database.transaction() as tx:
            generation = await queries.load(tx)
        if generation is None or not self._is_due(generation, now):
            return False
        if generation.phase is Phase.RESTING:
            await self._begin(generation, now)
            return True
        try:
            await self._steps[generation.phase](generation)
        except GenerationIncomplete:
            await self._abandon()
            raise
        return True

    def _is_due(self, generation: Generation, now: datetime) -> bool:
        is_under_way = generation.phase is not Phase.RESTING
        return is_under_way or next_beginning(generation.began_at, now, self._rules(now).rotation) is not None

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[bool]:
        """Hold the rotator's lock; False when another process has it. It ends with the session, however that ends."""
        async with self._database.pool.acquire() as connection:
            is_alone: bool = await connection.fetchval(queries.ROTATOR)
            try:
                yield is_alone
            finally:
                if is_alone:
                    await connection.execute(queries.ROTATOR_DONE)

    async def _begin(self, generation: Generation, now: datetime) -> None:
        """Store the new epoch's key first: one that nothing uses yet does no harm, the other way round would."""
        began_at = next_beginning(generation.began_at, now, self._rules(now).rotation)
        epoch_id = await self._keyring.new_epoch()
        _EPOCH_MADE.reached()
        async with self._database.transaction(key_queries.EXCLUDE) as tx:
            await queries.begin(tx, epoch_id, began_at or now)
        log.info("rotation_begun", count=generation.number + 1)

    async def _copy_classes(self, generation: Generation) -> None:
        async with self._database.transaction(queries.SNAPSHOT) as tx:
            limit = self._batches.class_keys
            last = await self._rewrapping.class_batch(tx, _next(generation), generation.copied, limit)
            _CLASSES_COPIED.reached()
            if last is None:
                await tx.execute(queries.MOVE, Phase.COPYING_ITEMS)
            else:
                await tx.execute(queries.COPIED, *last)

    async def _copy_items(self, generation: Generation) -> None:
        async with self._database.transaction(queries.SNAPSHOT) as tx:
            last = await self._rewrapping.item_batch(tx, generation.copied, self._batches.item_keys)
            _ITEMS_COPIED.reached()
            if last is None:
                await tx.execute(queries.INDEX)
                await tx.execute(queries.MOVE, Phase.CATCHING_UP)
            else:
                await tx.execute(queries.COPIED, *last)

    async def _catch_up(self, generation: Generation) -> None:
        """Copy again what changed meanwhile; then count all that did not."""
        await self._drain_so_far(generation)
        async with self._database.transaction(_COUNTING) as tx:
            must_agree(await tx.fetchrow(queries.COUNTS_OF_OTHERS))
        async with self._database.transaction() as tx:
            await tx.execute(queries.MOVE, Phase.BACKING_UP)

    async def _back_up(self, generation: Generation) -> None:
        label = Label(generation.number + 1, _next(generation), generation.next_began_at or generation.began_at)
        if self._rules(label.began_at).key_backups:
            async with self._database.transaction(_COUNTING) as tx:
                await self._backups.write(tx, label, is_next=True)
        _BACKED_UP.reached()
        async with self._database.transaction() as tx:
            await tx.execute(queries.MOVE, Phase.SWAPPING)

    async def _swap(self, generation: Generation) -> None:
        """The one moment in which whoever makes or deletes keys has to wait; first all is done that can be before."""
        await self._drain_so_far(generation)
        async with self._database.transaction(key_queries.EXCLUDE) as tx:
            while await self._drain(tx, generation):
                pass
            await tx.execute(queries.SWAP)
            _SWAPPING.reached()
            await tx.execute(queries.SWAPPED)
        _SWAPPED.reached()

    async def _abandon(self) -> None:
        """Throw away what was copied: it is never used, and the next try begins anew with an epoch of its own."""
        async with self._database.transaction(key_queries.EXCLUDE) as tx:
            await tx.execute(queries.ABANDON)
            await tx.execute(queries.ABANDONED)

    async def _clear(self, generation: Generation) -> None:
        """What is left of the old generation goes: its tables, its epoch's key, backups beyond those kept."""
        async with self._database.transaction(key_queries.EXCLUDE) as tx:
            await tx.execute(queries.DROP_OLD)
        others = list(await self._keyring.epochs() - {generation.epoch_id})
        async with self._database.transaction() as tx:
            needed = {row["epoch_id"] for row in await tx.fetch(queries.NEEDED_EPOCHS, others)}
        if needed:
            # An older version of this service may run beside this one and still wrap by an epoch of its own.
            log.warning("epochs_still_needed", count=len(needed))
        for epoch_id in set(others) - needed:
            await self._keyring.destroy(epoch_id)
        _EPOCHS_DESTROYED.reached()
        rules, label = (
            self._rules(generation.began_at),
            Label(generation.number, generation.epoch_id, generation.began_at),
        )
        self._backups.prune(label, rules.key_backups, rules.rotation)
        async with self._database.transaction() as tx:
            await tx.execute(queries.MOVE, Phase.RESTING)
        log.info("rotation_completed", count=generation.number)

    async def _drain_so_far(self, generation: Generation) -> None:
        """Copy again what has changed until now, and not what changes meanwhile: that would never end."""
        async with self._database.transaction() as tx:
            last = await tx.fetchval(queries.LAST_TOUCHED)
        is_left = True
        while is_left:
            async with self._database.transaction(queries.SNAPSHOT) as tx:
                is_left = await self._drain(tx, generation, last) > 0

    async def _drain(self, tx: Transaction, generation: Generation, last: int | None = None) -> int:
        """Copy a batch of changed subjects again, of changes up to line `last`; how many changes it were."""
        rows = await tx.fetch(queries.TAKE_TOUCHED, self._batches.touched, last)
        if rows:
            await self._rewrapping.again(tx, _next(generation), sorted({row["subject_ref"] for row in rows}))
        return len(rows)


def _next(generation: Generation) -> SealKeyId:
    if generation.next_epoch_id is None:
        raise AssertionError("a phase of copying without the epoch to copy to")
    return generation.next_epoch_id
