"""Segments in STREAM form (Hoang, Reyhanitabar, Rogaway, Vizár: Online
Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance, CRYPTO 2015).

Each segment's nonce is prefix (7) | index (4) | last (1), under a key made for
this object alone by HKDF-SHA256 (RFC 5869). So a segment opens only at its own
place in its own object, and the last one only as the last.
"""

from collections.abc import Iterator
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lethe_common.sealing.context import KEY_BYTES, TAG_BYTES, SealContext, binding, check_key, length_prefixed
from lethe_common.sealing.errors import CannotOpen
from lethe_common.sealing.layout import MAX_SEGMENTS, SEALED, SEALED_SEGMENT_BYTES, SEGMENT_BYTES, Header


class SegmentCipher(Protocol):
    """Seals and opens one object's segments."""

    def seal(self, index: int, plaintext: bytes, *, is_last: bool) -> bytes:
        """One segment, 16 bytes longer than its plaintext."""
        ...

    def open(self, index: int, sealed: bytes, *, is_last: bool) -> bytes:
        """One segment's plaintext.

        Raises:
            CannotOpen: it is not this object's segment at this place, or was changed.
        """
        ...


def cipher_for(key: bytes, context: SealContext, header: Header) -> SegmentCipher:
    """The cipher of one object; of a version 0 header, one that leaves all in clear."""
    check_key(key)
    return _Stream(key, context, header) if header.version == SEALED else _Clear()


def seal_batch(cipher: SegmentCipher, first: int, plaintext: bytes, *, ends_object: bool) -> bytes:
    """Consecutive segments from `first` on. Only what ends the object may end in a short segment."""
    sealed = []
    for index, position, is_end in _walk(first, len(plaintext), SEGMENT_BYTES):
        if index >= MAX_SEGMENTS:
            raise ValueError("an object has at most 2**32 segments")
        segment = plaintext[position : position + SEGMENT_BYTES]
        sealed.append(cipher.seal(index, segment, is_last=ends_object and is_end))
    return b"".join(sealed)


def open_batch(cipher: SegmentCipher, first: int, sealed: bytes, final: int) -> bytes:
    """The plaintext of consecutive segments from `first` on; `final` is the object's last index.

    Raises:
        CannotOpen: a segment is not this object's at its place, or was changed.
    """
    return b"".join(
        cipher.open(index, sealed[position : position + SEALED_SEGMENT_BYTES], is_last=index == final)
        for index, position, _ in _walk(first, len(sealed), SEALED_SEGMENT_BYTES)
    )


def _walk(first: int, size: int, step: int) -> Iterator[tuple[int, int, bool]]:
    """Index, position and whether it is the end, of each segment in a batch; an empty batch is one segment."""
    for ordinal, position in enumerate(range(0, max(size, 1), step)):
        yield first + ordinal, position, position + step >= size


class _Stream:
    def __init__(self, key: bytes, context: SealContext, header: Header) -> None:
        bound = binding(header.version, context)
        info = length_prefixed(b"lethe.object", bound, header.object_id)
        self._aead = AESGCM(HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(key))
        self._associated = length_prefixed(bound, header.to_bytes())
        self._prefix = header.nonce_prefix

    def seal(self, index: int, plaintext: bytes, *, is_last: bool) -> bytes:
        return self._aead.encrypt(self._nonce(index, is_last=is_last), plaintext, self._associated)

    def open(self, index: int, sealed: bytes, *, is_last: bool) -> bytes:
        try:
            return self._aead.decrypt(self._nonce(index, is_last=is_last), sealed, self._associated)
        except InvalidTag:
            raise CannotOpen("a segment was changed, moved, or sealed for something else") from None

    def _nonce(self, index: int, *, is_last: bool) -> bytes:
        return self._prefix + index.to_bytes(4, "big") + bytes((is_last,))


class _Clear:
    def seal(self, index: int, plaintext: bytes, *, is_last: bool) -> bytes:
        del index, is_last
        return plaintext + bytes(TAG_BYTES)

    def open(self, index: int, sealed: bytes, *, is_last: bool) -> bytes:
        del index, is_last
        return sealed[:-TAG_BYTES]
