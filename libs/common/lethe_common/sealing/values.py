"""Sealed values: AES-256-GCM (NIST SP 800-38D) under an item's key.

    version (1) | key id (16) | nonce (12, random) | ciphertext and tag (16)

Version 0 is the control of the canary scan: version and key id, then the clear
text. It is written and read only while sealing is switched off.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lethe_common.identifiers import SealKeyId
from lethe_common.sealing.context import (
    KEY_ID_BYTES,
    TAG_BYTES,
    SealContext,
    binding,
    check_key,
    key_id_bytes,
    key_id_from_bytes,
)
from lethe_common.sealing.errors import CannotOpen

CLEAR, SEALED = 0, 1
_NONCE_BYTES = 12
_HEAD_BYTES = 1 + KEY_ID_BYTES


def seal_value(key: bytes, context: SealContext, plaintext: bytes) -> bytes:
    """The value sealed under a 32-byte key, 45 bytes longer than it was."""
    check_key(key)
    nonce = os.urandom(_NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, plaintext, binding(SEALED, context))
    return bytes((SEALED,)) + key_id_bytes(context.key_id) + nonce + sealed


def open_value(key: bytes, context: SealContext, sealed: bytes) -> bytes:
    """The value, if it was sealed with this key and in this context.

    Raises:
        CannotOpen: it was not, or it was changed since.
    """
    check_key(key)
    if len(sealed) < _HEAD_BYTES + _NONCE_BYTES + TAG_BYTES or sealed[0] != SEALED:
        raise CannotOpen("it is not a sealed value of a known format")
    if sealed[1:_HEAD_BYTES] != key_id_bytes(context.key_id):
        raise CannotOpen("it was sealed under another key")
    nonce, rest = sealed[_HEAD_BYTES : _HEAD_BYTES + _NONCE_BYTES], sealed[_HEAD_BYTES + _NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, rest, binding(SEALED, context))
    except InvalidTag:
        raise CannotOpen("it was changed, or sealed for something else") from None


def leave_clear(context: SealContext, plaintext: bytes) -> bytes:
    """The value as it is, in version 0."""
    return bytes((CLEAR,)) + key_id_bytes(context.key_id) + plaintext


def read_clear(sealed: bytes) -> bytes:
    """The text of a version 0 value."""
    return sealed[_HEAD_BYTES:]


def is_clear(sealed: bytes) -> bool:
    """Whether this is a version 0 value."""
    return len(sealed) >= _HEAD_BYTES and sealed[0] == CLEAR


def key_id_of(sealed: bytes) -> SealKeyId:
    """Which key a value was sealed under, read from its head and not yet authenticated.

    Raises:
        CannotOpen: this is no sealed value.
    """
    if len(sealed) < _HEAD_BYTES or sealed[0] not in (CLEAR, SEALED):
        raise CannotOpen("it is not a sealed value of a known format")
    return key_id_from_bytes(sealed[1:_HEAD_BYTES])
