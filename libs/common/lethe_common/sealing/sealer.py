"""The one door to sealing: values and objects, on, or off for the canary control."""

from collections.abc import AsyncGenerator, AsyncIterator

from lethe_common.sealing import layout, objects, values
from lethe_common.sealing.context import SealContext
from lethe_common.sealing.errors import CannotOpen
from lethe_common.sealing.objects import Fetch


class Sealer:
    """Seals under keys that the caller holds a lease for; keeps none itself.

    While off, everything is written in clear in the same layout, and read whether
    clear or sealed. Only the canary control runs so: it shows that the scan finds
    what is not sealed. While on, what is in clear is refused.
    """

    def __init__(self, *, is_on: bool) -> None:
        self._is_on = is_on

    @property
    def is_on(self) -> bool:
        return self._is_on

    def seal(self, key: bytes, context: SealContext, plaintext: bytes) -> bytes:
        """A value sealed with AES-256-GCM; 45 bytes longer (17 while off).

        Raises:
            ValueError: the key is not 32 bytes long.
        """
        if not self._is_on:
            return values.leave_clear(context, plaintext)
        return values.seal_value(key, context, plaintext)

    def open(self, key: bytes, context: SealContext, sealed: bytes) -> bytes:
        """A value, if it was sealed with this key in this context.

        Raises:
            CannotOpen: it was not, or was changed since, or is in clear while sealing is on.
            ValueError: the key is not 32 bytes long.
        """
        if values.is_clear(sealed):
            if self._is_on:
                raise CannotOpen("it is in clear, and sealing is on")
            return values.read_clear(sealed)
        return values.open_value(key, context, sealed)

    def seal_stream(
        self,
        key: bytes,
        context: SealContext,
        chunks: AsyncIterator[bytes],
        plain_size_bytes: int | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """An object sealed as it arrives, `sealed_size(plain size)` bytes long; give its size when it is known.

        Raises:
            CannotSeal: the plaintext is not `plain_size_bytes` long.
            ValueError: the key is not 32 bytes long.
        """
        version = layout.SEALED if self._is_on else layout.CLEAR
        return objects.seal_stream(key, context, chunks, version=version, plain_size_bytes=plain_size_bytes)

    def open_range(
        self,
        key: bytes,
        context: SealContext,
        sealed_size_bytes: int,
        fetch: Fetch,
        start: int = 0,
        end: int | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """The plaintext [start, end) of an object, read through `fetch(offset, length)`.

        Raises:
            CannotOpen: the object was changed, cut or extended, belongs elsewhere, or is in clear while sealing is on.
            ValueError: the range is not inside the object, or the key is not 32 bytes long.
        """
        return objects.open_range(
            key, context, sealed_size_bytes, fetch, start=start, end=end, may_be_clear=not self._is_on
        )
