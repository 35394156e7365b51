"""Exports: asked for by the signed-in owner, packed by a worker, served until their deadline."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from lethe_common.bus import Bus
from lethe_common.catalogue import Kind, declare, held
from lethe_common.clock import Clock, monotonic_seconds
from lethe_common.database import Database, Transaction
from lethe_common.events.jobs import RemovalRule
from lethe_common.events.privacy import ExportReady, ExportRemovalRequested, ExportRemoved, ExportStepRequested
from lethe_common.events.retention import ExportsDue, ExportsScheduled
from lethe_common.exports import CATEGORY
from lethe_common.identifiers import ExportId, SealKeyId, SubjectRef
from lethe_common.policy.languages import Language
from lethe_common.rpc.exports import (
    ExportEnd,
    ExportEndQuestion,
    ExportLine,
    ExportList,
    ExportListQuestion,
    ExportOpen,
    ExportOpenQuestion,
)
from lethe_common.rpc.orphans import OrphansRemoveAnswer, OrphansRemoveQuestion
from lethe_common.rpc.privacy import Purpose
from lethe_common.sealing import SealContext, Sealer, with_first
from lethe_common.services import Service
from lethe_common.storage import ObjectMissing, Storage, new_object_prefix
from lethe_gateway import export_queries as queries
from lethe_gateway import outcome_queries
from lethe_gateway.callers import Caller
from lethe_gateway.errors import Gone, NotFound
from lethe_gateway.item_keys import ItemKeys
from lethe_gateway.packing import Packing

OBJECTS = declare(Kind.BUCKET_PREFIX, {CATEGORY: held(CATEGORY)})
_LOOK_SECONDS = 0.5
_IN_PROGRESS, _READY, _REMOVING = "in_progress", "ready", "removing"


@dataclass(frozen=True, slots=True)
class Shown:
    """An export as its owner sees it: in_progress, ready, or removing. `packed_bytes` grows while it is packed."""

    export_id: str
    state: str
    requested_at: datetime
    packed_bytes: int
    size_bytes: int | None
    expires_at: datetime | None
    row: asyncpg.Record | None

    @property
    def archive(self) -> asyncpg.Record:
        """Where its archive is.

        Raises:
            Gone: it was removed, or its time is over.
            NotFound: it is not packed yet.
        """
        if self.state == _REMOVING:
            raise Gone("This export is over. Ask for a new one.")
        if self.state != _READY or self.row is None:
            raise NotFound("This export is still being packed. Ask for its state until it is ready.", code="not_ready")
        return self.row


class Exports:
    """What people do with exports of their data."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        clock: Clock,
        keys: ItemKeys,
        sealer: Sealer,
        storage: Storage,
        *,
        wait_seconds: float,
    ) -> None:
        self._database, self._bus, self._clock, self._keys = database, bus, clock, keys
        self._sealer, self._storage, self._wait_seconds = sealer, storage, wait_seconds

    async def open(self, caller: Caller, language: Language) -> Shown:
        """Begin an export, or join the one under way.

        Raises:
            Refused: the account is being erased, or has as many exports as it may.
        """
        question = ExportOpenQuestion(subject_ref=SubjectRef(caller.subject_ref), language=language)
        return (await self._shown(caller, [await self._bus.ask(ExportOpen, question)]))[0]

    async def all_of(self, caller: Caller) -> list[Shown]:
        """All that are not gone, the newest first."""
        question = ExportListQuestion(subject_ref=SubjectRef(caller.subject_ref))
        return await self._shown(caller, (await self._bus.ask(ExportList, question)).exports)

    async def get(self, caller: Caller, export_id: str) -> Shown:
        """One export.

        Raises:
            NotFound: there is none, it is somebody else's, or it is gone.
        """
        found = next((one for one in await self.all_of(caller) if one.export_id == export_id), None)
        if found is None:
            raise NotFound("There is no such export, or it is gone. Ask for a new one.")
        return found

    async def remove(self, caller: Caller, export_id: str) -> bool:
        """End an export at once, have its archive removed, and wait a little for that to be seen. Repeating is safe.

        Raises:
            NotFound: there is none, it is somebody else's, or it is gone.
        """
        question = ExportEndQuestion(
            export_id=ExportId.trusted((await self.get(caller, export_id)).export_id),
            subject_ref=SubjectRef(caller.subject_ref),
        )
        await self._bus.ask(ExportEnd, question)
        until = monotonic_seconds() + self._wait_seconds
        while any(one.export_id == export_id for one in await self.all_of(caller)):
            left = until - monotonic_seconds()
            if left <= 0:
                return False
            await asyncio.sleep(min(left, _LOOK_SECONDS))
        return True

    async def stream(
        self, caller: Caller, archive: asyncpg.Record, start: int, end: int
    ) -> AsyncGenerator[bytes, None]:
        """The bytes [start, end) of an archive, the first piece already opened, so that a failure has its own status.

        Raises:
            Gone: key or object are no more.
            Unavailable: storage or key service are away.
        """
        held = await self._keys.lease(Purpose.EXPORT, caller.subject_ref, archive["export_id"])
        key_id = SealKeyId.trusted(archive["key_id"])
        context = SealContext(CATEGORY, caller.subject_ref, archive["export_id"], key_id)

        def fetch(offset: int, length: int) -> AsyncGenerator[bytes, None]:
            return self._storage.get_range(archive["object_key"], offset, length)

        opened = self._sealer.open_range(held.key, context, archive["sealed_size_bytes"], fetch, start, end)
        try:
            first = await anext(opened, b"")
        except ObjectMissing as error:
            raise Gone("This export is over. Ask for a new one.") from error
        return with_first(first, opened)

    async def remove_orphans(self, question: OrphansRemoveQuestion, _caller: Service) -> OrphansRemoveAnswer:
        """Remove those objects to which no export's row leads: an attempt that died between its object and its row."""
        keys = [key for key in question.keys if key.startswith(f"{CATEGORY}/")]
        known = {row["object_key"] for row in await self._database.pool.fetch(queries.KNOWN_OBJECTS, keys)}
        gone = [key for key in keys if key not in known]
        for key in gone:
            await self._storage.remove_key(key)
        return OrphansRemoveAnswer(removed=tuple(gone))

    async def _shown(self, caller: Caller, lines: Sequence[ExportLine]) -> list[Shown]:
        ids = [line.export_id for line in lines]
        rows = await self._database.pool.fetch(queries.OF_ACCOUNT, caller.account_id, ids)
        by_id = {row["export_id"]: row for row in rows}
        return [shown(line, by_id.get(line.export_id), self._clock.now()) for line in lines]


