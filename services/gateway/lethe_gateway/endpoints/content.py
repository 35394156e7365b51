"""/v1/videos/{id}/content: opened segment by segment on the way out, by range, until the deadline."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from lethe_common.bus import Bus
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.rpc.jobs import AssetLocate, AssetLocateQuestion, LocatedAsset
from lethe_common.rpc.privacy import Purpose
from lethe_common.sealing import SealContext, Sealer, with_first
from lethe_common.storage import ObjectMissing, Storage
from lethe_gateway.callers import Caller, Callers
from lethe_gateway.errors import BadRequest, Gone, NotFound, RangeBeyond
from lethe_gateway.gallery import Gallery
from lethe_gateway.item_keys import ItemKeys

_VARIANTS = frozenset({"video", "thumbnail", "spritesheet"})
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_NAMES = {"video/mp4": "mp4", "image/webp": "webp", "image/jpeg": "jpg", "image/png": "png"}


Stream = Callable[[int, int], Awaitable[AsyncGenerator[bytes, None]]]
"""Opens the bytes [start, end) of a file."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A file as it is told of; `headers` are those of every answer about it, its ETag among them."""

    size_bytes: int
    media_type: str
    headers: dict[str, str]


class Contents:
    """Finds a generation's asset and opens it."""

    def __init__(self, bus: Bus, gallery: Gallery, keys: ItemKeys, sealer: Sealer, storage: Storage) -> None:
        self._bus, self._gallery, self._keys = bus, gallery, keys
        self._sealer, self._storage = sealer, storage

    async def locate(self, caller: Caller, generation_id: str, variant: str) -> LocatedAsset:
        """The asset of this variant.

        Raises:
            BadRequest: the generation has no output yet.
            NotFound: there is no such generation or variant.
            Gone: it was removed, or its time is over.
        """
        if variant not in _VARIANTS:
            raise BadRequest("A variant is video, thumbnail or spritesheet.", param="variant")
        row = await self._gallery.get(caller, generation_id)
        if row["state"] != "completed":
            raise BadRequest("There is no output yet. Wait until its status is completed.", code="video_not_ready")
        question = AssetLocateQuestion(
            generation_id=GenerationId.trusted(row["generation_id"]), subject_ref=SubjectRef(caller.subject_ref)
        )
        assets = (await self._bus.ask(AssetLocate, question)).assets
        if not assets:
            raise Gone("Its output has been removed.")
        found = next((asset for asset in assets if asset.variant == variant), None)
        if found is None:
            raise NotFound("There is no such variant of this video.")
        return found

    async def stream(
        self, caller: Caller, generation_id: str, asset: LocatedAsset, start: int, end: int
    ) -> AsyncGenerator[bytes, None]:
        """The bytes [start, end), the first piece already opened, so that a failure still gets its own status.

        Raises:
            Gone: key or object are no more.
            Unavailable: storage or key service are away.
        """
        held = await self._keys.lease(Purpose.SERVE, caller.subject_ref, generation_id)
        context = SealContext(f"output.{asset.variant}", caller.subject_ref, generation_id, asset.key_id)

        def fetch(offset: int, length: int) -> AsyncGenerator[bytes, None]:
            return self._storage.get_range(asset.object_key, offset, length)

        opened = self._sealer.open_range(held.key, context, asset.sealed_size_bytes, fetch, start, end)
        try:
            first = await anext(opened, b"")
        except ObjectMissing as error:
            raise Gone("Its output has been removed.") from error
        return with_first(first, opened)


def content_routes(callers: Callers, contents: Contents) -> APIRouter:
    """Downloads."""
    router = APIRouter(prefix="/v1/videos")

    @router.head("/{generation_id}/content", include_in_schema=False)
    @router.get("/{generation_id}/content")
    async def download(request: Request, generation_id: str) -> Response:
        caller = await callers.of(request)
        asset = await contents.locate(caller, generation_id, request.query_params.get("variant", "video"))
        etag = f'"{asset.asset_id}-1"'
        headers = {
            "ETag": etag,
            "Accept-Ranges": "bytes",
            "Cache-Control": "private, no-store",
            "Content-Disposition": f'inline; filename="{generation_id}.{_NAMES.get(asset.media_type, "bin")}"',
        }
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        whole = Whole(asset.size_bytes, asset.media_type, headers)
        return await sent(request, whole, partial(contents.stream, caller, generation_id, asset))

    return router


async def sent(request: Request, whole: Whole, stream: Stream) -> Response:
    """What is asked for of a file: all, a range, or by HEAD what is said of all, for which no object and no key is asked.

    Raises:
        RangeBeyond: there are not so many bytes.
    """
    headers, size = dict(whole.headers), whole.size_bytes
    if request.method == "HEAD":
        # A range means something with GET only (RFC 9110, section 14.2).
        headers["Content-Length"] = str(size)
        return Response(headers=headers, media_type=whole.media_type)
    wanted = wanted_range(request.headers.get("range"), request.headers.get("if-range"), headers["ETag"], size)
    if wanted is None:
        raise RangeBeyond(size)
    start, end, is_part = wanted
    headers["Content-Length"] = str(end - start)
    if is_part:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return StreamingResponse(await stream(start, end), 206 if is_part else 200, headers, media_type=whole.media_type)


def wanted_range(header: str | None, if_range: str | None, etag: str, size: int) -> tuple[int, int, bool] | None:
    """(start, end, is part) of a Range header (RFC 9110, section 14); None when it cannot be satisfied.

    What is not one range of bytes, or is meant for another revision, is answered whole.
    """
    match = _RANGE.fullmatch(header.replace(" ", "")) if header else None
    if match is None or (if_range is not None and if_range != etag) or match.groups() == ("", ""):
        return 0, size, False
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return 0, size, False
    return (start, end, True) if start < end else None
