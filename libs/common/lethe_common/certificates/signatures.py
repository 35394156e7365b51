"""Signed statements: `{"key_id", "payload", "signature"}` around a JSON payload.

The signature is Ed25519 (RFC 8032) over the payload in RFC 8785 canonical JSON, in
lower-case hex; `key_id` is the first 16 bytes of SHA-256 of the raw public key.
"""

import hashlib
import re
from collections.abc import Mapping

import rfc8785
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from pydantic import JsonValue

from lethe_common.certificates.reasons import CertificateInvalid, Reason
from lethe_common.errors import ConfigurationError

_MEMBERS = {"key_id", "payload", "signature"}
_SIGNATURE = re.compile(r"[0-9a-f]{128}")
_KEY_ID_BYTES = 16


def sign(payload: Mapping[str, JsonValue], key: Ed25519PrivateKey) -> dict[str, JsonValue]:
    """A payload, signed.

    Raises:
        ValueError: the payload has no canonical form (RFC 8785): a NaN, an integer beyond 2^53-1, a lone surrogate.
    """
    signature = key.sign(rfc8785.dumps(dict(payload)))
    return {"key_id": key_id(key.public_key()), "payload": dict(payload), "signature": signature.hex()}


def payload_of(signed: JsonValue, format_: str, key: Ed25519PublicKey) -> dict[str, JsonValue]:
    """The payload of a signed statement of a format, whose signature was checked.

    Raises:
        CertificateInvalid: it is another format, another key's, or was changed.
    """
    if not isinstance(signed, dict) or signed.keys() != _MEMBERS:
        raise CertificateInvalid(Reason.UNKNOWN_FORMAT)
    payload, signature = signed["payload"], signed["signature"]
    if not isinstance(payload, dict) or payload.get("format") != format_:
        raise CertificateInvalid(Reason.UNKNOWN_FORMAT)
    if not isinstance(signature, str) or _SIGNATURE.fullmatch(signature) is None:
        raise CertificateInvalid(Reason.WRONG_SIGNATURE)
    if signed["key_id"] != key_id(key):
        raise CertificateInvalid(Reason.OTHER_KEY)
    try:
        key.verify(bytes.fromhex(signature), rfc8785.dumps(payload))
    except InvalidSignature as error:
        raise CertificateInvalid(Reason.WRONG_SIGNATURE) from error
    except ValueError as error:
        raise CertificateInvalid(Reason.UNKNOWN_FORMAT) from error
    return payload


def key_id(public_key: Ed25519PublicKey) -> str:
    """How statements name the key that signed them: 32 hex digits."""
    raw = public_key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).digest()[:_KEY_ID_BYTES].hex()


def public_pem(key: Ed25519PrivateKey) -> str:
    """The public half of a signing key, as it is published."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def public_key(pem: bytes) -> Ed25519PublicKey:
    """The key in a PEM file.

    Raises:
        CertificateInvalid: it is none.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateInvalid(Reason.NO_KEY) from error
    if not isinstance(key, Ed25519PublicKey):
        raise CertificateInvalid(Reason.NO_KEY)
    return key


def signing_key(pem: bytes) -> Ed25519PrivateKey:
    """The signing key in an unencrypted PKCS #8 PEM file.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationError("The signing key file holds no unencrypted PEM private key.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError("The signing key must be an Ed25519 key.")
    return key
