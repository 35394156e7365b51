"""What the pages leave in a visitor's browser: cookies, and nothing else.

The cookie page of the policy is about this list. Scripts keep nothing: a key of
localStorage, sessionStorage, IndexedDB or the Cache is declared here before it may be used.
"""

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from lethe_common.catalogue import Kind, declare, each, held, impersonal
from lethe_common.policy import Policy

SESSION_COOKIE, SECURE_SESSION_COOKIE = "lethe_session", "__Host-lethe_session"
GUEST_COOKIE, SECURE_GUEST_COOKIE = "lethe_guest", "__Host-lethe_guest"
EXTERNAL_COOKIE, SECURE_EXTERNAL_COOKIE = "lethe_external", "__Host-lethe_external"
CONSOLE_COOKIE = "lethe_console"
LANGUAGE_COOKIE = "lethe_language"

COOKIES = declare(
    Kind.COOKIE,
    {
        **each(
            (SESSION_COOKIE, SECURE_SESSION_COOKIE, GUEST_COOKIE, SECURE_GUEST_COOKIE),
            held("identity.session", is_sealed=False),
        ),
        # On the way to an external provider and back: a state, a nonce, a verifier and a newcomer's answers.
        **each((EXTERNAL_COOKIE, SECURE_EXTERNAL_COOKIE), held("identity.session")),
        CONSOLE_COOKIE: impersonal("an operator's sign-in, not a visitor's"),
        LANGUAGE_COOKIE: impersonal("en or ru, as the visitor asked for"),
    },
)
STORAGE_KEYS = declare(Kind.BROWSER_KEY, {})


def guest_period(policy: Policy) -> timedelta | None:
    """How long a guest's cookie lasts by the policy's own list; None when it is not on it."""
    lasts = next((cookie.lasts for cookie in policy.content.cookies if cookie.name == GUEST_COOKIE), None)
    return lasts if isinstance(lasts, timedelta) else None


def external_cookie(*, is_https: bool) -> str:
    """The name of the cookie that goes along to an external provider and back."""
    return SECURE_EXTERNAL_COOKIE if is_https else EXTERNAL_COOKIE


def set_cookie(response: Response, name: str, token: str, period: timedelta, *, is_https: bool) -> None:
    """A cookie that no script can read and no other site can send."""
    response.set_cookie(
        name, token, max_age=int(period.total_seconds()), path="/", secure=is_https, httponly=True, samesite="lax"
    )


def drop_cookies(request: Request, response: Response, names: tuple[str, ...], *, is_https: bool) -> None:
    """Take back those of our cookies that came with a request."""
    for name in names:
        if name in request.cookies:
            response.delete_cookie(name, path="/", secure=is_https, httponly=True, samesite="lax")
