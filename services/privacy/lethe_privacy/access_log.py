"""The access log: every lease that is granted is entered before its keys are handed out.

What waits at one moment is one batch: a row with the commitments, and for each subject a body, sealed under a key of
the subject's own for that window of time (`grants.Window`). So an erasure takes the bodies with the keys, the period of
`access.log` takes windows whole, and the chain of the commitments stays. A signed checkpoint stands for what ended.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain, takewhile

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import JsonValue

from lethe_common.clock import Clock
from lethe_common.coalescer import Coalescer
from lethe_common.database import Database
from lethe_common.identifiers import SubjectRef
from lethe_common.policy import PolicyBook
from lethe_common.policy.errors import UnknownCategory
from lethe_common.policy.rules import Fact
from lethe_common.rpc.privacy import ItemKey, KeyClass, KeyWish, LeaseWish
from lethe_common.sealing import SealContext, Sealer
from lethe_common.services import Service
from lethe_privacy import access_queries as queries
from lethe_privacy.access_checkpoints import Checkpoint, signed
from lethe_privacy.grants import (
    CATEGORY,
    NOTHING,
    Batch,
    Grant,
    Window,
    by_subject,
    commitment_of,
    entry_of,
    held_by,
    linked,
    window_of,
)
from lethe_privacy.itemkeys import ItemKeys
from lethe_privacy.leases import SUBJECT_FENCED, Opening

_WIDTH = timedelta(days=1)
"""Of a window, where the policy names no width of what is dropped together."""
_ENDED_TOGETHER = 5_000
TOGETHER_MOST = 20
"""Leases in one batch; as many entries has one body at most."""


class AccessLog:
    """Records grants, and lets what is over end."""

    def __init__(
        self,
        database: Database,
        keys: ItemKeys,
        book: PolicyBook,
        clock: Clock,
        signing_key: Ed25519PrivateKey,
        *,
        max_waiting: int,
    ) -> None:
        self._database, self._keys, self._book, self._clock = database, keys, book, clock
        self._signing_key, self._sealer = signing_key, Sealer(is_on=True)
        self._recording = Coalescer[tuple[Grant, ...], frozenset[SubjectRef]](
            self._record_together, max_batch=TOGETHER_MOST, max_waiting=max_waiting
        )
        self.run = self._recording.run

    async def recorded(
        self, caller: Service, process: str, opening: Opening, wishes: Sequence[LeaseWish], keys: Sequence[ItemKey]
    ) -> tuple[ItemKey, ...]:
        """The keys, once it is on record that this process was granted them; of a subject fenced meanwhile, refusals.

        Raises:
            DatabaseAway: it could not be recorded, so nothing may be handed out.
            QueueFull: so much waits to be recorded that nothing more is granted for now.
        """
        now = self._clock.now()
        items: dict[SubjectRef, list[str]] = {}
        for wish, key in zip(wishes, keys, strict=True):
            if key.refusal is None:
                items.setdefault(wish.subject_ref, []).append(wish.item_id)
        if not items or self._width(now) is None:
            return tuple(keys)
        grants = tuple(
            Grant(subject_ref, caller, opening.purpose, opening.use, tuple(of_subject), now, process)
            for subject_ref, of_subject in items.items()
        )
        gone = await self._recording.put(grants)
        return tuple(
            ItemKey(item_id=wish.item_id, refusal=key.refusal or SUBJECT_FENCED) if wish.subject_ref in gone else key
            for wish, key in zip(wishes, keys, strict=True)
        )

    def is_kept(self, at: datetime) -> bool:
        """Whether whoever was granted keys at an instant of policy time is on record."""
        return self._width(at) is not None

    async def sweep(self, now: datetime) -> None:
        """Let whole windows end whose period is over, their keys first, until no more are."""
        while await self._end_some(now):
            continue

    def _width(self, now: datetime) -> timedelta | None:
        """How wide windows are now; None where the policy knows no access log, and so none may be kept."""
        policy = self._book.governing(now)
        return policy.rule(CATEGORY).partition or _WIDTH if CATEGORY in policy.categories else None

    async def _record_together(self, waiting: Sequence[Sequence[Grant]]) -> list[frozenset[SubjectRef]]:
        """Write one batch; for each that waited, the subjects of which nothing may be granted any more."""
        now = self._clock.now()
        window = window_of(now, self._width(now) or _WIDTH)
        subjects = sorted({grant.subject_ref for grants in waiting for grant in grants})
        keys = await self._record_keys(subjects, window)
        async with self._database.transaction(queries.APPENDING) as tx:
            end = await queries.end_of_chain(tx, subjects)
            # Between its key and this entry a subject may have been fenced, and forgotten; a pause here can be long.
            gone = frozenset(subjects) - keys.keys() | end.forgotten
            grants = [grant for grant in chain.from_iterable(waiting) if grant.subject_ref not in gone]
            if grants:
                entries = [entry_of(grant) for grant in grants]
                bodies = self._bodies(grants, entries, keys)
                commitments = tuple(commitment_of(entry) for entry in entries)
                batch = Batch(end.number + 1, now, window.ends_at, len(bodies), commitments, NOTHING)
                await queries.add(tx, linked(end.link, batch), bodies)
        return [gone.intersection(grant.subject_ref for grant in grants) for grants in waiting]

    async def _record_keys(self, subjects: Sequence[SubjectRef], window: Window) -> dict[SubjectRef, ItemKey]:
        """The keys of this window, made where there are none; a fence that came meanwhile leaves its subject out."""
        wishes = [
            KeyWish(subject_ref=one, item_id=window.record_of(one), key_class=KeyClass.TECHNICAL) for one in subjects
        ]
        # Made with a subject's first entry of a window; nearly every time they are there.
        found = await self._keys.find(wishes) or await self._keys.issue(wishes)
        return {subject_ref: key for subject_ref, key in zip(subjects, found, strict=True) if key.refusal is None}

    def _bodies(
        self, grants: Sequence[Grant], entries: Sequence[JsonValue], keys: Mapping[SubjectRef, ItemKey]
    ) -> list[queries.Sealed]:
        sealed = []
        for subject_ref, its in by_subject(grants).items():
            key = keys[subject_ref]
            assert key.key is not None and key.key_id is not None  # noqa: S101, PT018  it is not refused
            text = json.dumps([[place, entries[place]] for place, _ in its], separators=(",", ":")).encode()
            context = SealContext(CATEGORY, subject_ref, key.item_id, key.key_id)
            body = self._sealer.seal(key.key, context, text)
            sealed.append((str(subject_ref), key.item_id, body, " ".join(held_by(its))))
        return sealed

    async def _end_some(self, now: datetime) -> bool:
        async with self._database.transaction() as tx:
            oldest = queries.batches(await tx.fetch(queries.FIRST, _ENDED_TOGETHER))
        over = list(takewhile(lambda batch: self._is_over(batch, now), oldest))
        if not over:
            return False
        last = over[-1]
        async with self._database.transaction() as tx:
            rows = await tx.fetch(queries.RECORDS_THROUGH, last.number)
        await self._keys.destroy(
            [LeaseWish(subject_ref=SubjectRef.trusted(row["subject_ref"]), item_id=row["item_id"]) for row in rows]
        )
        document = signed(Checkpoint(last.number, last.link), self._clock.now(), self._signing_key).decode()
        async with self._database.transaction(queries.LOCK) as tx:
            first = queries.batches(await tx.fetch(queries.FIRST, 1))
            if first and first[0].number == over[0].number:
                await tx.execute(queries.ADD_CHECKPOINT, last.number, last.link, document)
                await tx.execute(queries.END, last.number)
        return True

    def _is_over(self, batch: Batch, now: datetime) -> bool:
        try:
            due_at = self._book.due_at(CATEGORY, [("", batch.ends_at)], {Fact.CREATED: batch.ends_at}, now)
        except UnknownCategory:
            # A version that is in force has no such log any more. Of one whose period cannot be told nothing is destroyed.
            return batch.ends_at <= now
        return due_at is not None and due_at <= now
