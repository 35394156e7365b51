"""The jobs service on real servers, between a gateway and a privacy service that only answer what jobs asks."""

import asyncio
import base64
import os
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from unittest.mock import patch

import asyncpg

from lethe_common.bus.requests import Answer
from lethe_common.clock import RealClock
from lethe_common.errors import Unavailable
from lethe_common.events.envelope import Event
from lethe_common.events.jobs import GenerationRequested
from lethe_common.identifiers import GenerationId, HoldId, SealKeyId, SubjectRef, UploadId
from lethe_common.process import Blueprint, Frame, Parts, Process
from lethe_common.rpc.envelope import Call
from lethe_common.rpc.gateway import GenerationInput, InputAnswer, InputQuestion, SealedInput, SealedUpload
from lethe_common.rpc.privacy import (
    ItemKey,
    KeyDestroy,
    KeyDestroyAnswer,
    KeyDestroyQuestion,
    KeyLease,
    KeyLeaseQuestion,
    KeysAnswer,
)
from lethe_common.rpc.retention import RemovalCheck, RemovalCheckAnswer, RemovalCheckQuestion
from lethe_common.sealing import SealContext, Sealer, sealed_size
from lethe_common.services import Service
from lethe_common.storage import Storage, new_object_prefix
from lethe_jobs.errors import ProviderFailed, RunStopped
from lethe_jobs.models import Table
from lethe_jobs.providers import Delivery, GenerationProvider, Order, Piece, Watch
from lethe_jobs.settings import JobsSettings
from lethe_jobs.wiring import build
from tests.integration.members import PROFILE, Member, members, until
from tests.integration.nothing_recorded import NOTHING_RECORDED
from tests.outboxes import bodies
from tests.servers import RunningServers

E = TypeVar("E", bound=Event)
_NEIGHBOURS = (Service.GATEWAY, Service.PRIVACY, Service.BILLING, Service.RETENTION)
PROMPT = "a paper boat in the rain"


@dataclass
class HeldItem:
    """A key as the stand's privacy service keeps it."""

    key_id: SealKeyId
    key: bytes


