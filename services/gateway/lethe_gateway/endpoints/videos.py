"""/v1/videos: OpenAI's Videos contract, so that its SDK works here unchanged."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Literal

import asyncpg
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lethe_common.policy import Catalogue
from lethe_gateway import multipart
from lethe_gateway.callers import Callers
from lethe_gateway.endpoints.bodies import must_have_no_nul, read, read_query, reply
from lethe_gateway.errors import BadRequest, WrongMediaType
from lethe_gateway.gallery import RUNNING, Gallery, Removal
from lethe_gateway.intake import Intake, Ticket
from lethe_gateway.media import Pictures
from lethe_gateway.numbers import whole
from lethe_gateway.positions import Positions
from lethe_gateway.queries import Acceptance
from lethe_gateway.schemas import Deleted, DeletionWaits, Page, Video, unix, video_of
from lethe_gateway.submissions import Reference, Submission, VideoCreate, refusal_of, submission
from lethe_gateway.watchers import Watchers

Charge = Literal["only_if_it_completes_first", "settling", "as_charged", "none"]
_KNOWN = frozenset(VideoCreate.model_fields)
_LONGEST_KEY = 255
_DELETE_AGAIN_SECONDS = 2
_HELD_AGAIN_SECONDS = 24 * 3600


class PageQuery(BaseModel):
    """The query of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=20, ge=1)
    order: Literal["asc", "desc"] = "desc"
    after: str | None = Field(default=None, pattern="^video_[0-9a-f]{32}$")
    status: Literal["queued", "in_progress", "completed", "failed"] | None = None


def video_routes(
    callers: Callers,
    intake: Intake,
    gallery: Gallery,
    watchers: Watchers,
    positions: Positions,
    catalogue: Catalogue,
    unreadable_by: Callable[[], datetime],
    pictures: Pictures,
    *,
    page_most: int,
    upload_limit_bytes: int,
) -> APIRouter:
    """Create, retrieve, list, cancel and delete."""
    router = APIRouter(prefix="/v1/videos")
    form_limits = multipart.FormLimits(files=1, file_bytes=upload_limit_bytes)

    @router.post("")
    async def create(request: Request) -> Response:
        caller = await callers.of(request)
        caller.must_be_active()
        wanted = await _submission(request, catalogue, form_limits, pictures)
        accepted = await intake.accept(caller, wanted, _ticket(request))
        if isinstance(accepted, Acceptance):
            return reply(_accepted(accepted, wanted.prompt))
        return reply(video_of(accepted, prompt=wanted.prompt))

    @router.get("")
    async def list_videos(request: Request) -> Response:
        caller = await callers.of(request)
        query = read_query(request, PageQuery)
        limit = min(query.limit, page_most)
        rows, has_more = await gallery.page(
            caller, query.after, limit, is_ascending=query.order == "asc", state=query.status
        )
        prompts = await gallery.prompts(caller, rows)
        data = [
            video_of(row, percent=watchers.percent(row["generation_id"]), prompt=prompt)
            for row, prompt in zip(rows, prompts, strict=True)
        ]
        ends = (data[0].id, data[-1].id) if data else (None, None)
        return reply(Page(data=data, first_id=ends[0], last_id=ends[1], has_more=has_more))

    @router.get("/{generation_id}")
    async def retrieve(request: Request, generation_id: str) -> Response:
        caller = await callers.of(request)
        row = await gallery.get(caller, generation_id)
        is_running = row["state"] in RUNNING
        # A poll wants to know how far it is; each look at a prompt is logged, so polls under way do without.
        is_poll = is_running and request.headers.get("x-stainless-poll-helper") is not None
        prompt = None if is_poll else (await gallery.prompts(caller, [row]))[0]
        headers = None
        if is_running:
            headers = {"openai-poll-after-ms": str(await positions.poll_after_ms(row))}
        return reply(video_of(row, percent=watchers.percent(generation_id), prompt=prompt), 200, headers)

    _ending_routes(router, callers, gallery, watchers, unreadable_by)
    return router


