"""GCRA throttles (ITU-T I.371), in memory: who is counted is a keyed digest and is never stored."""

import math
from collections import OrderedDict

from lethe_common.clock import monotonic_seconds
from lethe_gateway.errors import TooManyRequests

_KEYS_MOST = 50_000


class Throttle:
    """Lets `limit` requests a period through for each key, evenly or as one burst; 0 lets all through."""

    def __init__(self, limit: int, period_seconds: float) -> None:
        self._limit, self._period_seconds = limit, period_seconds
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def admit(self, key: str, now_seconds: float | None = None) -> None:
        """Count one request.

        Raises:
            TooManyRequests: the key's burst is used up; says how long to wait.
        """
        if not self._limit:
            return
        self._full_at[key] = self._after_one(key, now_seconds)
        self._full_at.move_to_end(key)
        if len(self._full_at) > _KEYS_MOST:
            self._full_at.popitem(last=False)

    def must_have_room(self, key: str, now_seconds: float | None = None) -> None:
        """Ask, and count nothing.

        Raises:
            TooManyRequests: one more request would not be let through; says how long to wait.
        """
        if self._limit:
            self._after_one(key, now_seconds)

    def _after_one(self, key: str, now_seconds: float | None) -> float:
        """Until when the key's burst is used up after one more request."""
        now = monotonic_seconds() if now_seconds is None else now_seconds
        full_at = max(self._full_at.get(key, now), now) + self._period_seconds / self._limit
        wait = full_at - now - self._period_seconds
        if wait > 1e-9:  # noqa: PLR2004  float noise of n equal steps
            raise TooManyRequests(math.ceil(wait))
        return full_at


class Lockout:
    """Remembers keys for a while, in memory: who was turned away does not get in by trying again at once."""

    def __init__(self, period_seconds: float) -> None:
        self._period_seconds = period_seconds
        self._until: OrderedDict[str, float] = OrderedDict()

    def close(self, *keys: str, now_seconds: float | None = None) -> None:
        """Keep these out from now on."""
        now = monotonic_seconds() if now_seconds is None else now_seconds
        for key in keys:
            self._until[key] = now + self._period_seconds
            self._until.move_to_end(key)
        while len(self._until) > _KEYS_MOST:
            self._until.popitem(last=False)

    def is_closed(self, *keys: str, now_seconds: float | None = None) -> bool:
        """Whether any of these is kept out."""
        now = monotonic_seconds() if now_seconds is None else now_seconds
        return any(self._until.get(key, now) > now for key in keys)
