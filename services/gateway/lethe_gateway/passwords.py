"""Password hashes: Argon2id (RFC 9106) in threads, a few at once, since each takes 64 MiB and a core."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError


class Passwords:
    """Hashes and checks passwords without stopping the event loop."""

    def __init__(self, at_once: int) -> None:
        self._hasher = PasswordHasher()
        self._places = asyncio.Semaphore(at_once)
        self._decoy: str | None = None

    async def hash(self, password: str) -> str:
        """The encoded hash, with its own salt and parameters in it."""
        async with self._places:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def fits(self, encoded: str | None, password: str) -> bool:
        """Whether the password made this hash. Takes as long when there is no hash to compare with."""
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