def _ending_routes(
    router: APIRouter, callers: Callers, gallery: Gallery, watchers: Watchers, unreadable_by: Callable[[], datetime]
) -> None:
    @router.post("/{generation_id}/cancel")
    async def cancel(request: Request, generation_id: str) -> Response:
        caller = await callers.of(request)
        row, is_asked = await gallery.cancel(caller, generation_id)
        video = video_of(row, percent=watchers.percent(generation_id)).model_dump(mode="json")
        charge = charge_of(row["state"], row["credits_charged"])
        return JSONResponse({**video, "is_cancelling": is_asked, "charge": charge})

    @router.delete("/{generation_id}")
    async def delete(request: Request, generation_id: str) -> Response:
        caller = await callers.of(request)
        removal = await gallery.remove(caller, generation_id)
        if removal is Removal.VERIFIED:
            return reply(Deleted(id=generation_id, deleted=True, unreadable_by=unix(unreadable_by())))
        wait = _HELD_AGAIN_SECONDS if removal is Removal.HELD else _DELETE_AGAIN_SECONDS
        return reply(DeletionWaits(id=generation_id, reason=removal), 202, {"Retry-After": str(wait)})


async def _submission(
    request: Request, catalogue: Catalogue, form_limits: multipart.FormLimits, pictures: Pictures
) -> Submission:
    """The request's body, checked whole before anything is held or stored."""
    kind = request.headers.get("content-type", "")
    name = kind.partition(";")[0].strip().lower()
    if name == "application/json":
        return submission(catalogue, await read(request, VideoCreate), None)
    if name != "multipart/form-data":
        raise WrongMediaType("Send JSON or multipart/form-data.")
    form = multipart.parse(kind, await request.body(), form_limits)
    must_have_no_nul(form.fields)
    if any(field.startswith("input_reference[") for field in form.fields):
        # How the SDK spells {image_url: …} in a form.
        raise BadRequest(
            "References by image_url or file_id are not offered yet. Send the image itself as a file part.",
            param="input_reference",
            code="reference_not_supported",
        )
    if "input_reference" in form.fields:
        raise BadRequest("Send the reference image as a file part.", param="input_reference")
    if form.files.keys() - {"input_reference"}:
        raise BadRequest("The form has a file that is not known here. Remove it.", code="unknown_field")
    try:
        wanted = VideoCreate.model_validate(form.fields)
    except ValidationError as error:
        raise refusal_of(error, _KNOWN) from None
    checked = submission(catalogue, wanted, None)
    if not form.files:
        return checked
    data = form.files["input_reference"].data
    image = await pictures.clean(data)
    return submission(catalogue, wanted, Reference(image.data, image.media_type, hashlib.sha256(data).hexdigest()))


def _ticket(request: Request) -> Ticket:
    key = request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= _LONGEST_KEY:
        raise BadRequest(f"An Idempotency-Key has 1 to {_LONGEST_KEY} characters.", code="invalid_idempotency_key")
    retries = whole(request.headers.get("x-stainless-retry-count", ""))
    return Ticket(key, bool(retries))


def _accepted(new: Acceptance, prompt: str) -> Video:
    return Video(
        id=new.generation_id,
        model=new.model,
        status="queued",
        progress=0,
        created_at=unix(new.created_at),
        seconds=str(new.seconds),
        size=f"{new.width_px}x{new.height_px}",
        credits_held=new.credits_held,
        prompt=prompt,
    )


def charge_of(state: str, credits_charged: int | None) -> Charge:
    """What a generation costs that is asked to stop, as far as it is known; the ledger has the last word."""
    if state in RUNNING:
        return "only_if_it_completes_first"
    if credits_charged:
        return "as_charged"
    # A completion is heard of before its charge may be.
    return "settling" if state == "completed" and credits_charged is None else "none"


def shown(row: asyncpg.Record, watchers: Watchers) -> Video:
    """A generation as streams show it: without its prompt."""
    return video_of(row, percent=watchers.percent(row["generation_id"]))
