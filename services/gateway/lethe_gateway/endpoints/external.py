"""/v1/external and /sign-in/callback: coming in by the provider that the policy declares, and back from it."""

from collections.abc import Callable
from datetime import timedelta

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from lethe_common.clock import Clock
from lethe_common.errors import LetheError
from lethe_common.policy import Policy
from lethe_gateway.accounts import Accounts
from lethe_gateway.adapters.oidc import Provider
from lethe_gateway.blinding import Blinding
from lethe_gateway.browser import drop_cookies, external_cookie, set_cookie
from lethe_gateway.callers import Callers
from lethe_gateway.consents import Answers
from lethe_gateway.endpoints.accounts import address_of
from lethe_gateway.endpoints.bodies import read
from lethe_gateway.endpoints.newcomers import Entrance
from lethe_gateway.errors import NoAccountYet, PolicyChanged, ProviderAway, SignInRefused
from lethe_gateway.external import Given, Journey, begun, cookie_period, keeps_address, kept, resumed, sealed
from lethe_gateway.identity import EXTERNAL, Ways
from lethe_gateway.pages import Pages
from lethe_gateway.schemas import Newcomer
from lethe_gateway.screens import problem_page
from lethe_gateway.throttle import Throttle

CALLBACK = "/sign-in/callback"


class External:
    """The way to the provider and back."""

    def __init__(
        self, provider: Provider, accounts: Accounts, blinding: Blinding, policy: Callable[[], Policy], clock: Clock
    ) -> None:
        self._provider, self._accounts, self._blinding = provider, accounts, blinding
        self._policy, self._clock = policy, clock

    async def begin(self, answers: Answers | None) -> tuple[str, str, timedelta]:
        """Where to go, the cookie to come back with, and how long that may take.

        Raises:
            ProviderAway: the provider does not answer.
        """
        policy = self._policy()
        given = None if answers is None else _given(answers)
        period = cookie_period(policy)
        journey = begun(given, self._clock.now() + period)
        scope = "openid email" if keeps_address(policy) else "openid"
        return await self._provider.address(journey, scope), sealed(journey, self._blinding.journey_key), period

    async def finish(self, code: str | None, state: str | None, cookie: str | None) -> str:
        """A session's token for who came back; a newcomer who answered what is asked gets an account first.

        Raises:
            SignInRefused: it is not what was begun in this browser, or the provider does not vouch for it.
            NoAccountYet, PolicyChanged: somebody new who answered nothing, or other words than now count.
            ProviderAway: the provider does not answer.
        """
        journey = resumed(cookie, state, self._blinding.journey_key, self._clock.now())
        if not code:
            raise SignInRefused
        person = kept(self._policy(), await self._provider.claims(code, journey))
        index = self._blinding.external_index(self._provider.issuer, person.subject)
        token = await self._accounts.enter(index)
        if token is None:
            await self._accounts.open_external(index, self._answers(journey), person.email)
            token = await self._accounts.enter(index)
        if token is None:
            raise NoAccountYet
        return token

    def _answers(self, journey: Journey) -> Answers:
        policy = self._policy()
        if journey.given is None:
            raise NoAccountYet
        if journey.given.policy_hash != policy.hash:
            raise PolicyChanged
        return Answers(policy, journey.given.language, journey.given.wishes)


def _given(answers: Answers) -> Given:
    return Given(policy_hash=answers.policy.hash, language=answers.language, wishes=dict(answers.wishes))


def external_routes(
    external: External,
    entrance: Entrance,
    callers: Callers,
    ways: Ways,
    blinding: Blinding,
    signins: Throttle,
    pages: Pages,
    *,
    session_period: timedelta,
    is_https: bool,
) -> APIRouter:
    """Going to the provider and coming back. Without a body one signs in; with a newcomer's answers an account is opened."""
    router = APIRouter()
    name = external_cookie(is_https=is_https)

    @router.post("/v1/external")
    async def begin(request: Request) -> Response:
        callers.must_be_own_site(request)
        answers = None
        if await request.body():
            entrance.must_be_open(request, EXTERNAL)
            answers = entrance.answers(request, await read(request, Newcomer))
        else:
            ways.must_have_offered(EXTERNAL)
            signins.admit(blinding.throttle_key("signin", address_of(request)))
        url, cookie, period = await external.begin(answers)
        response = JSONResponse({"object": "redirect", "url": url})
        set_cookie(response, name, cookie, period, is_https=is_https)
        return response

    @router.get(CALLBACK, include_in_schema=False)
    async def back(request: Request) -> Response:
        asked = request.query_params
        try:
            token = await external.finish(asked.get("code"), asked.get("state"), request.cookies.get(name))
        except LetheError as error:
            # A browser gets a page that says the next step, a program the error itself. What was begun stays: somebody
            # else's link, opened in between, ends nobody's sign-in.
            kind = "away" if isinstance(error, ProviderAway) else "sign_in"
            page = problem_page(pages, request, error.status, kind)
            if page is None:
                raise
            return page
        response = RedirectResponse("/", 303, {"Cache-Control": "no-store"})
        set_cookie(response, callers.cookie, token, session_period, is_https=is_https)
        drop_cookies(request, response, (name,), is_https=is_https)
        return response

    return router
