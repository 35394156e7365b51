"""Headers of files for the holder of one key: what is none, was changed, or is another's is refused in a sentence."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from lethe_common.errors import LetheError
from lethe_common.sealing.addressed import HEADER_BYTES_MOST, Addressed

KIND = Addressed("lethe.letter/1", "letter", "reader key", "lethe reader new", LetheError)
OURS = X25519PrivateKey.generate()


def changed(**fields: Any) -> bytes:
    line, _, _ = KIND.seal({"of": "June"}, OURS.public_key())
    return json.dumps({**json.loads(line), **fields}).encode()


def test_the_holder_gets_what_it_says_and_the_files_key() -> None:
    line, key, key_id = KIND.seal({"of": "June"}, OURS.public_key())
    header, found, found_id = KIND.open(line, OURS)

    assert (header["of"], found, found_id) == ("June", key, key_id)
    assert len(line) < HEADER_BYTES_MOST
    assert key.hex().encode() not in line


@pytest.mark.parametrize(
    "line",
    [b"", b"no JSON", b"\xff\xfe", b"[]", b"{}", b"[" * HEADER_BYTES_MOST, b'{"format": "lethe.letter/2"}'],
    ids=["nothing", "text", "bytes", "list", "empty", "deep", "newer"],
)
def test_what_is_no_header_of_this_kind_is_refused(line: bytes) -> None:
    with pytest.raises(LetheError, match="is no letter of a format this version knows"):
        KIND.open(line, OURS)


@pytest.mark.parametrize(
    "fields", [{"of": "July"}, {"sealed_key": "00"}, {"sealed_key": 7}, {"key_id": None}, {"more": "words"}], ids=str
)
def test_a_header_that_was_changed_does_not_open(fields: dict[str, Any]) -> None:
    with pytest.raises(LetheError, match="header of this letter was changed"):
        KIND.open(changed(**fields), OURS)


def test_another_key_is_told_which_one_would_open_it() -> None:
    with pytest.raises(LetheError, match=r"is sealed to the reader key [0-9a-f]{32}, and this one is [0-9a-f]{32}"):
        KIND.open(changed(), X25519PrivateKey.generate())


@pytest.mark.parametrize("pem", [b"", b"no key"])
def test_a_file_without_a_key_is_refused(pem: bytes) -> None:
    with pytest.raises(LetheError, match="holds no unencrypted private key"):
        KIND.private_key(pem)
