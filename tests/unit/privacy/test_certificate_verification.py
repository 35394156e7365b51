import json
from datetime import UTC, datetime
from functools import cache

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from lethe_common.certificates import (
    ERASURE_FORMAT,
    MAX_DOCUMENT_BYTES,
    CertificateInvalid,
    Head,
    Reason,
    entry,
    issued,
    leaf_of,
    public_pem,
    render,
    sign,
    signed_head,
    signing_key,
    verify,
    verify_document,
)
from lethe_common.errors import ConfigurationError

PAYLOAD: dict[str, JsonValue] = {
    "format": ERASURE_FORMAT,
    "certificate_id": "cert_" + "0" * 32,
    "completed_at": "2026-11-22T10:00:00Z",
    "stores": [{"store": "pg:gateway.accounts", "before": 1, "after": 0}, {"store": "Bücher", "before": 2, "after": 0}],
    "residuals": [{"until": None}],
}


@cache
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def logged(payload: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The only certificate of a log: its leaf is the root."""
    signed = sign(payload, key())
    head = signed_head(Head(1, leaf_of(signed)), datetime(2026, 11, 22, 10, tzinfo=UTC), key())
    return issued(signed, entry(0, [], head))


def whole() -> bytes:
    return render(logged(PAYLOAD))


def reason_against(document: bytes, pem: bytes | None = None) -> Reason:
    with pytest.raises(CertificateInvalid) as refusal:
        verify(document, pem if pem is not None else public_pem(key()).encode())
    return refusal.value.reason


def test_a_certificate_as_it_was_issued_passes_and_gives_its_payload() -> None:
    assert verify(whole(), public_pem(key()).encode()).payload == PAYLOAD


def test_a_certificate_that_arrived_as_parsed_json_can_be_checked_too() -> None:
    assert verify_document(json.loads(whole()), public_pem(key())) == PAYLOAD


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_one_changed_byte_anywhere_fails(place: int, flip: int) -> None:
    document = bytearray(whole())
    document[place % len(document)] ^= flip

    reason_against(bytes(document))


def test_every_changed_bit_of_the_signature_and_the_key_id_fails() -> None:
    document = whole()

    for place in [*range(40), *range(len(document) - 150, len(document))]:
        for bit in range(8):
            reason_against(document[:place] + bytes((document[place] ^ 1 << bit,)) + document[place + 1 :])


@given(st.integers(min_value=0), st.binary(min_size=1, max_size=8))
def test_inserted_bytes_fail(place: int, inserted: bytes) -> None:
    document = whole()
    at = place % (len(document) + 1)

    reason_against(document[:at] + inserted + document[at:])


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=64))
def test_removed_bytes_fail(place: int, count: int) -> None:
    document = whole()
    at = place % len(document)

    reason_against(document[:at] + document[at + count :])


@given(st.binary(max_size=200))
def test_no_bytes_whatever_make_the_check_itself_fail(document: bytes) -> None:
    reason_against(document)


def test_what_is_not_json_is_said_to_be_none() -> None:
    assert reason_against(b"") is Reason.NOT_JSON
    assert reason_against(b"\xff\xfe") is Reason.NOT_JSON
    assert reason_against(b'{"payload": NaN}') is Reason.NOT_JSON
    assert reason_against(b"[" * 200_000) is Reason.NOT_JSON


def test_json_that_is_no_certificate_is_said_to_be_none() -> None:
    assert reason_against(b"[]") is Reason.UNKNOWN_FORMAT
    assert reason_against(b'{"payload": {}}') is Reason.UNKNOWN_FORMAT
    assert reason_against(render(logged({**PAYLOAD, "format": "lethe.erasure-certificate/2"}))) is (
        Reason.UNKNOWN_FORMAT
    )
    assert reason_against(render({**logged(PAYLOAD), "note": "added"})) is Reason.UNKNOWN_FORMAT


def test_another_key_is_named_as_the_reason() -> None:
    other = Ed25519PrivateKey.generate()

    assert reason_against(whole(), public_pem(other).encode()) is Reason.OTHER_KEY


def test_a_changed_statement_is_named_as_the_reason() -> None:
    document = json.loads(whole())
    document["payload"]["stores"][0]["after"] = 1

    assert reason_against(rfc8785.dumps(document)) is Reason.WRONG_SIGNATURE


def test_a_number_that_has_no_canonical_form_is_refused() -> None:
    assert reason_against(whole().replace(b'"after":0', b'"after":9007199254740993', 1)) is Reason.UNKNOWN_FORMAT


def test_a_certificate_that_was_only_reformatted_is_told_apart() -> None:
    assert reason_against(json.dumps(json.loads(whole()), indent=2).encode()) is Reason.CHANGED_BYTES
    assert reason_against(whole() + b"\n") is Reason.CHANGED_BYTES


def test_a_repeated_member_does_not_hide_a_change() -> None:
    assert reason_against(whole().replace(b'"after":0', b'"after":7,"after":0', 1)) is Reason.CHANGED_BYTES


def test_a_file_larger_than_any_certificate_is_refused() -> None:
    assert reason_against(b" " * (MAX_DOCUMENT_BYTES + 1)) is Reason.TOO_LARGE


def test_what_is_no_ed25519_public_key_is_named_as_the_reason() -> None:
    exchange = X25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    assert reason_against(whole(), b"no key") is Reason.NO_KEY
    assert reason_against(whole(), exchange) is Reason.NO_KEY


def test_a_signing_key_is_read_from_its_file_and_nothing_else_is() -> None:
    pem = key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    exchange = X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    assert public_pem(signing_key(pem)) == public_pem(key())
    for wrong in (b"", b"no key", exchange):
        with pytest.raises(ConfigurationError):
            signing_key(wrong)
