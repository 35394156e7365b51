"""What is sealed, carved out of raw files by its head: rows that are deleted, overwritten or only in a log of changes.

A sealed value begins with its version and the id of its key, a sealed object with a
magic word and the same. Neither its length nor what it is bound to stands beside a value,
so its tag cannot be checked; but its first bytes come out with the key alone (counter
mode), and text is known by its looks.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from lethe_common.sealing import CannotOpen, sealed_size
from lethe_common.sealing.context import KEY_ID_BYTES, key_id_bytes
from lethe_common.sealing.layout import HEADER_BYTES, SEALED_SEGMENT_BYTES, Header

WRAPPED_BYTES = 77
"""A wrapped key: head, nonce, 32 bytes, tag."""
BEGINNING_BYTES = HEADER_BYTES + SEALED_SEGMENT_BYTES
"""The head of an object and a whole segment, not the last one."""
_NONCE_BYTES, _LOOKED_AT_BYTES = 12, 24
_HEAD_BYTES = 1 + KEY_ID_BYTES
# A key's id is random: the filter passes over the zeros that fill most files, and over no id in ten thousand.
_VERSION = re.compile(rb"\x01(?!\x00\x00)")
_MAGIC = re.compile(rb"LTHE\x01\x00\x01\x00\x00")
# NIST SP 800-38D: with a nonce of 96 bits the first block of the text is encrypted under counter 2.
_FIRST_COUNTER = (2).to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class Value:
    """The beginning of a sealed value, as long as it takes to know a text by its looks."""

    key_id: str
    beginning: bytes

    def shows_text_with(self, key: bytes) -> bool:
        """Whether with this key it begins with printable text; by chance once in 10**10."""
        nonce = self.beginning[_HEAD_BYTES : _HEAD_BYTES + _NONCE_BYTES]
        sealed = self.beginning[_HEAD_BYTES + _NONCE_BYTES :]
        cipher = Cipher(algorithms.AES(key), modes.CTR(nonce + _FIRST_COUNTER))
        opened = cipher.decryptor().update(sealed)
        return len(opened) == _LOOKED_AT_BYTES and all(0x20 <= byte <= 0x7E for byte in opened)


def values(content: bytes, key_ids: Collection[str]) -> Iterator[Value]:
    """Whatever begins as a value sealed under one of these keys, as far as a file that is just written has it whole."""
    for key_id, at in _heads(content, key_ids):
        end = at + _HEAD_BYTES + _NONCE_BYTES + _LOOKED_AT_BYTES
        if end <= len(content):
            yield Value(key_id, content[at:end])


def wrapped_keys(content: bytes, key_ids: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Whatever begins as a key wrapped under one of these keys: under which, and its bytes."""
    for key_id, at in _heads(content, key_ids):
        yield key_id, content[at : at + WRAPPED_BYTES]


def objects_of(content: bytes) -> Iterator[tuple[str, bytes, bool]]:
    """Every sealed object that lies in one piece: under which key, its bytes, and whether they are all of it.

    Of one that was sealed as a stream, whose head does not say how long it is, the first segment: it opens by itself.
    """
    for found in _MAGIC.finditer(content):
        at = found.start()
        try:
            header = Header.from_bytes(content[at : at + HEADER_BYTES])
        except CannotOpen:
            continue
        size = header.plain_size_bytes
        end = at + (BEGINNING_BYTES if size is None else sealed_size(size))
        if end <= len(content):
            yield header.key_id, content[at:end], size is not None


def files_of(data: Path) -> Iterator[bytes]:
    """The content of every file of a data folder as it lies on the disk."""
    for file in sorted(data.rglob("*")):
        if file.is_file() and not file.is_symlink():
            try:
                yield file.read_bytes()
            except FileNotFoundError:  # gone meanwhile
                continue


def _heads(content: bytes, key_ids: Collection[str]) -> Iterator[tuple[str, int]]:
    known = {key_id_bytes(key_id): key_id for key_id in key_ids}  # type: ignore[arg-type]  # ids as the key store has them
    for found in _VERSION.finditer(content):
        at = found.start()
        key_id = known.get(content[at + 1 : at + _HEAD_BYTES])
        if key_id is not None:
            yield key_id, at
