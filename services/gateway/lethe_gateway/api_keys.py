"""API keys: `lethe_sk_` + 43 random letters and digits + 6 of checksum.

The checksum tells a typing error or a stray string from a key without asking the
database, and lets secret scanners find real keys only.
"""

import secrets
import string
import zlib

_PREFIX = "lethe_sk_"
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_LETTERS = 43  # 62^43 is just above 2^256
_CHECK_LETTERS = 6  # 62^6 is above 2^32


def new_key() -> str:
    """A fresh key. It is shown once and kept nowhere."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LETTERS))
    return f"{_PREFIX}{body}{_checksum(body)}"


def is_key(text: str) -> bool:
    """Whether this can be one of our keys at all."""
    if not text.startswith(_PREFIX) or len(text) != len(_PREFIX) + _RANDOM_LETTERS + _CHECK_LETTERS:
        return False
    body, check = text[len(_PREFIX) : -_CHECK_LETTERS], text[-_CHECK_LETTERS:]
    return body.isascii() and body.isalnum() and _checksum(body) == check


def _checksum(body: str) -> str:
    value, letters = zlib.crc32(body.encode()), ""
    for _ in range(_CHECK_LETTERS):
        value, rest = divmod(value, len(_ALPHABET))
        letters = _ALPHABET[rest] + letters
    return letters
