"""Certificates of erasure: how one is signed, written down and checked offline.

A certificate is `{"key_id", "payload", "signature"}` in RFC 8785 canonical JSON.
The signature is Ed25519 (RFC 8032) over the canonical payload, in lower-case hex;
`key_id` is the first 16 bytes of SHA-256 of the raw public key. A file is checked
byte for byte: what differs from the form in which it was issued does not pass,
even where the meaning is the same.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NoReturn

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

from lethe_common.errors import ConfigurationError, LetheError

ERASURE_FORMAT: Final = "lethe.erasure-certificate/1"
MAX_DOCUMENT_BYTES = 1024 * 1024
_MEMBERS = {"key_id", "payload", "signature"}
_SIGNATURE = re.compile(r"[0-9a-f]{128}")
_KEY_ID_BYTES = 16


class Reason(StrEnum):
    """Why a certificate does not pass, as a sentence for whoever checks it."""

    NO_KEY = "the key is not an Ed25519 public key in PEM form"
    TOO_LARGE = "the file is larger than any certificate"
    NOT_JSON = "the file is not JSON"
    UNKNOWN_FORMAT = "the file is not a certificate of a format this version knows"
    OTHER_KEY = "it was signed with another key than the one given"
    WRONG_SIGNATURE = "the signature does not fit: the content or the signature was changed after signing"
    CHANGED_BYTES = (
        "the signed statement is intact, but the file is not byte for byte what was issued: "
        "it was reformatted or changed around it"
    )


class CertificateInvalid(LetheError):
    """A certificate that does not pass; `reason` says why."""

    code, status = "certificate_invalid", 422

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"The certificate is not valid: {reason}.")
        self.reason = reason


def sign(payload: Mapping[str, JsonValue], key: Ed25519PrivateKey) -> dict[str, JsonValue]:
    """The certificate around a payload.

    Raises:
        ValueError: the payload has no canonical form (RFC 8785): a NaN, an integer beyond 2^53-1, a lone surrogate.
    """
    signature = key.sign(rfc8785.dumps(dict(payload)))
    return {"key_id": key_id(key.public_key()), "payload": dict(payload), "signature": signature.hex()}


def render(certificate: Mapping[str, JsonValue]) -> bytes:
    """The bytes a certificate is kept, sent and checked in. No newline at the end."""
    return rfc8785.dumps(dict(certificate))


def verify(document: bytes, public_key_pem: bytes) -> dict[str, JsonValue]:
    """The payload of a certificate that is exactly as it was issued by the key's owner.

    Raises:
        CertificateInvalid: it is not; the reason says in which way.
    """
    public_key = _public_key(public_key_pem)
    certificate, payload, signature = _parts(_parse(document))
    if certificate["key_id"] != key_id(public_key):
        raise CertificateInvalid(Reason.OTHER_KEY)
    try:
        public_key.verify(signature, rfc8785.dumps(payload))
        is_as_issued = render(certificate) == document
    except InvalidSignature as error:
        raise CertificateInvalid(Reason.WRONG_SIGNATURE) from error
    except ValueError as error:
        raise CertificateInvalid(Reason.UNKNOWN_FORMAT) from error
    if not is_as_issued:
        raise CertificateInvalid(Reason.CHANGED_BYTES)
    return payload


def key_id(public_key: Ed25519PublicKey) -> str:
    """How certificates name the key that signed them: 32 hex digits."""
    raw = public_key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).digest()[:_KEY_ID_BYTES].hex()


def public_pem(key: Ed25519PrivateKey) -> str:
    """The public half of a signing key, as it is published."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


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


def verify_document(document: Mapping[str, JsonValue], public_key_pem: str) -> dict[str, JsonValue]:
    """The payload of a certificate that arrived as parsed JSON; the bytes it came in are not checked.

    Raises:
        CertificateInvalid: the signature does not fit, or was made by another key.
    """
    try:
        canonical = render(document)
    except ValueError as error:
        raise CertificateInvalid(Reason.UNKNOWN_FORMAT) from error
    return verify(canonical, public_key_pem.encode())


def _public_key(pem: bytes) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateInvalid(Reason.NO_KEY) from error
    if not isinstance(key, Ed25519PublicKey):
        raise CertificateInvalid(Reason.NO_KEY)
    return key


def _parse(document: bytes) -> JsonValue:
    if len(document) > MAX_DOCUMENT_BYTES:
        raise CertificateInvalid(Reason.TOO_LARGE)
    try:
        parsed: JsonValue = json.loads(document.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise CertificateInvalid(Reason.NOT_JSON) from error
    return parsed


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and infinities are not JSON")


def _parts(parsed: JsonValue) -> tuple[dict[str, JsonValue], dict[str, JsonValue], bytes]:
    """The certificate, its payload and its signature, once it has the right shape."""
    if not isinstance(parsed, dict) or parsed.keys() != _MEMBERS:
        raise CertificateInvalid(Reason.UNKNOWN_FORMAT)
    payload, signature = parsed["payload"], parsed["signature"]
    if not isinstance(payload, dict) or payload.get("format") != ERASURE_FORMAT:
        raise CertificateInvalid(Reason.UNKNOWN_FORMAT)
    if not isinstance(signature, str) or _SIGNATURE.fullmatch(signature) is None:
        raise CertificateInvalid(Reason.WRONG_SIGNATURE)
    return parsed, payload, bytes.fromhex(signature)
