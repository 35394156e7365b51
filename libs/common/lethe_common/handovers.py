"""What a trainer is given: one item a file, sealed to the trainer's key, so that whoever carries it can read nothing.

    header   one line of JSON: format, the item's name, the trainer's key's id, the file's key sealed to it (HPKE, hex)
    body     a sealed object (`lethe_common.sealing`) under the file's key: length of the facts (4) | facts, JSON | content

The header is an addressed file's (`lethe_common.sealing.addressed`).
"""

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from lethe_common.errors import LetheError
from lethe_common.identifiers import SealKeyId
from lethe_common.sealing import CannotOpen, SealContext, Sealer, with_first
from lethe_common.sealing.addressed import HEADER_BYTES_MOST, Addressed

_LENGTH_BYTES, _FACTS_BYTES_MOST = 4, 1 << 20
_NAME = re.compile("[0-9a-f]{32}")
_CATEGORY = "training.item"
# Whatever the suite leaves in clear for its own tests, this leaves it sealed.
_SEALER = Sealer(is_on=True)


class HandoverInvalid(LetheError):
    """A file is no item for a trainer, was changed, or is sealed to another key; or a key is none."""

    code, status = "handover_invalid", 400


_ITEM = Addressed("lethe.training/1", "item", "trainer key", "lethe training key", HandoverInvalid)


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
        line, key, key_id = _ITEM.seal({"name": name}, _public(trainer_key))
        yield line
        async for piece in _SEALER.seal_stream(key, _context(name, key_id), _body(facts, content)):
            yield piece


async def opened(file: Path, private: X25519PrivateKey) -> Opened:
    """An item's file, opened with the trainer's key. What is read of its content is whole; a cut shows at its end.

    Raises:
        HandoverInvalid: it is no such file, was changed, or is sealed to another key.
    """
    with file.open("rb") as read:
        line = read.readline(HEADER_BYTES_MOST)
    header, key, key_id = _ITEM.open(line, private)
    name = _named(header)
    body = _read(file, len(line), key, _context(name, key_id))
    first = await anext(body, b"")
    length = int.from_bytes(first[:_LENGTH_BYTES], "big")
    if not 0 < length <= len(first) - _LENGTH_BYTES:
        raise HandoverInvalid("This item has no facts in it.")
    try:
        facts = json.loads(first[_LENGTH_BYTES : _LENGTH_BYTES + length])
    except ValueError as error:
        raise HandoverInvalid("This item has no facts in it.") from error
    return Opened(name, facts, with_first(first[_LENGTH_BYTES + length :], body))


def name_of(file: Path) -> str:
    """An item's name, as its header says, not yet authenticated.

    Raises:
        HandoverInvalid: it is no such file.
    """
    with file.open("rb") as read:
        return _named(_ITEM.read(read.readline(HEADER_BYTES_MOST)))


def new_key() -> tuple[bytes, str]:
    """A trainer's key: the private half as PEM, and the public one as a policy states it."""
    private = X25519PrivateKey.generate()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), public_half(private)


def private_key(pem: bytes) -> X25519PrivateKey:
    """The private half.

    Raises:
        HandoverInvalid: it is no unencrypted X25519 private key in PEM form.
    """
    return _ITEM.private_key(pem)


def public_half(private: X25519PrivateKey) -> str:
    """The public half in hex, as a policy states it."""
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


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
        raise HandoverInvalid("This item was changed or cut.") from error


def _size(file: Path) -> int:
    return file.stat().st_size


def _context(name: str, key_id: SealKeyId) -> SealContext:
    return SealContext(_CATEGORY, "", name, key_id)


def _named(header: Mapping[str, Any]) -> str:
    """Files are called by it, so it is nothing else than what names are."""
    name = str(header.get("name"))
    if _NAME.fullmatch(name) is None:
        raise HandoverInvalid("This item has no name of the form that items have.")
    return name
