"""/v1/videos/{id}/events: server-sent events, resumable by Last-Event-ID on any replica.

`event: video` carries the whole state, its id is the state version; `event: progress`
has no id, since the next one replaces a lost one; `event: gone` is the last.
"""

from collections.abc import AsyncIterator, Callable

import asyncpg
import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event

from lethe_common.clock import monotonic_seconds
from lethe_common.database import AWAY
from lethe_common.errors import LetheError
from lethe_gateway.callers import Caller, Callers
from lethe_gateway.endpoints.videos import shown
from lethe_gateway.errors import Gone, NotFound, TooManyRequests
from lethe_gateway.gallery import RUNNING, Gallery
from lethe_gateway.numbers import whole
from lethe_gateway.positions import Positions
from lethe_gateway.watchers import Watch, Watchers

_COMMIT_LOOKS, _COMMIT_LOOK_SECONDS = 40, 0.025
_RETRY_MS = 1000


class Streams:
    """Follows generations for as long as somebody listens."""

    def __init__(
        self,
        gallery: Gallery,
        watchers: Watchers,
        positions: Positions,
        is_clocked: Callable[[], bool],
        *,
        look_seconds: float,
        keep_alive_seconds: float,
    ) -> None:
        self._gallery, self._watchers, self._positions = gallery, watchers, positions
        self._is_clocked = is_clocked
        self._look_seconds, self._keep_alive_seconds = look_seconds, keep_alive_seconds

    async def follow(self, caller: Caller, generation_id: str, seen_version: int) -> AsyncIterator[bytes]:
        """Frames until the generation is settled, gone, or access to it ends."""
        sent_at, progress = monotonic_seconds(), b""
        yield format_sse_event(retry=_RETRY_MS)
        with self._watchers.watch(generation_id, caller.subject_ref) as watch:
            while not watch.is_closed:
                row = await self._look(caller, generation_id, watch, seen_version)
                if row is None:
                    yield format_sse_event(event="gone", data_str=orjson.dumps({"id": generation_id}).decode())
                    return
                frame = b""
                if row["state_version"] > seen_version:
                    seen_version = row["state_version"]
                    body = shown(row, self._watchers).to_bytes().decode()
                    frame = format_sse_event(event="video", data_str=body, id=str(seen_version))
                elif row["state"] in RUNNING and (fresh := await self._progress(row)) != progress:
                    progress = frame = fresh
                elif monotonic_seconds() - sent_at > self._keep_alive_seconds:
                    frame = b": keep-alive\n\n"
                if frame:
                    sent_at = monotonic_seconds()
                    yield frame
                if self._is_settled(row):
                    return
                await watch.wait(self._look_seconds)

    def _is_settled(self, row: asyncpg.Record) -> bool:
        """Whether nothing more is to be told: it ended, it is known what it cost and, if a clock runs, how long it stays."""
        if row["state"] in RUNNING or row["credits_charged"] is None:
            return False
        return row["state"] != "completed" or row["expires_at"] is not None or not self._is_clocked()

    async def _look(self, caller: Caller, generation_id: str, watch: Watch, seen: int) -> asyncpg.Record | None:
        """The row as it is; when a hint promised more than that, as it is once that is committed."""
        row = await self.row(caller, generation_id)
        for _ in range(_COMMIT_LOOKS):
            hinted = watch.hinted_version
            if row is None or hinted is None or hinted <= max(row["state_version"], seen):
                return row
            await watch.wait(_COMMIT_LOOK_SECONDS)
            row = await self.row(caller, generation_id)
        watch.hinted_version = None
        return row

    async def row(self, caller: Caller, generation_id: str) -> asyncpg.Record | None:
        """The generation, or None when it is not served any more."""
        try:
            return await self._gallery.get(caller, generation_id)
        except (NotFound, Gone):
            return None

    async def _progress(self, row: asyncpg.Record) -> bytes:
        known = await self._positions.of(row)
        content = {
            "id": row["generation_id"],
            "progress": shown(row, self._watchers).progress,
            "position": known.position if known else None,
            "eta_seconds": known.eta_seconds if known else None,
        }
        return format_sse_event(event="progress", data_str=orjson.dumps(content).decode())


def event_routes(
    callers: Callers, gallery: Gallery, streams: Streams, watchers: Watchers, *, streams_most: int
) -> APIRouter:
    """The stream of one generation."""
    router = APIRouter(prefix="/v1/videos")

    @router.get("/{generation_id}/events")
    async def events(request: Request, generation_id: str) -> Response:
        caller = await callers.of(request)
        await gallery.get(caller, generation_id)
        if watchers.count(caller.subject_ref) >= streams_most:
            raise TooManyRequests(1)
        seen_version = whole(request.headers.get("last-event-id", "")) or 0
        headers = {"Cache-Control": "private, no-store", "X-Accel-Buffering": "no"}
        body = _quietly(streams.follow(caller, generation_id, seen_version))
        return StreamingResponse(body, 200, headers, media_type="text/event-stream")

    return router


async def _quietly(frames: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """End the stream when something is away: the client comes again with its Last-Event-ID."""
    try:
        async for frame in frames:
            yield frame
    except (LetheError, *AWAY):
        return
