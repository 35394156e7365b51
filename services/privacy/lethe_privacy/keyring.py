"""The keyring: epoch keys and the index key, outside Postgres.

A port: the folder adapter keeps the keys itself, a vault or a cloud's key service
would wrap and unwrap without ever handing them out. So everything that needs one
of these keys happens behind the port, in batches.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Protocol

from lethe_common.identifiers import SealKeyId
from lethe_common.sealing import SealContext


class Keyring(Protocol):
    """Where epoch keys live. A context's `key_id` names the epoch key around what is wrapped."""

    destroy_delay: timedelta
    """How long after `destroy` a key may still exist; part of the forgetting horizon."""

    async def epoch_of(self, day: date) -> SealKeyId:
        """The epoch whose key wraps what is made on this day; made when there is none yet."""
        ...

    async def wrap(self, keys: Sequence[tuple[SealContext, bytes]]) -> list[bytes]:
        """Wrap 32-byte keys.

        Raises:
            EpochUnknown: an epoch is not here.
        """
        ...

    async def unwrap(self, wrapped: Sequence[tuple[SealContext, bytes]]) -> list[bytes]:
        """The 32-byte keys inside.

        Raises:
            EpochUnknown: an epoch is not here.
            CannotOpen: something was not wrapped so.
        """
        ...

    async def index_digest(self, login_index: bytes) -> bytes:
        """HMAC-SHA256 of a login's index under the index key, 32 bytes."""
        ...

    async def destroy(self, epoch_id: SealKeyId) -> None:
        """Destroy an epoch's key. Destroying what is gone does nothing."""
        ...
