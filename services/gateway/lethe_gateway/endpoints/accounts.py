"""/v1/accounts, /v1/account and what mailed links lead to."""

from datetime import datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from lethe_gateway.accounts import Accounts
from lethe_gateway.ages import too_young
from lethe_gateway.blinding import Blinding, normal_email
from lethe_gateway.callers import Callers
from lethe_gateway.consents import Consents
from lethe_gateway.endpoints.bodies import read
from lethe_gateway.errors import TooYoung
from lethe_gateway.schemas import Confirmation, NewPassword, ResetWish, SignUp, unix
from lethe_gateway.screens import language_of
from lethe_gateway.throttle import Lockout, Throttle


def account_routes(
    accounts: Accounts,
    consents: Consents,
    callers: Callers,
    blinding: Blinding,
    signups: Throttle,
    resets: Throttle,
    young: Lockout,
) -> APIRouter:
    """Opening an account, looking at it, confirming an address, setting a new password."""
    router = APIRouter(prefix="/v1")

    @router.post("/accounts")
    async def open_account(request: Request) -> Response:
        signups.admit(blinding.throttle_key("signup", address_of(request)))
        body = await read(request, SignUp)
        language = language_of(request, consents.policy.languages)
        keys = [blinding.throttle_key("young", one) for one in (address_of(request), normal_email(body.email))]
        if young.is_closed(*keys):
            # Who was too young a moment ago is not older now, whatever they say.
            raise too_young(consents.policy)
        try:
            answers = consents.answers_at_sign_up(body.consents, body.policy_version, language, body.age_told)
        except TooYoung:
            young.close(*keys)
            raise
        opened = await accounts.open(body.email, body.password, answers)
        account = _account(opened.account_id, opened.plan, opened.state, opened.created_at, body.email)
        key = {"id": opened.key_id, "object": "api_key", "key": opened.key, "created_at": account["created_at"]}
        return JSONResponse({"account": account, "api_key": key}, 201)

    @router.get("/account")
    async def show_account(request: Request) -> Response:
        row, email = await accounts.show(await callers.of(request))
        return JSONResponse(_account(row["account_id"], row["plan"], row["state"], row["created_at"], email))

    @router.post("/password-resets")
    async def ask_for_reset(request: Request) -> Response:
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


def _account(account_id: str, plan: str, state: str, created_at: datetime, email: str) -> dict[str, object]:
    return {
        "id": account_id,
        "object": "account",
        "email": email,
        "plan": plan,
        "state": state,
        "created_at": unix(created_at),
    }
