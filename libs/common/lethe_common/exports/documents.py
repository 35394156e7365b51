"""Documents in canonical form (RFC 8785), as streams, and the digest of an archive's content."""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping

import rfc8785
from pydantic import JsonValue

from lethe_common.exports.layout import FORMAT, MANIFEST, README, Section

JsonRecord = Mapping[str, JsonValue]
Pages = Callable[[Section], AsyncIterator[Iterable[JsonRecord]]]
"""A section's records, page by page."""
Counted = Callable[[Section, int], None]


async def document(sections: Iterable[Section], pages: Pages, counted: Counted) -> AsyncIterator[bytes]:
    """A document of these sections, which come in the order of their names: the canonical form, a page at a time."""
    opening = b"{"
    for section in sections:
        yield opening + rfc8785.dumps(section.name) + b":["
        opening, between, total = b",", b"", 0
        async for page in pages(section):
            for record in page:
                yield between + rfc8785.dumps(dict(record))
                between, total = b",", total + 1
        counted(section, total)
        yield b"]"
    yield b"}" if opening == b"," else b"{}"


def manifest_bytes(manifest: JsonRecord) -> bytes:
    """A manifest as it stands in an archive."""
    return rfc8785.dumps(dict(manifest))


def digest_of(files: Mapping[str, str]) -> str:
    """The digest of a content: SHA-256 over the canonical list of what it holds, in hex.

    `files` has the SHA-256 of each file, documents in their canonical form. How and when they were packed, under
    which policy, and the words of the explanation, do not count: two archives of the same content have one digest.
    """
    content = {name: sha256 for name, sha256 in files.items() if name not in {MANIFEST, README}}
    return hashlib.sha256(rfc8785.dumps({"format": FORMAT, "files": content})).hexdigest()
