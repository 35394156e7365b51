"""Password hashes: Argon2id in threads, a few at once, since each takes memory and a core."""

import asyncio
from enum import StrEnum

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError


class PasswordCost(StrEnum):
    """How much work a hash is: one of two published choices, so that no setting makes it too little."""

    RFC_9106 = "rfc9106"
    """64 MiB, three passes, four lanes: the second recommended option of RFC 9106, section 4."""
    OWASP = "owasp"
    """19 MiB, two passes, one lane, an eighth of the work: the least that OWASP's Password Storage Cheat Sheet takes
    (https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html)."""


_HASHERS = {
    PasswordCost.RFC_9106: PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4),
    PasswordCost.OWASP: PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1),
}


class Passwords:
    """Hashes and checks passwords without stopping the event loop."""

    def __init__(self, at_once: int, cost: PasswordCost = PasswordCost.RFC_9106) -> None:
        self._hasher = _HASHERS[cost]
        self._places = asyncio.Semaphore(at_once)
        self._decoy: str | None = None

    async def hash(self, password: str) -> str:
        """The encoded hash, with its own salt and parameters in it: it is checked with these, whatever the cost is then."""
        async with self._places:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def fits(self, encoded: str | None, password: str) -> bool:
        """Whether the password made this hash. Takes as long when there is no hash to compare with, and the cost was always this."""
        if self._decoy is None:
            self._decoy = await self.hash("")
        async with self._places:
            is_right = await asyncio.to_thread(self._verify, encoded or self._decoy, password)
        return is_right and encoded is not None

    def _verify(self, encoded: str, password: str) -> bool:
        try:
            return self._hasher.verify(encoded, password)
        except (VerificationError, InvalidHashError):
            return False
