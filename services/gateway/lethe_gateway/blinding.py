"""Keyed digests of what clients choose: none of it travels or rests in clear.

Each use has its own key, derived from the gateway's pepper, so that a digest of
one kind says nothing about one of another.
"""

import hashlib
import hmac
import unicodedata

import orjson
from pydantic import SecretStr


class Blinding:
    """The gateway's HMACs."""

    def __init__(self, pepper: SecretStr) -> None:
        root = bytes.fromhex(pepper.get_secret_value())
        self._login, self._request, self._body, self._throttle, self._external, self.journey_key, self._letters = (
            hmac.digest(root, use, hashlib.sha256)
            for use in (b"login", b"request", b"body", b"throttle", b"external", b"journey", b"letters")
        )

    def login_index(self, email: str) -> str:
        """What the privacy service knows instead of a (normalised) address."""
        return _hex(self._login, email.encode())

    def external_index(self, issuer: str, subject: str) -> str:
        """The same for who signs in by a provider, which alone knows this name. No address is ever taken for it."""
        return _hex(self._external, issuer.encode() + b"|" + subject.encode())

    def correspondent_index(self, email: str) -> str:
        """The same for who only writes to the rights desk: nothing tells that an account has this address, too."""
        return _hex(self._letters, email.encode())

    def request_key(self, account_id: str, key: str) -> str:
        """An Idempotency-Key of one account."""
        return _hex(self._request, account_id.encode() + b"|" + key.encode())

    def body(self, account_id: str, content: object) -> str:
        """A request's canonical content, within one account."""
        text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
        return _hex(self._body, account_id.encode() + b"|" + text)

    def throttle_key(self, use: str, value: str) -> str:
        """Whom a throttle counts; kept in memory only."""
        return _hex(self._throttle, use.encode() + b"|" + value.encode())


def normal_email(text: str) -> str:
    """An address in the form in which two spellings of it are one: NFKC, trimmed, case folded."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def digest(secret: str) -> bytes:
    """SHA-256 of a secret that is random itself, and so needs no salt."""
    return hashlib.sha256(secret.encode()).digest()


def _hex(key: bytes, message: bytes) -> str:
    return hmac.new(key, message, hashlib.sha256).hexdigest()
