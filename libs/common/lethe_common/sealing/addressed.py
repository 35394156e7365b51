"""Files for whoever holds one key: a header, which is one line of JSON, and a body sealed with the file's own key.

The file's key stands in the header, sealed to the holder's: HPKE, RFC 9180 in base mode, X25519, HKDF-SHA256,
AES-256-GCM, bound to the rest of the header. It tells nobody who made a file.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from lethe_common.errors import LetheError
from lethe_common.identifiers import SealKeyId
from lethe_common.sealing.context import KEY_BYTES

HEADER_BYTES_MOST = 4096
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Addressed:
    """One kind of such files, and how its errors speak: of `file`, of the holder's `key`, and of what makes one."""

    format: str
    file: str
    key: str
    made_by: str
    invalid: type[LetheError]

    def seal(self, said: Mapping[str, object], to: X25519PublicKey) -> tuple[bytes, bytes, SealKeyId]:
        """A new header that says this too, newline and all; the file's key, and its id."""
        key, key_id = secrets.token_bytes(KEY_BYTES), SealKeyId.new()
        plain = {"format": self.format, **said, "key_id": key_id, self._field: key_name(to)}
        sealed = _SUITE.encrypt(key, to, info=_info(plain))
        return json.dumps({**plain, "sealed_key": sealed.hex()}).encode() + b"\n", key, key_id

    def open(self, line: bytes, private: X25519PrivateKey) -> tuple[dict[str, Any], bytes, SealKeyId]:
        """What a header says, the file's key, and its id.

        Raises:
            LetheError: `invalid`: it is no such header, was changed, or is sealed to another key.
        """
        header, ours = self.read(line), key_name(private.public_key())
        try:
            sealed, theirs = bytes.fromhex(header.pop("sealed_key")), header[self._field]
            if theirs != ours:
                raise self.invalid(f"This {self.file} is sealed to the {self.key} {theirs}, and this one is {ours}.")
            return header, _SUITE.decrypt(sealed, private, info=_info(header)), SealKeyId(header["key_id"])
        except (InvalidTag, ValueError, KeyError, TypeError) as error:
            raise self.invalid(f"The header of this {self.file} was changed.") from error

    def read(self, line: bytes) -> dict[str, Any]:
        """What a header says, not yet authenticated.

        Raises:
            LetheError: `invalid`: it is none of this kind.
        """
        try:
            header = json.loads(line)
        except (ValueError, RecursionError):
            header = None
        if not isinstance(header, dict) or header.get("format") != self.format:
            raise self.invalid(f"This file is no {self.file} of a format this version knows.")
        return header

    def private_key(self, pem: bytes) -> X25519PrivateKey:
        """The holder's half.

        Raises:
            LetheError: `invalid`: it is no unencrypted X25519 private key in PEM form.
        """
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise self.invalid("This file holds no unencrypted private key in PEM form.") from error
        if not isinstance(key, X25519PrivateKey):
            raise self.invalid(f"A {self.key} is an X25519 key: `{self.made_by}` makes one.")
        return key

    @property
    def _field(self) -> str:
        return f"{self.key.replace(' ', '_')}_id"


def key_name(public: X25519PublicKey) -> str:
    """How headers name the key they are sealed to: 32 hex digits."""
    return sha256(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).digest()[:_ID_BYTES].hex()


def _info(plain: Mapping[str, Any]) -> bytes:
    return json.dumps(dict(plain), sort_keys=True).encode()
