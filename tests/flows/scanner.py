"""A scan of everything a suite keeps for strings that were planted, in any form in which they may rest.

All of them begin with one random marker of hex digits, which no escaping changes:
one search for the marker's few forms goes over all bytes, and only its hits are
looked at closer.
"""

import base64
import contextlib
import io
import re
import secrets
import struct
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
from PIL import Image

from lethe_common.database.roles import DATABASES
from tests.flows.outside import objects, store
from tests.suite import RunningSuite

_TOKEN_HEX = 24
_NEAR_BYTES = 600
_PNG = b"\x89PNG\r\n\x1a\n"
# Of a file inside a zip (APPNOTE 6.3.10, section 4.3.7): signature, 22 bytes of which the method is at 8, two lengths.
_MEMBER, _MEMBER_BYTES, _DEFLATED = b"PK\x03\x04", 30, 8
_ALL_TABLES = """
    SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg_toast%'
"""
_PARTITION = re.compile(r"_(\d{8}|rest)$")
UNKNOWN = "a piece of something planted"

Found = dict[str, set[str]]
"""Each planted thing by its name: the places where it was found."""


@dataclass(slots=True)
class Canaries:
    """What was planted: tokens with the marker, and pieces of bytes that were seen on the way out."""

    marker: str = field(default_factory=lambda: secrets.token_hex(6))
    tokens: dict[str, str] = field(default_factory=dict)
    pieces: dict[str, bytes] = field(default_factory=dict)

    def token(self, name: str, digits: int = _TOKEN_HEX) -> str:
        """The token of this name, made when it is first asked for."""
        rest = secrets.token_hex(digits)[: digits - len(self.marker)]
        return self.tokens.setdefault(name, self.marker + rest)

    def piece(self, name: str, content: bytes) -> None:
        """Bytes from the middle of something that was delivered; random enough to be met nowhere by chance."""
        middle = len(content) // 2
        self.pieces[name] = content[middle : middle + 24]

    def in_bytes(self, content: bytes) -> set[str]:
        """What of all this stands in some bytes."""
        found = {name for name, piece in self.pieces.items() if any(form in content for form in forms(piece))}
        for form in (*forms(self.marker.encode()), bytes.fromhex(self.marker)):
            at = content.find(form)
            while at >= 0:
                near = content[max(at - _NEAR_BYTES, 0) : at + _NEAR_BYTES]
                found |= self._names(near) or {UNKNOWN}
                at = content.find(form, at + len(form))
        return found

    def _names(self, near: bytes) -> set[str]:
        return {
            name
            for name, token in self.tokens.items()
            if any(form in near for form in (*forms(token.encode()), bytes.fromhex(token)))
        }


def forms(content: bytes) -> list[bytes]:
    """Bytes as they are, as text in UTF-16, in hex, and in base64 wherever they begin in it."""
    wide = [content.decode().encode(name) for name in ("utf-16-le", "utf-16-be")] if content.isascii() else []
    return [content, *wide, content.hex().encode(), content.hex().upper().encode(), *_in_base64(content)]


def _in_base64(content: bytes) -> Iterator[bytes]:
    for shift in range(3):
        first, last = -(-shift * 8 // 6), (shift + len(content)) * 8 // 6
        encoded = base64.b64encode(bytes(shift) + content)[first:last]
        yield encoded
        if (other := encoded.replace(b"+", b"-").replace(b"/", b"_")) != encoded:
            yield other


async def scan(suite: RunningSuite, canaries: Canaries, before: set[Path]) -> Found:
    """Everything planted, and where it is: all files as they lie on the disk, all tables, all objects."""
    found: Found = {}

    def note(place: str, content: bytes) -> None:
        for name in canaries.in_bytes(content):
            found.setdefault(name, set()).add(place)

    async for place, content in _tables(suite):
        note(place, content)
    for stored in objects(suite):
        if not stored.is_marker:
            body = _body(suite, stored.name, stored.version)
            for content in (body, *_pictures(body), *_members(body)):
                note(f"objects:{stored.name.partition('/')[0]}", content)
    for place, content in _files(suite, before):
        note(place, content)
        if place == "files:s3":
            for unpacked in (*_pictures(content), *_members(content)):
                note(place, unpacked)
    return found


def machine_folders() -> set[Path]:
    """What lies in the machine's own temporary folders."""
    folders = {Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"), Path("/dev/shm")}  # noqa: S108  looked at
    return {entry for folder in folders if folder.is_dir() for entry in folder.iterdir()}


async def _tables(suite: RunningSuite) -> AsyncIterator[tuple[str, bytes]]:
    """Every row as text: what is compressed in the files is unpacked here, and bytes come in hex."""
    for database in DATABASES:
        connection = await asyncpg.connect(suite.superuser_dsn(database))
        try:
            for schema, name in await connection.fetch(_ALL_TABLES):
                rows = await connection.fetch(f'SELECT t::text AS line FROM "{schema}"."{name}" t')
                yield f"sql:{schema}.{_PARTITION.sub('', name)}", "\n".join(row["line"] or "" for row in rows).encode()
            await connection.execute("CHECKPOINT")
        finally:
            await connection.close()


def _body(suite: RunningSuite, name: str, version: str | None) -> bytes:
    response = store(suite).get_object(suite.runtime.s3_bucket, name, version_id=version)
    try:
        return response.read()
    finally:
        response.close()
        response.release_conn()


def _files(suite: RunningSuite, before: set[Path]) -> Iterator[tuple[str, bytes]]:
    yield "output", suite.output.read_bytes()
    for file in _plain_files(suite.data):
        parts = file.relative_to(suite.data).parts
        yield f"files:{parts[0]}" if len(parts) > 1 else "files:.", _read(file)
    for entry in machine_folders() - before:
        if not entry.name.startswith(("lethe-test-", "pytest-of-")):  # another test's suite, and this runner's own
            for file in _plain_files(entry):
                yield "machine", _read(file)


def _plain_files(root: Path) -> Iterator[Path]:
    if root.is_file() and not root.is_symlink():
        yield root
    for file in root.rglob("*") if root.is_dir() and not root.is_symlink() else ():
        if file.is_file() and not file.is_symlink():
            yield file


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except (FileNotFoundError, PermissionError):  # gone meanwhile, or of another user
        return b""


def _pictures(content: bytes) -> Iterator[bytes]:
    """The pixels of every PNG that lies somewhere in some bytes."""
    at = content.find(_PNG)
    while at >= 0:
        with contextlib.suppress(OSError, SyntaxError, ValueError):  # only looked like one
            yield Image.open(io.BytesIO(content[at : at + 4 * 1024**2]), formats=("PNG",)).tobytes()
        at = content.find(_PNG, at + 1)


def _members(content: bytes) -> Iterator[bytes]:
    """What is compressed of every zip that lies somewhere in some bytes."""
    at = content.find(_MEMBER)
    while 0 <= at <= len(content) - _MEMBER_BYTES:
        method, names, extras = struct.unpack_from("<8xH16xHH", content, at)
        if method == _DEFLATED:
            with contextlib.suppress(zlib.error):  # only looked like one
                yield zlib.decompressobj(-zlib.MAX_WBITS).decompress(content[at + _MEMBER_BYTES + names + extras :])
        at = content.find(_MEMBER, at + 1)
