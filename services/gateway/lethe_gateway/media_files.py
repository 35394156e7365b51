"""Files for an archive: a person's outputs and reference images, opened as they stream."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

import asyncpg

from lethe_common.bus import Bus
from lethe_common.database import Database
from lethe_common.exports import MEDIA
from lethe_common.identifiers import GenerationId, SealKeyId
from lethe_common.rpc.exports import PAGE_RECORDS
from lethe_common.rpc.jobs import AssetLocate, AssetLocateQuestion, LocatedAsset
from lethe_common.rpc.privacy import Purpose
from lethe_common.sealing import SealContext, Sealer, sealed_size, with_first
from lethe_common.storage import ObjectMissing, Storage
from lethe_gateway import export_queries as queries
from lethe_gateway.errors import Gone
from lethe_gateway.item_keys import ItemKeys
from lethe_gateway.records import Person
from lethe_gateway.uploads import CATEGORY as UPLOAD

_ENDINGS = {"video/mp4": "mp4", "image/webp": "webp", "image/jpeg": "jpg", "image/png": "png"}


@dataclass(frozen=True, slots=True)
class MediaFile:
    """One file: its name in the archive and its content; None when it went while the archive was packed."""

    name: str
    content: AsyncGenerator[bytes, None] | None


@dataclass(frozen=True, slots=True)
class _Object:
    """Where one sealed object lies, and what it was sealed for."""

    key: str
    category: str
    item_id: str
    key_id: SealKeyId
    sealed_size_bytes: int


class MediaFiles:
    """Finds and opens them, one at a time."""

    def __init__(self, database: Database, bus: Bus, keys: ItemKeys, sealer: Sealer, storage: Storage) -> None:
        self._database, self._bus, self._keys = database, bus, keys
        self._sealer, self._storage = sealer, storage

    async def of(self, person: Person) -> AsyncIterator[MediaFile]:
        """Every file of a person. Each content is to be read, or closed, before the next is asked for.

        Raises:
            NotSignedIn: the account is being erased.
            Unavailable: jobs, the store or the key service is away.
        """
        async for row in self._rows(queries.COMPLETED, person):
            generation_id = GenerationId.trusted(row["generation_id"])
            question = AssetLocateQuestion(generation_id=generation_id, subject_ref=person.subject_ref)
            for asset in (await self._bus.ask(AssetLocate, question)).assets:
                yield await self._output(person, generation_id, asset)
        async for row in self._rows(queries.UPLOADED, person):
            upload_id = row["upload_id"]
            place = _Object(
                row["object_key"], UPLOAD, upload_id, SealKeyId.trusted(row["key_id"]), sealed_size(row["size_bytes"])
            )
            name = f"{MEDIA}uploads/{upload_id}.{_ENDINGS.get(row['media_type'], 'bin')}"
            yield MediaFile(name, await self._opened(person, place))

    async def _output(self, person: Person, generation_id: str, asset: LocatedAsset) -> MediaFile:
        category = f"output.{asset.variant}"
        place = _Object(asset.object_key, category, generation_id, asset.key_id, asset.sealed_size_bytes)
        name = f"{MEDIA}{generation_id}/{asset.variant}.{_ENDINGS.get(asset.media_type, 'bin')}"
        return MediaFile(name, await self._opened(person, place))

    async def _rows(self, sql: str, person: Person) -> AsyncIterator[asyncpg.Record]:
        """The rows of a statement, page by page; their first column is what they are ordered by."""
        after = ""
        while page := await self._database.pool.fetch(sql, person.account_id, after, PAGE_RECORDS):
            for row in page:
                yield row
            after = page[-1][0]

    async def _opened(self, person: Person, place: _Object) -> AsyncGenerator[bytes, None] | None:
        """A content whose first piece was opened: what is gone is known before its file begins."""
        try:
            held = await self._keys.lease(Purpose.EXPORT, person.subject_ref, place.item_id)
        except Gone:
            return None
        context = SealContext(place.category, person.subject_ref, place.item_id, place.key_id)

        def fetch(offset: int, length: int) -> AsyncGenerator[bytes, None]:
            return self._storage.get_range(place.key, offset, length)

        opened = self._sealer.open_range(held.key, context, place.sealed_size_bytes, fetch)
        try:
            first = await anext(opened, b"")
        except ObjectMissing:
            return None
        return with_first(first, opened)
