"""Reading an archive back into what was exported, offline. Blocks."""

import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rfc8785

from lethe_common.exports.documents import digest_of
from lethe_common.exports.errors import ArchiveInvalid, ArchiveReason
from lethe_common.exports.layout import FORMAT, MANIFEST, README

_DOCUMENT_MOST_BYTES = 1024**3
_CHUNK_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class Export:
    """What an archive says: its manifest, the records of each document by section, and the SHA-256 of each medium."""

    manifest: dict[str, Any]
    documents: dict[str, dict[str, list[dict[str, Any]]]]
    media: dict[str, str]

    @property
    def digest(self) -> str:
        """The digest of the content; see `digest_of`."""
        documents = {
            name: hashlib.sha256(rfc8785.dumps(document)).hexdigest() for name, document in self.documents.items()
        }
        return digest_of({**documents, **self.media})


def read_export(file: Path) -> Export:
    """An archive, each of whose files is what its manifest says. Media are read and not kept.

    Raises:
        ArchiveInvalid: it is no export, or not a whole and unchanged one.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = _manifest(archive)
            listed = {str(line["name"]): str(line["sha256"]) for line in manifest["files"]}
            _must_be_the_same(archive, listed)
            documents = {name: json.loads(_whole(archive, name)) for name in listed if _is_document(name)}
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, OSError) as error:
        raise ArchiveInvalid(ArchiveReason.NO_ZIP) from error
    media = {name: sha256 for name, sha256 in listed.items() if not _is_document(name) and name != README}
    return Export(manifest, documents, media)


def _manifest(archive: zipfile.ZipFile) -> dict[str, Any]:
    if MANIFEST not in archive.namelist():
        raise ArchiveInvalid(ArchiveReason.NO_MANIFEST)
    manifest = json.loads(_whole(archive, MANIFEST))
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ArchiveInvalid(ArchiveReason.UNKNOWN_FORMAT)
    return manifest


def _must_be_the_same(archive: zipfile.ZipFile, listed: dict[str, str]) -> None:
    there = [name for name in archive.namelist() if name != MANIFEST]
    if missing := listed.keys() - set(there):
        raise ArchiveInvalid(ArchiveReason.MISSING_FILE) from KeyError(len(missing))
    if len(there) != len(listed):
        raise ArchiveInvalid(ArchiveReason.UNKNOWN_FILE)
    for name, sha256 in listed.items():
        hashed = hashlib.sha256()
        try:
            with archive.open(name) as content:
                while chunk := content.read(_CHUNK_BYTES):
                    hashed.update(chunk)
        except zipfile.BadZipFile as error:
            raise ArchiveInvalid(ArchiveReason.CHANGED) from error
        if hashed.hexdigest() != sha256:
            raise ArchiveInvalid(ArchiveReason.CHANGED)


def _whole(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as content:
        whole = content.read(_DOCUMENT_MOST_BYTES + 1)
    if len(whole) > _DOCUMENT_MOST_BYTES:
        raise ArchiveInvalid(ArchiveReason.TOO_LARGE)
    return whole


def _is_document(name: str) -> bool:
    return name.endswith(".json") and "/" not in name
