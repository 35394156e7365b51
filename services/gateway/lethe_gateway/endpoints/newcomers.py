"""POST /v1/accounts and /v1/guests: the ways in, as the policy offers them."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from lethe_gateway.accounts import Accounts, Opened
from lethe_gateway.ages import too_young
from lethe_gateway.blinding import Blinding, normal_email
from lethe_gateway.browser import set_cookie
from lethe_gateway.callers import Callers
from lethe_gateway.consents import Answers, Consents
from lethe_gateway.endpoints.accounts import account_of, address_of
from lethe_gateway.endpoints.bodies import read
from lethe_gateway.errors import TooYoung
from lethe_gateway.identity import GUEST, PASSWORD, Ways
from lethe_gateway.schemas import Newcomer, SignUp
from lethe_gateway.screens import language_of
from lethe_gateway.throttle import Lockout, Throttle


class Entrance:
    """What all newcomers pass: an offered way, the throttle, the age gate, the consents."""

    def __init__(
        self, consents: Consents, ways: Ways, blinding: Blinding, signups: Throttle, *, age_retry_seconds: float
    ) -> None:
        self._consents, self._ways, self._blinding, self._signups = consents, ways, blinding, signups
        self._young = Lockout(age_retry_seconds)

    def must_be_open(self, request: Request, way: str) -> None:
        """Raises:
        WayNotOffered: the policy does not let people in so.
        TooManyRequests: too many came from there.
        """
        self._ways.must_offer(way)
        self._signups.admit(self._blinding.throttle_key("signup", address_of(request)))

    def answers(self, request: Request, body: Newcomer, *names: str) -> Answers:
        """The answers of somebody who may come in; `names` are what they call themselves by.

        Raises:
            TooYoung, and what else `Consents.answers_at_sign_up` raises.
        """
        language = language_of(request, self._consents.policy.languages)
        keys = [self._blinding.throttle_key("young", one) for one in (address_of(request), *names)]
        if self._young.is_closed(*keys):
            # Who was too young a moment ago is not older now, whatever they say.
            raise too_young(self._consents.policy)
        try:
            return self._consents.answers_at_sign_up(body.consents, body.policy_version, language, body.age_told)
        except TooYoung:
            self._young.close(*keys)
            raise


def newcomer_routes(entrance: Entrance, accounts: Accounts, callers: Callers, *, is_https: bool) -> APIRouter:
    """Coming in with a password, or as a guest."""
    router = APIRouter(prefix="/v1")

    @router.post("/accounts")
    async def open_account(request: Request) -> Response:
        entrance.must_be_open(request, PASSWORD)
        body = await read(request, SignUp)
        answers = entrance.answers(request, body, normal_email(body.email))
        return _opened(await accounts.open(body.email, body.password, answers), body.email)

    @router.post("/guests")
    async def open_guest(request: Request) -> Response:
        entrance.must_be_open(request, GUEST)
        is_browser = _is_browser(request)
        if is_browser:
            callers.must_be_own_site(request)
        answers = entrance.answers(request, await read(request, Newcomer))
        opened, token, period = await accounts.open_guest(answers)
        response = _opened(opened, None)
        if is_browser:
            set_cookie(response, callers.guest_cookie, token, period, is_https=is_https)
        return response

    return router


def _opened(opened: Opened, email: str | None) -> Response:
    account = account_of(opened.account_id, opened.plan, opened.state, opened.created_at, email)
    key = {"id": opened.key_id, "object": "api_key", "key": opened.key, "created_at": account["created_at"]}
    return JSONResponse({"account": account, "api_key": key}, 201)


def _is_browser(request: Request) -> bool:
    """Whether a page sent this: a program keeps the key and needs no cookie."""
    return "origin" in request.headers or "sec-fetch-site" in request.headers
