"""Declaring streams and durables. Owners declare, others wait; both again after every reconnect."""

import asyncio
from datetime import UTC, datetime

from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
)
from nats.js.errors import NotFoundError

from lethe_common.events.catalogue import STREAMS, Stream
from lethe_common.services import Service
from lethe_common.settings import ServiceSettings

DUPLICATE_WINDOW_SECONDS = 120.0
_WAIT_SECONDS = 0.2


async def declare_owned(js: JetStreamContext, service: Service, replicas: int) -> None:
    """Create or update the streams this service owns."""
    for stream in STREAMS.values():
        if stream.owner is service:
            await _declare(js, stream, replicas)


async def created_at(js: JetStreamContext, stream: str) -> datetime:
    """When this incarnation of a stream was made. A wiped store shows by a new time."""
    info = await js.stream_info(stream)
    return creation_of(info)


async def wait_for(js: JetStreamContext, stream: str) -> StreamInfo:
    """A stream's state, waiting until its owner has declared it."""
    while True:
        try:
            return await js.stream_info(stream)
        except NotFoundError:
            await asyncio.sleep(_WAIT_SECONDS)


async def declare_durable(
    js: JetStreamContext, stream: str, durable: str, subjects: list[str], settings: ServiceSettings
) -> None:
    """Create or update a pull consumer that starts at the first message and retries by our own delays."""
    await js.add_consumer(
        stream,
        ConsumerConfig(
            durable_name=durable,
            filter_subjects=subjects,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=settings.consumer_ack_wait_seconds,
            max_deliver=settings.consumer_max_deliver,
            max_ack_pending=settings.consumer_max_ack_pending,
            num_replicas=settings.nats_replicas,
        ),
    )


async def declare_sweep(js: JetStreamContext, stream: str, durable: str, subjects: list[str], replicas: int) -> None:
    """Create or update the slow second look that finds messages whose parking advisory was lost."""
    await js.add_consumer(
        stream,
        ConsumerConfig(
            durable_name=durable,
            filter_subjects=subjects,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.ALL,
            ack_wait=60,
            max_ack_pending=-1,
            headers_only=True,
            num_replicas=replicas,
        ),
    )


def creation_of(info: StreamInfo) -> datetime:
    """A stream's creation time, to the microsecond that Postgres keeps."""
    created = info.created
    return created.astimezone(UTC) if isinstance(created, datetime) else datetime.fromisoformat(str(created))


async def _declare(js: JetStreamContext, stream: Stream, replicas: int) -> None:
    wanted = StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        max_age=stream.max_age.total_seconds(),
        max_bytes=stream.max_bytes,
        # Full means that rows wait in their outbox; dropping old ones would lose them silently.
        discard=DiscardPolicy.NEW,
        duplicate_window=DUPLICATE_WINDOW_SECONDS,
        allow_atomic=True,
        allow_direct=True,
        num_replicas=replicas,
    )
    try:
        await js.stream_info(stream.name)
    except NotFoundError:
        await js.add_stream(wanted)
        return
    await js.update_stream(wanted)
