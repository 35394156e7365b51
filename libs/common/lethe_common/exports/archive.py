"""A zip that is written as a stream: nothing is held but the piece under way, and nothing is gone back to.

Sizes and checksums follow each file, as APPNOTE 6.3.10, section 4.3.9, allows; every file may be
larger than 4 GiB (zip64).
"""

import hashlib
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from lethe_common.exports.layout import MEDIA

_FIRST_YEAR = 1980
_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """One file of an archive: its name, its size, and SHA-256 of its content in hex."""

    name: str
    size_bytes: int
    sha256: str


class Archive:
    """Writes files one after the other. `at` is the time that each is said to be from."""

    def __init__(self, at: datetime) -> None:
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w", allowZip64=True)
        self._stamp = (max(at.year, _FIRST_YEAR), at.month, at.day, at.hour, at.minute, at.second)
        self.files: list[ArchivedFile] = []

    async def add(self, name: str, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Add a file; yields the archive's next bytes. Media are stored as they are: they are compressed already."""
        info = zipfile.ZipInfo(name, self._stamp)
        info.compress_type = zipfile.ZIP_STORED if name.startswith(MEDIA) else zipfile.ZIP_DEFLATED
        hashed, size = hashlib.sha256(), 0
        with self._zip.open(info, "w", force_zip64=True) as file:
            async for chunk in chunks:
                hashed.update(chunk)
                size += len(chunk)
                file.write(chunk)
                if self._sink.size >= _PIECE_BYTES:
                    yield self._sink.taken()
        self.files.append(ArchivedFile(name, size, hashed.hexdigest()))
        yield self._sink.taken()

    def end(self) -> bytes:
        """The archive's last bytes: its table of contents."""
        self._zip.close()
        return self._sink.taken()


class _Sink:
    """What the zip writes into. It has no position, so that the zip asks for none."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    def write(self, content: bytes) -> int:
        self._pieces.append(bytes(content))
        self.size += len(content)
        return len(content)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """There is nothing to close."""

    def taken(self) -> bytes:
        pieces, self._pieces, self.size = self._pieces, [], 0
        return b"".join(pieces)
