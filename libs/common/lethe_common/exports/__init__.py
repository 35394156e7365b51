"""The archive of a person's data: how it is laid out, written as a stream, read back, and compared."""

from lethe_common.exports.archive import Archive, ArchivedFile
from lethe_common.exports.documents import digest_of, document, manifest_bytes
from lethe_common.exports.errors import ArchiveInvalid, ArchiveReason
from lethe_common.exports.layout import (
    CATEGORY,
    COLUMNS_NOT_EXPORTED,
    DOCUMENTS,
    FILES_EXPORTED,
    FORMAT,
    MANIFEST,
    MEDIA,
    NOT_EXPORTED,
    README,
    SECTIONS,
    WITHHELD,
    Section,
    sections_of,
)
from lethe_common.exports.reading import Export, read_export

__all__ = [
    "CATEGORY",
    "COLUMNS_NOT_EXPORTED",
    "DOCUMENTS",
    "FILES_EXPORTED",
    "FORMAT",
    "MANIFEST",
    "MEDIA",
    "NOT_EXPORTED",
    "README",
    "SECTIONS",
    "WITHHELD",
    "Archive",
    "ArchiveInvalid",
    "ArchiveReason",
    "ArchivedFile",
    "Export",
    "Section",
    "digest_of",
    "document",
    "manifest_bytes",
    "read_export",
    "sections_of",
]
