"""Reference images: stored sealed under their own key until their run is done.

A row is written before the object, so that what a crash leaves behind is known
and is swept away.
"""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import structlog

from lethe_common.catalogue import Kind, declare, held
from lethe_common.clock import Clock
from lethe_common.database import Database
from lethe_common.identifiers import UploadId
from lethe_common.rpc.envelope import NoAnswer
from lethe_common.rpc.orphans import OrphansRemoveAnswer, OrphansRemoveQuestion
from lethe_common.rpc.privacy import KeyClass
from lethe_common.sealing import SealContext, Sealer, sealed_size
from lethe_common.services import Service
from lethe_common.storage import Storage, new_object_prefix
from lethe_gateway import queries
from lethe_gateway.callers import Caller
from lethe_gateway.errors import NotSignedIn
from lethe_gateway.item_keys import ItemKeys
from lethe_gateway.legal_holds import LegalHolds
from lethe_gateway.submissions import Reference

log = structlog.get_logger()

CATEGORY = "upload.image"
OBJECTS = declare(Kind.BUCKET_PREFIX, {CATEGORY: held(CATEGORY)})
_NAME = "image"
_CHUNK_BYTES = 256 * 1024
_HOLD_WAIT = timedelta(minutes=15)


class Uploads:
    """Stores and removes reference images."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        keys: ItemKeys,
        sealer: Sealer,
        storage: Storage,
        holds: LegalHolds,
        *,
        orphan: timedelta,
    ) -> None:
        self._database, self._clock, self._keys = database, clock, keys
        self._sealer, self._storage, self._holds, self._orphan = sealer, storage, holds, orphan

    async def store(self, caller: Caller, generation_id: str, reference: Reference) -> UploadId:
        """Store one image for a generation that is about to be accepted.

        Raises:
            Unavailable: storage or key service are away; what was begun is swept later.
        """
        storage_ref = await self._database.pool.fetchval(queries.SUBJECT_STORAGE, caller.account_id)
        if storage_ref is None:
            raise NotSignedIn
        upload_id = UploadId.new()
        held = await self._keys.issue(caller.subject_ref, upload_id, KeyClass.CONTENT)
        object_key, size = f"{new_object_prefix(CATEGORY, storage_ref)}{_NAME}", len(reference.data)
        now = self._clock.now()
        row = (upload_id, caller.account_id, caller.subject_ref, generation_id, object_key, held.key_id)
        async with self._database.transaction() as tx:
            await tx.execute(queries.INSERT_UPLOAD, *row, reference.media_type, size, now, now + self._orphan)
        context = SealContext(CATEGORY, caller.subject_ref, upload_id, held.key_id)
        sealed = self._sealer.seal_stream(held.key, context, _chunks(reference.data), size)
        await self._storage.put_stream(object_key, sealed, sealed_size(size))
        if not await self._database.pool.fetchval(queries.HAS_UPLOAD, upload_id):
            # The account was erased while the bytes were on their way: they must not outlive it.
            await self._storage.remove_all_versions(object_key.removesuffix(_NAME), [object_key])
            raise NotSignedIn
        return upload_id

    async def abandon(self, caller: Caller, upload_id: str) -> None:
        """Nobody uses this upload: the next sweep takes it."""
        async with self._database.transaction() as tx:
            await tx.execute(queries.DUE_UPLOAD, upload_id, caller.subject_ref, self._clock.now())

    async def sweep(self, now: datetime) -> None:
        """Remove every upload whose time is over. What a legal hold keeps waits, and all while nobody can say."""
        try:
            while await self._sweep_some(now):
                continue
        except NoAnswer as error:
            log.info("uploads_wait", cause=error.code)

    async def _sweep_some(self, now: datetime) -> int:
        """Remove object versions, key and row of some; how many were over."""
        async with self._database.transaction() as tx:
            over = await tx.fetch(queries.UPLOADS_OVER, now)
            if not over:
                return 0
            held = await self._holds.held([(row["subject_ref"], row["generation_id"]) for row in over])
            kept = [row["upload_id"] for row in over if row["generation_id"] in held]
            await tx.execute(queries.HOLD_UPLOADS_BACK, kept, now + _HOLD_WAIT)
            rows = [row for row in over if row["generation_id"] not in held]
            for row in rows:
                key = row["object_key"]
                await self._storage.remove_all_versions(key.removesuffix(_NAME), [key])
            if rows:
                await self._keys.destroy([(row["subject_ref"], row["upload_id"]) for row in rows])
            await tx.execute(queries.DELETE_UPLOADS, [row["upload_id"] for row in rows])
        return len(over)

    async def remove_orphans(self, question: OrphansRemoveQuestion, _caller: Service) -> OrphansRemoveAnswer:
        """Remove those objects to which no upload's row leads. Rows are written first: without one it is nobody's."""
        keys = [key for key in question.keys if key.startswith(f"{CATEGORY}/")]
        known = {row["object_key"] for row in await self._database.pool.fetch(queries.KNOWN_UPLOADS, keys)}
        gone = [key for key in keys if key not in known]
        for key in gone:
            await self._storage.remove_key(key)
        return OrphansRemoveAnswer(removed=tuple(gone))


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), _CHUNK_BYTES):
        yield data[start : start + _CHUNK_BYTES]
