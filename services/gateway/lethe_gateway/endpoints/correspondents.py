"""/v1/privacy/links: a link by mail to the rights desk, for who has no session. The answer is the same for every address."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from lethe_gateway.blinding import Blinding, normal_email
from lethe_gateway.browser import set_cookie
from lethe_gateway.callers import Callers
from lethe_gateway.correspondents import Correspondents
from lethe_gateway.endpoints.accounts import address_of
from lethe_gateway.endpoints.bodies import read
from lethe_gateway.schemas import LinkUse, LinkWish
from lethe_gateway.throttle import Throttle


def correspondent_routes(
    correspondents: Correspondents, callers: Callers, blinding: Blinding, links: Throttle, *, is_https: bool
) -> APIRouter:
    """Asking for a link, and coming by it."""
    router = APIRouter(prefix="/v1/privacy/links")

    @router.post("")
    async def ask(request: Request) -> Response:
        body = await read(request, LinkWish)
        links.admit(blinding.throttle_key("link", address_of(request)))
        links.admit(blinding.throttle_key("link", normal_email(body.email)))
        await correspondents.invite(body.email)
        return JSONResponse({"message": "A mail with a link is on its way to this address."}, 202)

    @router.post("/confirm")
    async def come(request: Request) -> Response:
        callers.must_be_own_site(request)
        body = await read(request, LinkUse)
        links.admit(blinding.throttle_key("confirm", address_of(request)))
        entered = await correspondents.enter(body.token, body.fact)
        response = JSONResponse({"object": "session", "is_account": entered.is_account}, 201)
        set_cookie(response, callers.cookie, entered.token, entered.period, is_https=is_https)
        return response

    return router
