"""What a trainer is given: one item a file, sealed to the trainer's key, so that whoever carries it can read nothing.

    header   one line of JSON: format, the item's name, the trainer's key's id, the file's key sealed to it (HPKE, hex)
    body     a sealed object (`lethe_common.sealing`) under the file's key: length of the facts (4) | facts, JSON | content

HPKE is RFC 9180 in base mode: X25519, HKDF-SHA256, AES-256-GCM. It tells nobody who made a file.
"""

import json
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from lethe_common.errors import LetheError
from lethe_common.identifiers import SealKeyId
from lethe_common.sealing import KEY_BYTES, CannotOpen, SealContext, Sealer

FORMAT = "lethe.training/1"
HEADER_BYTES_MOST = 4096
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_LENGTH_BYTES, _FACTS_BYTES_MOST = 4, 1 << 20
_ID_BYTES = 16
_NAME = re.compile("[0-9a-f]{32}")
_CATEGORY = "training.item"
# Whatever the suite leaves in clear for its own tests, this leaves it sealed.
_SEALER = Sealer(is_on=True)


class HandoverInvalid(LetheError):
    """A file is no item for a trainer, was changed, or is sealed to another key; or a key is none."""

    code, status = "handover_invalid", 400


@dataclass(frozen=True, slots=True)
class Opened:
    """An item as the trainer reads it: its name, what is said of it, and its content, which is read once."""

    name: str
    facts: dict[str, Any]
    content: AsyncGenerator[bytes, None]


async def sealed(
    name: str, trainer_key: str, facts: Mapping[str, object], content: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    """The file of one item, as its content comes. `trainer_key` is the public half, 64 hex digits.

    Raises:
        HandoverInvalid: the key is none.
    """
    async with aclosing(content):
        public = _public(trainer_key)
        key, key_id = secrets.token_bytes(KEY_BYTES), SealKeyId.new()
        plain = {"format": FORMAT, "name": name, "key_id": key_id, "trainer_key_id": key_name(trainer_key)}
        wrapped = _SUITE.encrypt(key, public, info=_info(plain))
        yield json.dumps({**plain, "sealed_key": wrapped.hex()}).encode() + b"\n"
        async for piece in _SEALER.seal_stream(key, _context(name, key_id), _body(facts, content)):
            yield piece


async def opened(file: Path, private: X25519PrivateKey) -> Opened:
    """An item's file, opened with the trainer's key. What is read of its content is whole; a cut shows at its end.

    Raises:
        HandoverInvalid: it is no such file, was changed, or is sealed to another key.
    """
    with file.open("rb") as read:
        line = read.readline(HEADER_BYTES_MOST)
    header = _parsed(line)
    try:
        wrapped, theirs = bytes.fromhex(header.pop("sealed_key")), header["trainer_key_id"]
        ours = key_name(public_half(private))
        if theirs != ours:
            raise HandoverInvalid(f"{file.name} is sealed to the key {theirs}, and this one is {ours}.")
        key, key_id = _SUITE.decrypt(wrapped, private, info=_info(header)), SealKeyId(header["key_id"])
        name = _named(header)
    except (InvalidTag, ValueError, KeyError, TypeError) as error:
        raise HandoverInvalid(f"The header of {file.name} was changed.") from error
    body = _read(file, len(line), key, _context(name, key_id))
    first = await anext(body, b"")
    length = int.from_bytes(first[:_LENGTH_BYTES], "big")
    if not 0 < length <= len(first) - _LENGTH_BYTES:
        raise HandoverInvalid(f"{file.name} has no facts in it.")
    facts: dict[str, Any] = json.loads(first[_LENGTH_BYTES : _LENGTH_BYTES + length])
    return Opened(name, facts, _with_first(first[_LENGTH_BYTES + length :], body))


def name_of(file: Path) -> str:
    """An item's name, as its header says, not yet authenticated.

    Raises:
        HandoverInvalid: it is no such file.
    """
    with file.open("rb") as read:
        header = _parsed(read.readline(HEADER_BYTES_MOST))
    try:
        return _named(header)
    except (ValueError, KeyError) as error:
        raise HandoverInvalid("This item has no name of the form that items have.") from error


def new_key() -> tuple[bytes, str]:
    """A trainer's key: the private half as PEM, and the public one as a policy states it."""
    private = X25519PrivateKey.generate()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), public_half(private)


def private_key(pem: bytes) -> X25519PrivateKey:
    """The private half.

    Raises:
        HandoverInvalid: it is no unencrypted X25519 private key in PEM form.
    """
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise HandoverInvalid("This file holds no unencrypted private key in PEM form.") from error
    if not isinstance(key, X25519PrivateKey):
        raise HandoverInvalid("A trainer's key is an X25519 key: `lethe training key` makes one.")
    return key


def public_half(private: X25519PrivateKey) -> str:
    """The public half in hex, as a policy states it."""
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def key_name(trainer_key: str) -> str:
    """How files name the key they are sealed to: 32 hex digits."""
    return sha256(bytes.fromhex(trainer_key)).digest()[:_ID_BYTES].hex()


def _public(trainer_key: str) -> X25519PublicKey:
    try:
        return X25519PublicKey.from_public_bytes(bytes.fromhex(trainer_key))
    except ValueError as error:
        raise HandoverInvalid("The key that the policy names for this trainer is no X25519 public key.") from error


async def _body(facts: Mapping[str, object], content: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    said = json.dumps(facts, ensure_ascii=False).encode()
    if len(said) > _FACTS_BYTES_MOST:
        raise HandoverInvalid("What is said of an item is longer than any that is read.")
    yield len(said).to_bytes(_LENGTH_BYTES, "big") + said
    async for piece in content:
        yield piece


async def _read(file: Path, offset: int, key: bytes, context: SealContext) -> AsyncGenerator[bytes, None]:
    async def fetch(start: int, length: int) -> AsyncGenerator[bytes, None]:
        with file.open("rb") as read:
            read.seek(offset + start)
            yield read.read(length)

    try:
        async for piece in _SEALER.open_range(key, context, _size(file) - offset, fetch):
            yield piece
    except CannotOpen as error:
        raise HandoverInvalid(f"{file.name} was changed or cut.") from error


async def _with_first(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(rest):
        yield first
        async for piece in rest:
            yield piece


def _size(file: Path) -> int:
    return file.stat().st_size


def _context(name: str, key_id: SealKeyId) -> SealContext:
    return SealContext(_CATEGORY, "", name, key_id)


def _named(header: Mapping[str, Any]) -> str:
    """Files are called by it, so it is nothing else than what names are."""
    name = str(header["name"])
    if _NAME.fullmatch(name) is None:
        raise ValueError(name)
    return name


def _info(plain: Mapping[str, Any]) -> bytes:
    return json.dumps(dict(plain), sort_keys=True).encode()


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        header = json.loads(line)
    except ValueError as error:
        raise HandoverInvalid("This file is no item for a trainer.") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise HandoverInvalid("This file is no item for a trainer of a format this version knows.")
    return header
