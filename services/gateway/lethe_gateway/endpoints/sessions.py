"""/v1/sessions: signing in to the studio and out of it, by cookie."""

from datetime import timedelta

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from lethe_gateway.accounts import Accounts
from lethe_gateway.blinding import Blinding, normal_email
from lethe_gateway.browser import drop_cookies, set_cookie
from lethe_gateway.callers import Callers
from lethe_gateway.endpoints.accounts import address_of
from lethe_gateway.endpoints.bodies import read
from lethe_gateway.identity import PASSWORD, Ways
from lethe_gateway.schemas import SignIn
from lethe_gateway.throttle import Throttle


def session_routes(
    accounts: Accounts,
    callers: Callers,
    blinding: Blinding,
    signins: Throttle,
    ways: Ways,
    *,
    period: timedelta,
    is_https: bool,
) -> APIRouter:
    """Sign-in and sign-out. The cookie holds a random value and nothing else."""
    router = APIRouter(prefix="/v1/sessions")

    @router.post("")
    async def sign_in(request: Request) -> Response:
        ways.must_have_offered(PASSWORD)
        callers.must_be_own_site(request)
        body = await read(request, SignIn)
        # Counted by place and by account, so that neither one place nor many can guess quickly.
        signins.admit(blinding.throttle_key("signin", address_of(request)))
        signins.admit(blinding.throttle_key("signin", normal_email(body.email)))
        token, account = await accounts.sign_in(body.email, body.password)
        response = JSONResponse(
            {"object": "session", "account_id": account["account_id"], "state": account["state"]}, 201
        )
        set_cookie(response, callers.cookie, token, period, is_https=is_https)
        return response

    @router.delete("")
    async def sign_out(request: Request) -> Response:
        caller = await callers.of(request)
        if caller.key_id is None:
            await accounts.sign_out(caller)
        response = Response(status_code=204)
        drop_cookies(request, response, callers.cookies, is_https=is_https)
        return response

    return router
