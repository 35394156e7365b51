"""/v1/account and what mailed links lead to."""

from datetime import datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from lethe_gateway.accounts import Accounts
from lethe_gateway.blinding import Blinding, normal_email
from lethe_gateway.callers import Callers
from lethe_gateway.endpoints.bodies import read
from lethe_gateway.identity import PASSWORD, Ways
from lethe_gateway.schemas import Confirmation, NewPassword, ResetWish, unix
from lethe_gateway.throttle import Throttle


def account_routes(accounts: Accounts, callers: Callers, blinding: Blinding, resets: Throttle, ways: Ways) -> APIRouter:
    """Looking at an account, confirming an address, setting a new password."""
    router = APIRouter(prefix="/v1")

    @router.get("/account")
    async def show_account(request: Request) -> Response:
        row, email = await accounts.show(await callers.of(request))
        return JSONResponse(account_of(row["account_id"], row["plan"], row["state"], row["created_at"], email))

    @router.post("/password-resets")
    async def ask_for_reset(request: Request) -> Response:
        ways.must_have_offered(PASSWORD)
        body = await read(request, ResetWish)
        resets.admit(blinding.throttle_key("reset", address_of(request)))
        resets.admit(blinding.throttle_key("reset", normal_email(body.email)))
        await accounts.ask_for_reset(body.email)
        return JSONResponse({"message": "If there is an account with this address, a mail is on its way."}, 202)

    @router.post("/password-resets/confirm")
    async def reset_password(request: Request) -> Response:
        body = await read(request, NewPassword)
        resets.admit(blinding.throttle_key("confirm", address_of(request)))
        await accounts.reset_password(body.token, body.password)
        return Response(status_code=204)

    @router.post("/email-verifications")
    async def confirm_address(request: Request) -> Response:
        body = await read(request, Confirmation)
        resets.admit(blinding.throttle_key("confirm", address_of(request)))
        await accounts.confirm_address(body.token)
        return Response(status_code=204)

    return router


def address_of(request: Request) -> str:
    """Where a request comes from, for throttles only."""
    return request.client.host if request.client else ""


def account_of(account_id: str, plan: str, state: str, created_at: datetime, email: str | None) -> dict[str, object]:
    """An account as its owner sees it; a guest's has no address."""
    return {
        "id": account_id,
        "object": "account",
        "email": email,
        "plan": plan,
        "state": state,
        "created_at": unix(created_at),
    }
