"""DELETE /v1/account and what can be asked afterwards without the account."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from lethe_common.certificates import render
from lethe_gateway.blinding import Blinding
from lethe_gateway.browser import drop_cookies
from lethe_gateway.callers import Callers
from lethe_gateway.endpoints.accounts import address_of
from lethe_gateway.endpoints.bodies import read, read_query
from lethe_gateway.erasures import Erasures, Outcome
from lethe_gateway.schemas import Claim, unix
from lethe_gateway.throttle import Throttle

_ASK_AGAIN_SECONDS = 5


class LogQuery(BaseModel):
    """The query of the log of certificates."""

    model_config = ConfigDict(extra="forbid")

    since: int | None = Field(default=None, ge=1, le=2**53)


def erasure_routes(
    erasures: Erasures, callers: Callers, blinding: Blinding, claims: Throttle, *, is_https: bool
) -> APIRouter:
    """Being forgotten, and the proof of it."""
    router = APIRouter(prefix="/v1")

    @router.delete("/account")
    async def erase(request: Request) -> Response:
        caller = await callers.of(request)
        outcome = await erasures.open(caller)
        content = erasure_of(outcome)
        if outcome.certificate is None:
            response = JSONResponse(content, 202, {"Retry-After": str(_ASK_AGAIN_SECONDS)})
        else:
            response = JSONResponse(content)
        drop_cookies(request, response, callers.cookies, is_https=is_https)
        return response

    @router.post("/erasures/status")
    async def status(request: Request) -> Response:
        claims.admit(blinding.throttle_key("claim", address_of(request)))
        answer = await erasures.follow((await read(request, Claim)).claim)
        return JSONResponse(
            {
                "object": "erasure",
                "id": answer.erasure_id,
                "state": answer.state,
                "requested_at": unix(answer.requested_at) if answer.requested_at else None,
                **_certificates(answer.certificate),
                "final_certificate": answer.final_certificate,
            }
        )

    @router.get("/certificates/public-key")
    async def public_key() -> Response:
        return PlainTextResponse(await erasures.public_key(), media_type="application/x-pem-file")

    @router.get("/certificates/log")
    async def log(request: Request) -> Response:
        document = await erasures.log_head(read_query(request, LogQuery).since)
        return Response(render(document), media_type="application/json", headers={"Cache-Control": "no-cache"})

    return router


def erasure_of(outcome: Outcome) -> dict[str, object]:
    """An erasure as whoever asked for it sees it."""
    return {
        "object": "erasure",
        "id": outcome.erasure_id,
        "state": outcome.state,
        # Behind `#`, which browsers keep to themselves: the claim stands in no log and no referrer.
        "link": f"/erasure#{outcome.claim}",
        "claim": outcome.claim,
        **_certificates(outcome.certificate),
    }


def _certificates(certificate: dict[str, Any] | None) -> dict[str, Any]:
    """The certificate, and the end of what it says can still be opened by somebody who has everything: the horizon."""
    if certificate is None:
        return {"certificate": None, "unreadable_by": None}
    at = datetime.fromisoformat(certificate["payload"]["horizon"]["at"])
    return {"certificate": certificate, "unreadable_by": unix(at)}
