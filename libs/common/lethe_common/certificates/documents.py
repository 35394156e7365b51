"""Certificates of erasure as files: written down once, checked offline byte for byte.

A certificate is `{"key_id", "log", "payload", "signature"}` in RFC 8785 canonical
JSON: a signed statement (`signatures`) and its place in the log (`log`). What differs
from the form in which it was issued does not pass, even where the meaning is the same.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

import rfc8785
from pydantic import JsonValue

from lethe_common.certificates.log import Head, check_entry, check_other_head
from lethe_common.certificates.reasons import CertificateInvalid, Reason
from lethe_common.certificates.signatures import payload_of, public_key

ERASURE_FORMAT: Final = "lethe.erasure-certificate/1"
FINAL_FORMAT: Final = "lethe.erasure-final/1"
MAX_DOCUMENT_BYTES = 1024 * 1024
_LOG = "log"


@dataclass(frozen=True, slots=True)
class Checked:
    """A certificate that passed, and the heads of the log it was checked against."""

    payload: dict[str, JsonValue]
    head: Head
    other_head: Head | None


def issued(signed: Mapping[str, JsonValue], logged: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The certificate of a signed statement that has its place in the log."""
    return {**signed, _LOG: dict(logged)}


def render(certificate: Mapping[str, JsonValue]) -> bytes:
    """The bytes a certificate is kept, sent and checked in. No newline at the end."""
    return rfc8785.dumps(dict(certificate))


def verify(document: bytes, public_key_pem: bytes, other_head: bytes | None = None) -> Checked:
    """Check a certificate that is exactly as it was issued by the key's owner, and another head of the log if given.

    Raises:
        CertificateInvalid: it does not pass; the reason says in which way.
    """
    key = public_key(public_key_pem)
    certificate = _parse(document)
    if not isinstance(certificate, dict) or _LOG not in certificate:
        raise CertificateInvalid(Reason.UNKNOWN_FORMAT)
    signed = {name: value for name, value in certificate.items() if name != _LOG}
    payload = payload_of(signed, _format_of(signed), key)
    try:
        is_as_issued = render(certificate) == document
    except ValueError as error:
        raise CertificateInvalid(Reason.UNKNOWN_FORMAT) from error
    if not is_as_issued:
        raise CertificateInvalid(Reason.CHANGED_BYTES)
    head = check_entry(signed, certificate[_LOG], key)
    other = None if other_head is None else check_other_head(head, _parse(other_head), key)
    return Checked(payload, head, other)


def verify_document(document: Mapping[str, JsonValue], public_key_pem: str) -> dict[str, JsonValue]:
    """The payload of a certificate that arrived as parsed JSON; the bytes it came in are not checked.

    Raises:
        CertificateInvalid: it does not pass.
    """
    try:
        canonical = render(document)
    except ValueError as error:
        raise CertificateInvalid(Reason.UNKNOWN_FORMAT) from error
    return verify(canonical, public_key_pem.encode()).payload


def _format_of(signed: Mapping[str, JsonValue]) -> str:
    """Which of the two kinds of certificate it says it is; what it says is signed."""
    payload = signed.get("payload")
    is_final = isinstance(payload, dict) and payload.get("format") == FINAL_FORMAT
    return FINAL_FORMAT if is_final else ERASURE_FORMAT


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
