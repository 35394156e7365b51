"""Who asks: an API key or a browser's session, looked up in groups and never cached,
so that a revoked key is dead with the commit that revoked it."""

import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import urlsplit

import asyncpg
from starlette.requests import Request

from lethe_common.clock import Clock
from lethe_common.coalescer import Coalescer
from lethe_common.database import Database
from lethe_gateway import account_queries
from lethe_gateway.api_keys import is_key
from lethe_gateway.blinding import digest
from lethe_gateway.errors import ForeignOrigin, NotSignedIn, NotVerified, RequestsOnly

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_LONGEST_TOKEN = 200
CORRESPONDENT = "correspondent"
"""The state of an account that is an address only; see `correspondents.py`."""
OF_CORRESPONDENTS = ("/requests", "/v1/privacy/", "/v1/account", "/v1/sessions")
"""Where they come with their session; everything else is refused."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An account that proved itself, and by what."""

    account_id: str
    subject_ref: str
    plan: str
    state: str
    key_id: str | None
    token_hash: bytes
    seen_on: date
    """The last day of which it is written down that they came."""

    def must_be_active(self) -> None:
        """Raises:
        NotVerified: the address is not confirmed yet.
        RequestsOnly: it is a correspondent's.
        NotSignedIn: the account is being erased.
        """
        if self.state == "unverified":
            raise NotVerified
        if self.state == CORRESPONDENT:
            raise RequestsOnly
        if self.state != "active":
            raise NotSignedIn("This account is being erased.")


class Callers:
    """Recognises callers."""

    def __init__(self, database: Database, clock: Clock, *, cookie: str, guest_cookie: str, public_url: str) -> None:
        self._database, self._clock, self.cookie, self.guest_cookie = database, clock, cookie, guest_cookie
        self.cookies = (cookie, guest_cookie)
        self._origin = _origin_of(public_url)
        self._keys: Coalescer[bytes, Caller | None] = Coalescer(self._by_key)
        self._sessions: Coalescer[bytes, Caller | None] = Coalescer(self._by_session)
        self._used: dict[str, date] = {}
        self._seen: dict[str, date] = {}

    @property
    def workers(self) -> list[Callable[[], Awaitable[None]]]:
        """To be run for ever by the frame."""
        return [self._keys.run, self._sessions.run]

    async def of(self, request: Request) -> Caller:
        """Who sent this.

        Raises:
            NotSignedIn: nobody we know.
            ForeignOrigin: a browser session, used from another site to change something.
            RequestsOnly: a correspondent's session, where it is good for nothing.
        """
        header = request.headers.get("authorization")
        caller = await (self._of_session(request) if header is None else self._of_key(header))
        today = self._clock.now().date()
        if caller.seen_on < today:
            self._seen[caller.account_id] = today
        return caller

    async def _of_session(self, request: Request) -> Caller:
        token = request.cookies.get(self.cookie) or request.cookies.get(self.guest_cookie)
        if not token or len(token) > _LONGEST_TOKEN:
            raise NotSignedIn
        if request.method not in _SAFE_METHODS:
            self.must_be_own_site(request)
        caller = await self._sessions.put(digest(token))
        if caller is None:
            raise NotSignedIn("The session has ended. Sign in again.")
        if caller.state == CORRESPONDENT and not request.url.path.startswith(OF_CORRESPONDENTS):
            raise RequestsOnly
        return caller

    async def has_session(self, request: Request) -> bool:
        """Whether a browser is signed in, for pages that show themselves either way."""
        try:
            return (await self.of(request)).key_id is None
        except (NotSignedIn, RequestsOnly):
            return False

    def must_be_own_site(self, request: Request) -> None:
        """Check what browsers say about where a request comes from (Fetch Metadata, Origin).

        Raises:
            ForeignOrigin: from another site, or the browser does not say.
        """
        must_be_own_site(request, self._origin)

    async def flush(self, _now: datetime) -> None:
        """Write on which day keys were used, and who came; a sweep."""
        (used, self._used), (seen, self._seen) = (self._used, {}), (self._seen, {})
        if not used and not seen:
            return
        async with self._database.transaction() as tx:
            for statement, days in ((account_queries.TOUCH_KEYS, used), (account_queries.TOUCH_ACCOUNTS, seen)):
                for day in set(days.values()):
                    await tx.execute(statement, [one for one, when in days.items() if when == day], day)

    async def _of_key(self, header: str) -> Caller:
        scheme, _, key = header.partition(" ")
        if scheme.lower() != "bearer" or not is_key(key):
            raise NotSignedIn
        caller = await self._keys.put(digest(key))
        if caller is None or caller.key_id is None:
            raise NotSignedIn
        self._used[caller.key_id] = self._clock.now().date()
        return caller

    async def _by_key(self, digests: Sequence[bytes]) -> list[Caller | None]:
        return _in_order(digests, await account_queries.callers_by_key(self._database.pool, digests))

    async def _by_session(self, digests: Sequence[bytes]) -> list[Caller | None]:
        now = self._clock.now()
        return _in_order(digests, await account_queries.callers_by_session(self._database.pool, digests, now))


def must_be_own_site(request: Request, origin: str) -> None:
    """Raises:
    ForeignOrigin: the request comes from another site, or the browser does not say.
    """
    told = request.headers.get("sec-fetch-site")
    if told is not None and told not in {"same-origin", "none"}:
        raise ForeignOrigin
    given = request.headers.get("origin")
    if given is None:
        if told is None:
            raise ForeignOrigin
        return
    host = request.headers.get("host", "")
    try:
        is_own = hmac.compare_digest(given.encode(), origin.encode()) or urlsplit(given).netloc == host
    except ValueError:
        # No address at all, as `http://[`.
        is_own = False
    if not is_own:
        raise ForeignOrigin


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _in_order(digests: Sequence[bytes], rows: Sequence[asyncpg.Record]) -> list[Caller | None]:
    found = {
        bytes(row["token"]): Caller(
            row["account_id"],
            row["subject_ref"],
            row["plan"],
            row["state"],
            row["key_id"],
            bytes(row["token"]),
            row["seen_on"],
        )
        for row in rows
    }
    return [found.get(token) for token in digests]