@dataclass
class Stand:
    """What a test drives and looks at."""

    servers: RunningServers
    gateway: Member
    privacy: Member
    billing: Member
    retention: Member
    eye: asyncpg.Pool
    storage: Storage
    sealer: Sealer = field(default_factory=lambda: Sealer(is_on=True))
    inputs: dict[str, SealedInput] = field(default_factory=dict)
    keys: dict[str, HeldItem] = field(default_factory=dict)
    destroyed: list[str] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    inputs_most: int = 256
    """How many inputs fit into one answer of the gateway's."""
    is_gateway_away: bool = False
    is_privacy_away: bool = False
    is_retention_away: bool = False
    lease_delays_seconds: list[float] = field(default_factory=list)
    """How long the next leases of keys take to be answered."""
    refusal: str | None = None
    """Why privacy leases no key at all."""
    held: set[str] = field(default_factory=set)
    """Generations that a legal hold keeps."""

    async def request(self, subject: SubjectRef, *, upload: bytes | None = None, **changes: Any) -> GenerationRequested:
        """Accept a generation as the gateway would: input sealed and kept, event told."""
        event = self.order(subject, **changes)
        if upload is not None:
            event = event.model_copy(update={"upload_id": UploadId.new()})
        await self.keep_input(event, upload)
        await self.gateway.tell(event)
        return event

    def order(self, subject: SubjectRef, **changes: Any) -> GenerationRequested:
        fields: dict[str, Any] = {"model": "lethe-local-1", "width_px": 64, "height_px": 36, "seconds": 1} | changes
        return GenerationRequested(
            generation_id=GenerationId.new(),
            subject_ref=subject,
            hold_id=HoldId.new(),
            requested_at=RealClock().now(),
            **fields,
        )

    async def keep_input(self, event: GenerationRequested, upload: bytes | None = None) -> None:
        held = self.new_key(event.generation_id)
        context = SealContext("content.prompt", event.subject_ref, event.generation_id, held.key_id)
        self.inputs[event.generation_id] = SealedInput(
            generation_id=event.generation_id,
            prompt=_base64(self.sealer.seal(held.key, context, PROMPT.encode())),
            key_id=held.key_id,
            seed=7,
            upload=None if upload is None else await self._store_upload(event, upload),
        )

    def new_key(self, item_id: str) -> HeldItem:
        return self.keys.setdefault(item_id, HeldItem(SealKeyId.new(), secrets.token_bytes(32)))

    async def _store_upload(self, event: GenerationRequested, content: bytes) -> SealedUpload:
        assert event.upload_id is not None
        held, key = self.new_key(event.upload_id), f"{new_object_prefix('upload.image', secrets.token_hex(16))}image"
        context = SealContext("upload.image", event.subject_ref, event.upload_id, held.key_id)

        async def chunks() -> AsyncIterator[bytes]:
            yield content

        sealed = self.sealer.seal_stream(held.key, context, chunks(), len(content))
        await self.storage.put_stream(key, sealed, sealed_size(len(content)))
        return SealedUpload(upload_id=event.upload_id, object_key=key, media_type="image/png", size_bytes=len(content))

    async def told(self, kind: type[E]) -> list[E]:
        """All that jobs told of one type, oldest first."""
        rows = await self.eye.fetch("SELECT data FROM jobs.outbox WHERE type = $1 ORDER BY event_id", kind.type)
        return [kind.model_validate(body) for row in rows for body in bodies(row[0])]

    async def tells(self, kind: type[E], count: int = 1, seconds: float = 20.0) -> list[E]:
        """Wait until jobs has told this often."""
        await until(lambda: self._has_told(kind, count), seconds)
        return await self.told(kind)

    async def _has_told(self, kind: type[Event], count: int) -> bool:
        return len(await self.told(kind)) >= count

    async def state(self, generation_id: str) -> str | None:
        found: str | None = await self.eye.fetchval(
            "SELECT state FROM jobs.runs WHERE generation_id = $1", generation_id
        )
        return found

    async def reaches(self, generation_id: str, state: str | None, seconds: float = 20.0) -> None:
        async def is_there() -> bool:
            return await self.state(generation_id) == state

        await until(is_there, seconds)

    async def arrows(self, generation_id: str) -> list[tuple[str, str, str]]:
        rows = await self.eye.fetch(
            "SELECT from_state, to_state, cause FROM jobs.attempts WHERE generation_id = $1 ORDER BY at, attempt_id",
            generation_id,
        )
        return [(row[0], row[1], row[2]) for row in rows]

    async def no_objects(self, prefix: str) -> bool:
        return (await self.storage.remains(prefix)).is_empty

    # What jobs asks the two others.

    async def answer_inputs(self, question: InputQuestion, _caller: Service) -> InputAnswer:
        if self.is_gateway_away:
            raise Unavailable("The gateway is away.")
        self.asked.append(len(question.generation_ids))
        found = [self.inputs[one] for one in question.generation_ids if one in self.inputs]
        later = tuple(one.generation_id for one in found[self.inputs_most :])
        return InputAnswer(inputs=tuple(found[: self.inputs_most]), later=later)

    async def answer_lease(self, question: KeyLeaseQuestion, _caller: Service) -> KeysAnswer:
        if self.is_privacy_away:
            raise Unavailable("The privacy service is away.")
        keys = tuple(self._leased(wish.item_id) for wish in question.wishes)
        if self.lease_delays_seconds:
            await asyncio.sleep(self.lease_delays_seconds.pop(0))
        return KeysAnswer(keys=keys)

    async def answer_destroy(self, question: KeyDestroyQuestion, _caller: Service) -> KeyDestroyAnswer:
        if self.is_privacy_away:
            raise Unavailable("The privacy service is away.")
        gone = [wish.item_id for wish in question.wishes if self.keys.pop(wish.item_id, None)]
        self.destroyed += [wish.item_id for wish in question.wishes]
        return KeyDestroyAnswer(destroyed=len(gone))

    async def answer_check(self, question: RemovalCheckQuestion, _caller: Service) -> RemovalCheckAnswer:
        if self.is_retention_away:
            raise Unavailable("Retention is away.")
        return RemovalCheckAnswer(
            held=tuple(one.generation_id for one in question.wishes if one.generation_id in self.held)
        )

    def _leased(self, item_id: str) -> ItemKey:
        held = self.keys.get(item_id)
        if held is None or self.refusal is not None:
            return ItemKey(item_id=item_id, refusal=self.refusal or "key_unknown")
        return ItemKey(item_id=item_id, key_id=held.key_id, key=_base64(held.key))


