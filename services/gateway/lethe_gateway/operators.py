"""Who may use the console: whoever has the operator's token, by header or by a session of its own."""

import hmac
import secrets
from datetime import timedelta

from pydantic import SecretStr
from starlette.requests import Request

from lethe_common.clock import monotonic_seconds
from lethe_gateway.blinding import digest
from lethe_gateway.callers import must_be_own_site
from lethe_gateway.errors import NotSignedIn
from lethe_gateway.throttle import Throttle

_SAFE_METHODS = frozenset({"GET", "HEAD"})
_SESSIONS_MOST = 100
_TRIES_A_MINUTE = 10


class Operators:
    """Operator sessions live in this process: a restart signs everybody out."""

    def __init__(self, token: SecretStr, period: timedelta, *, cookie: str) -> None:
        self._token, self.period, self.cookie = digest(token.get_secret_value()), period, cookie
        self._ends: dict[bytes, float] = {}
        self._tries = Throttle(_TRIES_A_MINUTE, 60.0)

    def sign_in(self, request: Request, token: str) -> str:
        """A fresh session's secret.

        Raises:
            NotSignedIn: not the operator's token.
            TooManyRequests: too many wrong tokens.
        """
        must_be_own_site(request, "")
        self._check(request, token)
        now = monotonic_seconds()
        self._ends = {key: end for key, end in self._ends.items() if end > now}
        if len(self._ends) >= _SESSIONS_MOST:
            self._ends.pop(next(iter(self._ends)))
        secret = secrets.token_urlsafe(32)
        self._ends[digest(secret)] = now + self.period.total_seconds()
        return secret

    def sign_out(self, request: Request) -> None:
        """End the session of this request."""
        self._ends.pop(digest(request.cookies.get(self.cookie, "")), None)

    def must_be(self, request: Request) -> None:
        """Raises:
        NotSignedIn: neither the token nor a session that lives.
        TooManyRequests: too many wrong tokens came from there.
        ForeignOrigin: a browser session, used from another site.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            self._check(request, token)
            return
        if not self.has_session(request):
            raise NotSignedIn("Sign in with the operator's token first.")
        if request.method not in _SAFE_METHODS:
            must_be_own_site(request, "")

    def has_session(self, request: Request) -> bool:
        """Whether a browser is signed in, for the page to show itself either way."""
        return self._ends.get(digest(request.cookies.get(self.cookie, "")), 0.0) > monotonic_seconds()

    def _check(self, request: Request, token: str) -> None:
        place = request.client.host if request.client else ""
        # Asked first: whoever has guessed too often does not learn from the answer that one was right.
        self._tries.must_have_room(place)
        if hmac.compare_digest(digest(token), self._token):
            return
        self._tries.admit(place)
        raise NotSignedIn("This is not the operator's token. It stands in the data folder.")