def shown(line: ExportLine, row: asyncpg.Record | None, now: datetime) -> Shown:
    """How an export stands, by what privacy and the gateway know of it. Without a deadline nothing is given out."""
    state, due_at = _IN_PROGRESS, None if row is None else row["due_at"]
    if line.state == _REMOVING or (row is not None and row["state"] == _REMOVING):
        state = _REMOVING
    elif line.state == _READY and row is None:
        # Its archive is removed already, and is being looked for.
        state = _REMOVING
    elif due_at is not None and row is not None and row["state"] == _READY:
        state = _READY if now < due_at else _REMOVING
    packed = 0 if row is None else row["packed_bytes"]
    size = line.size_bytes if state == _READY else None
    return Shown(line.export_id, state, line.requested_at, packed, size, due_at, row)


class ExportHandlers:
    """What the gateway does when others tell of exports. Every event may come again, and late."""

    def __init__(self, packing: Packing, clock: Clock) -> None:
        self._packing, self._clock = packing, clock

    async def on_step_requested(self, event: ExportStepRequested, tx: Transaction) -> None:
        """Have it packed."""
        account = await tx.fetchrow(outcome_queries.LOCK_SUBJECT, event.subject_ref)
        if account is None or account["state"] == "closing":
            return
        prefix = new_object_prefix(CATEGORY, account["storage_ref"])
        row = (event.export_id, account["account_id"], event.subject_ref, event.language, prefix, self._clock.now())
        await tx.execute(queries.BEGIN, *row)
        tx.after_commit(self._packing.wake)

    async def on_ready(self, event: ExportReady, tx: Transaction) -> None:
        """It may be served as soon as its deadline is known."""
        await tx.execute(queries.READY, event.export_id)

    async def on_scheduled(self, event: ExportsScheduled, tx: Transaction) -> None:
        """Archives have a deadline; of two, the one that was moved more often is the newer."""
        due, moves = [item.due_at for item in event.items], [item.moves for item in event.items]
        await tx.execute(queries.SCHEDULE, [item.export_id for item in event.items], due, moves)

    async def on_due(self, event: ExportsDue, tx: Transaction) -> None:
        """The time of archives is over."""
        for item in event.items:
            await self._remove(tx, item.export_id, item.subject_ref, RemovalRule.EXPIRED)

    async def on_removal_requested(self, event: ExportRemovalRequested, tx: Transaction) -> None:
        """Its owner does not want it any more."""
        await self._remove(tx, event.export_id, event.subject_ref, RemovalRule.DELETED_BY_USER)

    async def _remove(self, tx: Transaction, export_id: ExportId, subject_ref: SubjectRef, rule: RemovalRule) -> None:
        if not await tx.fetch(queries.KNOWN, [export_id]):
            # Nothing is here: whoever asks may look.
            tx.tell(ExportRemoved(export_id=export_id, subject_ref=subject_ref, rule=rule))
            return
        await tx.execute(queries.REMOVE, [export_id], rule)
        tx.after_commit(self._packing.wake)
