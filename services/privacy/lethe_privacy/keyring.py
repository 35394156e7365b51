"""The keyring: epoch keys and the index key, outside Postgres.

A port: the folder adapter keeps the keys itself, a vault or a cloud's key service
would wrap and unwrap without ever handing them out. So everything that needs one
of these keys happens behind the port, in batches.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from lethe_common.identifiers import SealKeyId
from lethe_common.sealing import SealContext


class Keyring(Protocol):
    """Where epoch keys live. A context's `key_id` names the epoch key around what is wrapped."""

    destroy_delay: timedelta
    """How long after `destroy` a key may still exist; part of the forgetting horizon."""

    async def new_epoch(self) -> SealKeyId:
        """Begin an epoch: its key is made, stored, and read back."""
        ...

    async def epochs(self) -> frozenset[SealKeyId]:
        """The epochs whose keys are here. What was destroyed elsewhere is forgotten by this."""
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

    async def keys_to_back_up(self, epoch_id: SealKeyId) -> Mapping[str, bytes]:
        """What of the keyring goes into the sealed backup of a generation, by name: its epoch and the index key.

        Nothing where keys never leave the keyring.
        """
        ...

    async def take_back(self, keys: Mapping[str, bytes]) -> None:
        """Put keys of a backup in their places again.

        Raises:
            KeyringBroken: another key is there under one of these names.
        """
        ...
