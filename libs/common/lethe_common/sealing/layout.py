"""How a sealed object lies in bytes, and where a range of its plaintext is.

    header   magic (4) | version (1) | segment size (4) | key id (16) | object id (16)
             | nonce prefix (7) | plaintext length (8, all ones when unknown while sealing)
    segment  up to 64 KiB of ciphertext | tag (16)       … the last one may be shorter

The plaintext's size follows from the sealed size alone, so a range needs no index.
Only an empty object has an empty segment: its only one, and its last.
"""

import os
from dataclasses import dataclass
from typing import Self

from lethe_common.identifiers import SealKeyId
from lethe_common.sealing.context import KEY_ID_BYTES, TAG_BYTES, key_id_bytes, key_id_from_bytes
from lethe_common.sealing.errors import CannotOpen

SEGMENT_BYTES = 64 * 1024
SEALED_SEGMENT_BYTES = SEGMENT_BYTES + TAG_BYTES
PREFIX_BYTES = 7
CLEAR, SEALED = 0, 1
_OBJECT_ID_BYTES = 16
_LENGTH_BYTES = 8
_UNKNOWN_LENGTH = (1 << 8 * _LENGTH_BYTES) - 1
_MAGIC = b"LTHE"
_FIXED_BYTES = len(_MAGIC) + 1 + 4
HEADER_BYTES = _FIXED_BYTES + KEY_ID_BYTES + _OBJECT_ID_BYTES + PREFIX_BYTES + _LENGTH_BYTES
MAX_SEGMENTS = 1 << 32
"""The segment's index has 4 bytes in its nonce: 256 TiB."""


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the segments. Every bit of it is bound into each of them."""

    version: int
    key_id: SealKeyId
    object_id: bytes
    nonce_prefix: bytes
    plain_size_bytes: int | None

    @classmethod
    def fresh(cls, version: int, key_id: SealKeyId, plain_size_bytes: int | None) -> Self:
        """A header for a new object, with its own randomness."""
        return cls(version, key_id, os.urandom(_OBJECT_ID_BYTES), os.urandom(PREFIX_BYTES), plain_size_bytes)

    def to_bytes(self) -> bytes:
        length = _UNKNOWN_LENGTH if self.plain_size_bytes is None else self.plain_size_bytes
        return b"".join(
            (
                _fixed(self.version),
                key_id_bytes(self.key_id),
                self.object_id,
                self.nonce_prefix,
                length.to_bytes(_LENGTH_BYTES, "big"),
            )
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read what `to_bytes` wrote; nothing of it is authenticated yet.

        Raises:
            CannotOpen: these bytes are no header of a known format.
        """
        version = raw[len(_MAGIC)] if len(raw) == HEADER_BYTES else None
        if version not in (CLEAR, SEALED) or raw[:_FIXED_BYTES] != _fixed(version):
            raise CannotOpen("it is not a sealed object of a known format")
        ids, tail = raw[_FIXED_BYTES : -PREFIX_BYTES - _LENGTH_BYTES], raw[-PREFIX_BYTES - _LENGTH_BYTES :]
        length = int.from_bytes(tail[PREFIX_BYTES:], "big")
        return cls(
            version=version,
            key_id=key_id_from_bytes(ids[:KEY_ID_BYTES]),
            object_id=ids[KEY_ID_BYTES:],
            nonce_prefix=tail[:PREFIX_BYTES],
            plain_size_bytes=None if length == _UNKNOWN_LENGTH else length,
        )


@dataclass(frozen=True, slots=True)
class Window:
    """The segments that hold a plaintext range: `first` to `last`, both included."""

    first: int
    last: int
    final: int
    sealed_size_bytes: int

    @classmethod
    def of(cls, sealed_size_bytes: int, start: int, end: int) -> Self:
        """The window of plaintext [start, end); one segment when the range is empty."""
        final = segments_of(plain_size(sealed_size_bytes)) - 1
        first = min(start // SEGMENT_BYTES, final)
        return cls(first, max(first, (end - 1) // SEGMENT_BYTES), final, sealed_size_bytes)

    @property
    def offset(self) -> int:
        """Where its first segment begins in the sealed object."""
        return HEADER_BYTES + self.first * SEALED_SEGMENT_BYTES

    @property
    def length(self) -> int:
        """How many sealed bytes it covers."""
        end = HEADER_BYTES + (self.last + 1) * SEALED_SEGMENT_BYTES
        return min(end, self.sealed_size_bytes) - self.offset


def segments_of(plain_size_bytes: int) -> int:
    """How many segments a plaintext needs: one at least."""
    return max(1, -(-plain_size_bytes // SEGMENT_BYTES))


def sealed_size(plain_size_bytes: int) -> int:
    """How many bytes an object of this plaintext size takes."""
    return HEADER_BYTES + plain_size_bytes + segments_of(plain_size_bytes) * TAG_BYTES


def plain_size(sealed_size_bytes: int) -> int:
    """How many bytes of plaintext an object of this sealed size holds.

    Raises:
        CannotOpen: no object has this size, so it was cut or extended.
    """
    body = sealed_size_bytes - HEADER_BYTES
    size = body - -(-body // SEALED_SEGMENT_BYTES) * TAG_BYTES
    if size < 0 or sealed_size(size) != sealed_size_bytes:
        raise CannotOpen("no sealed object has this size")
    return size


def _fixed(version: int) -> bytes:
    return _MAGIC + bytes((version,)) + SEGMENT_BYTES.to_bytes(4, "big")