class ScriptedProvider:
    """A vendor that does what a test says, run by run."""

    name = "local"
    is_instant = False
    at_once_everywhere: int | None = None

    def __init__(self, at_once: int = 8) -> None:
        self.at_once = at_once
        self.orders: list[Order] = []
        self.may_finish = asyncio.Event()
        self.is_deaf = False
        self.failures = 0
        self.content = b"moving"

    async def generate(self, order: Order, watch: Watch) -> Delivery:
        self.orders.append(order)
        watch.reach(50)
        while not self.may_finish.is_set():
            if watch.is_stopped() and not self.is_deaf:
                raise RunStopped("The watch said stop.")
            await asyncio.sleep(0.01)
        if self.failures:
            self.failures -= 1
            raise ProviderFailed("It broke.")
        return Delivery(
            (Piece("video", "video/mp4", self.content), Piece("thumbnail", "image/webp", b"still")), 64, 36, 24, 1.0
        )

    async def close(self) -> None:
        self.may_finish.set()


@asynccontextmanager
async def stand(servers: RunningServers) -> AsyncIterator[Stand]:
    """Fresh schemas and streams, the two neighbours answering, no jobs service yet."""
    async with members(servers, *_NEIGHBOURS) as seats:
        gateway, privacy, billing, retention = (seats[service] for service in _NEIGHBOURS)
        key = servers.s3_key("admin")
        storage = Storage(servers.s3_endpoint, key.access_key, key.secret_key, servers.runtime.s3_bucket)
        eye = await asyncpg.create_pool(servers.superuser_dsn(), min_size=1, max_size=4)
        made = Stand(servers, gateway, privacy, billing, retention, eye, storage)
        await made.gateway.bus.answer({GenerationInput: made.answer_inputs}, "0.1.0")
        keys: dict[type[Call[Any, Any]], Answer] = {KeyLease: made.answer_lease, KeyDestroy: made.answer_destroy}
        await made.privacy.bus.answer({**keys, **NOTHING_RECORDED}, "0.1.0")
        await made.retention.bus.answer({RemovalCheck: made.answer_check}, "0.1.0")
        for seat in seats.values():
            seat.work(seat.bus.relay.run)
        try:
            yield made
        finally:
            await storage.close()
            await eye.close()


@asynccontextmanager
async def jobs(
    at: Stand, providers: Sequence[GenerationProvider] | None = None, **changes: Any
) -> AsyncIterator[Process[JobsSettings]]:
    """The whole jobs service, in this process."""
    process = started(at, providers, **changes)
    await process.start()
    try:
        yield process
    finally:
        await process.stop()


def started(at: Stand, providers: Sequence[GenerationProvider] | None = None, **changes: Any) -> Process[JobsSettings]:
    """A jobs service about to start."""
    fast: dict[str, Any] = {"lease_seconds": 2.0, "heartbeat_seconds": 0.2, "drain_seconds": 2.0}
    with patch.dict(os.environ, at.servers.environment(Service.JOBS)):
        settings = JobsSettings(profile=PROFILE, **(fast | changes))
    make: Callable[[Frame, JobsSettings], Any] = lambda frame, given: _build(frame, given, providers)  # noqa: E731  short
    return Process(Blueprint(Service.JOBS, JobsSettings, make, Table.metadata), settings)


async def _build(frame: Frame, settings: JobsSettings, providers: Sequence[GenerationProvider] | None) -> Parts:
    return await build(frame, settings, providers)


def _base64(raw: bytes) -> bytes:
    """What a Base64Bytes field takes: the encoded text."""
    return base64.b64encode(raw)
