"""Packing: a worker that collects what all owners have of somebody, and writes the sealed archive as it comes.

Work is a leased row. Nothing of an archive lies anywhere but in the stream under
way and in its object, so an attempt that dies leaves nothing to look for: its
upload is aborted, or swept as unfinished, and the next attempt begins anew.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg
import structlog

from lethe_common.bells import Bell
from lethe_common.clock import monotonic_seconds
from lethe_common.database import Database
from lethe_common.errors import LetheError
from lethe_common.events.jobs import RemovalRule
from lethe_common.events.privacy import ExportCount, ExportRemoved, ExportStepReported
from lethe_common.exports import CATEGORY, DOCUMENTS, Archive, Section, document, sections_of
from lethe_common.identifiers import ExportId, SubjectRef
from lethe_common.rpc.privacy import KeyClass
from lethe_common.sealing import SealContext, Sealer
from lethe_common.storage import Storage
from lethe_gateway import export_queries as queries
from lethe_gateway.errors import Gone
from lethe_gateway.item_keys import HeldKey, ItemKeys
from lethe_gateway.manifests import MANIFEST, README, Manifests
from lethe_gateway.media_files import MediaFiles
from lethe_gateway.records import Person, Records

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PackingPace:
    """How long a lease holds, how often it is renewed, how long a failed attempt waits, how often is looked."""

    lease: timedelta
    renew_seconds: float
    retry: timedelta
    retry_most: timedelta
    poll_seconds: float


@dataclass(slots=True)
class Work:
    """One leased row, and what was counted while it was packed."""

    export_id: ExportId
    person: Person
    language: str
    state: str
    rule: str | None
    object_prefix: str
    attempt: int
    requested_at: datetime
    size_bytes: int = 0
    counts: list[ExportCount] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def counted(self, section: Section, records: int) -> None:
        """A section is written."""
        self.counts.append(ExportCount(owner=section.owner, section=section.name, records=records))


IsWanted = Callable[[SubjectRef, ExportId], Awaitable[bool]]
"""Is this export still to be packed? Raises Unavailable."""


class Packing:
    """Packs and removes archives, one at a time."""

    def __init__(
        self,
        database: Database,
        keys: ItemKeys,
        sealer: Sealer,
        storage: Storage,
        records: Records,
        media: MediaFiles,
        manifests: Manifests,
        is_wanted: IsWanted,
        pace: PackingPace,
    ) -> None:
        self._database, self._keys, self._sealer, self._storage = database, keys, sealer, storage
        self._records, self._media, self._manifests = records, media, manifests
        self._is_wanted, self._pace = is_wanted, pace
        self._bell = Bell()

    def wake(self) -> None:
        """There is something to pack or to remove."""
        self._bell.ring()

    async def run(self) -> None:
        """Work for ever; a worker of the frame."""
        while True:
            while await self.take_one():
                pass
            await self._bell.wait(self._pace.poll_seconds)

    async def take_one(self) -> bool:
        """Pack or remove one archive; False when there is none. A failed one comes back after a while."""
        async with self._database.transaction() as tx:
            row = await tx.fetchrow(queries.CLAIM, self._pace.lease)
        if row is None:
            return False
        work = _work(row)
        try:
            await (self._pack(work) if work.state == "packing" else self._remove(work))
        except LetheError as error:
            log.warning("export_waits", export_id=work.export_id, state=work.state, cause=type(error).__name__)
            delay = min(self._pace.retry * (1 << min(work.attempt - 1, 20)), self._pace.retry_most)
            async with self._database.transaction() as tx:
                await tx.execute(queries.GIVE_BACK, work.export_id, work.attempt, delay)
        return True

    async def _pack(self, work: Work) -> None:
        """Write the archive, and tell what is in it. One that was asked for long ago and is gone is not made again."""
        ref = work.person.subject_ref
        await self._storage.remove_all_versions(work.object_prefix)
        if not await self._is_wanted(ref, work.export_id):
            await self._keys.destroy([(ref, work.export_id)])
            async with self._database.transaction() as tx:
                await tx.execute(queries.DELETE, work.export_id, work.attempt)
            return
        held = await self._keys.issue(ref, work.export_id, KeyClass.CONTENT)
        key = f"{work.object_prefix}archive-{work.attempt}"
        sealed = self._sealer.seal_stream(held.key, _context(work, held), self._watched(work))
        stored = await self._storage.put_stream(key, sealed)
        async with self._database.transaction() as tx:
            row = (work.export_id, work.attempt, key, held.key_id, work.size_bytes, stored.size_bytes)
            is_packed = await tx.fetchval(queries.PACKED, *row) is not None
            if is_packed:
                tx.tell(
                    ExportStepReported(
                        export_id=work.export_id,
                        subject_ref=ref,
                        size_bytes=work.size_bytes,
                        counts=tuple(work.counts),
                    )
                )
        if not is_packed:
            # Its owner, an erasure or another worker was quicker: these bytes must not outlive that.
            await self._storage.remove_key(key)
            raise Gone
        log.info("export_packed", export_id=work.export_id, count=len(work.missing))

    async def _remove(self, work: Work) -> None:
        """Remove all versions, the key and the row, and tell it. Repeating it is safe."""
        ref = work.person.subject_ref
        await self._storage.remove_all_versions(work.object_prefix)
        await self._keys.destroy([(ref, work.export_id)])
        async with self._database.transaction() as tx:
            if await tx.fetchval(queries.DELETE, work.export_id, work.attempt) is not None:
                rule = RemovalRule(work.rule or RemovalRule.EXPIRED)
                # Of what nobody began to pack there is no place to look at.
                prefixes = (work.object_prefix,) if work.attempt > 1 else ()
                tx.tell(ExportRemoved(export_id=work.export_id, subject_ref=ref, rule=rule, prefixes=prefixes))

    async def _watched(self, work: Work) -> AsyncGenerator[bytes, None]:
        """The archive's bytes, for as long as the lease can be renewed.

        Raises:
            Gone: the export was ended meanwhile.
        """
        renewed_at = monotonic_seconds()
        async with aclosing(self._pieces(work)) as pieces:
            async for piece in pieces:
                work.size_bytes += len(piece)
                yield piece
                if monotonic_seconds() - renewed_at >= self._pace.renew_seconds:
                    renewed_at = monotonic_seconds()
                    await self._renew(work)

    async def _renew(self, work: Work) -> None:
        lease = (work.export_id, work.attempt, self._pace.lease, work.size_bytes)
        async with self._database.single() as tx:
            if await tx.fetchval(queries.RENEW, *lease) is None:
                raise Gone

    async def _pieces(self, work: Work) -> AsyncGenerator[bytes, None]:
        archive = Archive(work.requested_at)
        async for piece in archive.add(README, _once(self._manifests.readme(work.language))):
            yield piece
        for name in DOCUMENTS:
            content = document(sections_of(name), lambda one: self._records.pages(work.person, one), work.counted)
            async for piece in archive.add(name, content):
                yield piece
        async for file in self._media.of(work.person):
            if file.content is None:
                work.missing.append(file.name)
                continue
            async for piece in archive.add(file.name, file.content):
                yield piece
        manifest = self._manifests.manifest(work.export_id, work.language, work.missing, archive.files)
        async for piece in archive.add(MANIFEST, _once(manifest)):
            yield piece
        yield archive.end()


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _context(work: Work, held: HeldKey) -> SealContext:
    return SealContext(CATEGORY, work.person.subject_ref, work.export_id, held.key_id)


def _work(row: asyncpg.Record) -> Work:
    return Work(
        ExportId.trusted(row["export_id"]),
        Person(row["account_id"], SubjectRef.trusted(row["subject_ref"])),
        row["language"],
        row["state"],
        row["rule"],
        row["object_prefix"],
        row["attempts"],
        row["requested_at"],
    )
