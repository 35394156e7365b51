"""/v1/privacy/requests: what people ask for by right; and the rights desk of the console."""

from collections.abc import Mapping
from datetime import datetime

import asyncpg
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from lethe_common.database import Database
from lethe_common.identifiers import GenerationId
from lethe_common.policy import Policy
from lethe_common.rpc.requests import RequestAction, RequestKind, is_reserved
from lethe_gateway import account_queries
from lethe_gateway.blinding import Blinding, normal_email
from lethe_gateway.browser import drop_cookies
from lethe_gateway.callers import CORRESPONDENT, Callers
from lethe_gateway.consents import Consents
from lethe_gateway.corrections import Corrections
from lethe_gateway.endpoints.accounts import address_of
from lethe_gateway.endpoints.bodies import read, read_query
from lethe_gateway.endpoints.erasure import erasure_of
from lethe_gateway.erasures import Erasures
from lethe_gateway.errors import BadRequest
from lethe_gateway.gallery import Gallery
from lethe_gateway.mails import Mails
from lethe_gateway.operators import Operators
from lethe_gateway.requests import Decision, Requests, Shown, Wish, depicted_in, must_be_whole
from lethe_gateway.schemas import (
    Confirmation,
    LimitQuery,
    RequestDeed,
    RequestReading,
    RequestsQuery,
    RequestWish,
    unix,
)
from lethe_gateway.screens import language_of
from lethe_gateway.throttle import Throttle

_STAFF = "staff"


def request_routes(
    requests: Requests,
    corrections: Corrections,
    erasures: Erasures,
    consents: Consents,
    callers: Callers,
    blinding: Blinding,
    links: Throttle,
    *,
    is_https: bool,
) -> APIRouter:
    """Filing and following one's own requests."""
    router = APIRouter(prefix="/v1/privacy/requests")

    @router.post("")
    async def file(request: Request) -> Response:
        caller = await callers.of(request)
        body = await read(request, RequestWish)
        wish = _wish(body, request, consents.policy)
        if body.email is not None:
            if body.kind is not RequestKind.CORRECT:
                raise BadRequest("Only a correction names an address. Leave it out.", param="email")
            # Whose address it is is not known yet: nobody may have mails sent to it without end.
            links.admit(blinding.throttle_key("correct", caller.account_id))
            links.admit(blinding.throttle_key("correct", normal_email(body.email)))
            return JSONResponse(own(await corrections.begin(caller, wish, body.email)), 201)
        must_be_whole(wish)
        made = own(await requests.file(caller.subject_ref, wish))
        if body.kind is not RequestKind.ERASE:
            return JSONResponse(made, 201)
        # The request and its dossier go with the account; the erasure's own record and its claim stay.
        response = JSONResponse({**made, "erasure": erasure_of(await erasures.open(caller))}, 202)
        drop_cookies(request, response, callers.cookies, is_https=is_https)
        return response

    @router.get("")
    async def listing(request: Request) -> Response:
        caller = await callers.of(request)
        found = await requests.all_of(caller.subject_ref, read_query(request, LimitQuery).limit)
        return JSONResponse({"object": "list", "data": [own(Shown(one, {})) for one in found]})

    @router.get("/{request_id}")
    async def show(request: Request, request_id: str) -> Response:
        caller = await callers.of(request)
        return JSONResponse(own(await requests.own(caller.subject_ref, request_id)))

    @router.post("/{request_id}/lift")
    async def lift(request: Request, request_id: str) -> Response:
        caller = await callers.of(request)
        return JSONResponse(own(Shown(await requests.lift(caller.subject_ref, request_id), {})))

    @router.post("/{request_id}/close")
    async def close(request: Request, request_id: str) -> Response:
        caller = await callers.of(request)
        closed = await requests.take_back(caller.subject_ref, request_id)
        await corrections.forget(caller, request_id)
        return JSONResponse(own(Shown(closed, {})))

    return router


def correction_routes(corrections: Corrections, blinding: Blinding, links: Throttle) -> APIRouter:
    """POST /v1/address-changes: a new address is confirmed by the mailed link, without signing in."""
    router = APIRouter(prefix="/v1")

    @router.post("/address-changes")
    async def confirm(request: Request) -> Response:
        body = await read(request, Confirmation)
        links.admit(blinding.throttle_key("confirm", address_of(request)))
        await corrections.confirm(body.token)
        return Response(status_code=204)

    return router


def desk_routes(
    requests: Requests, gallery: Gallery, mails: Mails, database: Database, operators: Operators
) -> APIRouter:
    """The rights desk: what is to be answered by when, each with its dossier, and what operators do about it."""
    router = APIRouter(prefix="/api/requests")

    async def answer(found: list[Shown]) -> list[dict[str, object]]:
        rows = await database.pool.fetch(
            account_queries.ACCOUNTS_OF_SUBJECTS, [one.request.subject_ref for one in found]
        )
        accounts = {row["subject_ref"]: row for row in rows}
        return [_for_staff(one, accounts) for one in found]

    @router.get("")
    async def listing(request: Request) -> Response:
        operators.must_be(request)
        query = read_query(request, RequestsQuery)
        found = await requests.listing(query.limit, is_open=not query.all)
        return JSONResponse({"requests": await answer([Shown(one, {}) for one in found])})

    @router.get("/{request_id}")
    async def show(request: Request, request_id: str) -> Response:
        operators.must_be(request)
        return JSONResponse((await answer([Shown(await requests.show(request_id), {})]))[0])

    @router.post("/{request_id}/read")
    async def read_texts(request: Request, request_id: str) -> Response:
        operators.must_be(request)
        body = await read(request, RequestReading)
        return JSONResponse((await answer([await requests.read(request_id, body.operator, body.reason)]))[0])

    @router.post("/{request_id}/{action}")
    async def decide(request: Request, request_id: str, action: RequestAction) -> Response:
        operators.must_be(request)
        body = await read(request, RequestDeed)
        decision = Decision(action, body.operator, body.ground, body.text)
        if body.remove_video:
            await gallery.take_down(depicted_in(await requests.show(request_id), decision), mails)
        decided = await requests.decide(request_id, decision)
        return JSONResponse((await answer([Shown(decided, {})]))[0])

    return router


def own(shown: Shown) -> dict[str, object]:
    """A request as its own person sees it. Who of the staff did what is theirs to know; that they did, the person's."""
    one = shown.request
    return {
        "object": "privacy_request",
        "id": one.request_id,
        "kind": one.kind,
        "state": one.state,
        "video": one.generation_id,
        "received_at": unix(one.received_at),
        "due_at": unix(one.due_at),
        "is_overdue": one.is_overdue,
        "is_restricting": one.is_paused and one.kind is RequestKind.RESTRICT,
        "deleted_at": _unix(one.ends_at),
        "steps": [
            {
                "step": step.step,
                "by": step.actor if is_reserved(step.actor) else _STAFF,
                "at": unix(step.at),
                "ground": step.ground,
                "text": shown.texts.get(step.number),
            }
            for step in one.steps
            if step.step != "warned"
        ],
    }


def _for_staff(shown: Shown, accounts: Mapping[str, asyncpg.Record]) -> dict[str, object]:
    """A request without the reference under which other services know the person; of a correspondent only an address is proved."""
    one = shown.request
    content = one.model_dump(mode="json", exclude={"subject_ref", "steps"})
    steps = [
        {**step.model_dump(mode="json", exclude={"text"}), "text": shown.texts.get(step.number)} for step in one.steps
    ]
    account = accounts.get(one.subject_ref)
    known = {
        "account_id": None if account is None else account["account_id"],
        "is_correspondent": account is not None and account["state"] == CORRESPONDENT,
    }
    return {**content, **known, "steps": steps}


def _wish(body: RequestWish, request: Request, policy: Policy) -> Wish:
    generation_id = None if body.video is None else GenerationId(body.video)
    return Wish(body.kind, language_of(request, policy.languages), generation_id, body.purposes, body.text)


def _unix(moment: datetime | None) -> int | None:
    return None if moment is None else unix(moment)
