"""What an archive says of itself: its manifest for programs, its explanation for whom it is about."""

from collections.abc import Mapping, Sequence

from lethe_common.clock import Clock
from lethe_common.exports import (
    FORMAT,
    MANIFEST,
    NOT_EXPORTED,
    README,
    WITHHELD,
    ArchivedFile,
    digest_of,
    manifest_bytes,
)
from lethe_common.identifiers import ExportId
from lethe_common.policy import PolicyBook
from lethe_common.policy.languages import Language
from lethe_gateway.words import Words

__all__ = ["MANIFEST", "README", "Manifests"]


class Manifests:
    """Writes both, under the version of the policy that governs when an archive is packed."""

    def __init__(self, book: PolicyBook, clock: Clock, words: Mapping[Language, Words]) -> None:
        self._book, self._clock, self._words = book, clock, words

    def manifest(
        self, export_id: ExportId, language: str, missing: Sequence[str], files: Sequence[ArchivedFile]
    ) -> bytes:
        """The manifest, canonical (RFC 8785). `missing` are files that were removed while it was packed."""
        now = self._clock.now()
        policy = self._book.governing(now)
        return manifest_bytes({
            "format": FORMAT,
            "export_id": export_id,
            "exported_at": now.isoformat(),
            "clock": self._clock.kind,
            "language": language,
            "policy": {"profile": policy.profile, "version": policy.version, "hash": policy.hash},
            "content_digest": digest_of({file.name: file.sha256 for file in files}),
            "files": [{"name": one.name, "bytes": one.size_bytes, "sha256": one.sha256} for one in files],
            "missing": list(missing),
            "withheld": dict(WITHHELD),
            "not_exported": dict(NOT_EXPORTED),
        })  # fmt: skip

    def readme(self, language: str) -> bytes:
        """What each file is, in words, in one of the languages there are."""
        now = self._clock.now()
        policy = self._book.governing(now)
        words = next((words for tag, words in self._words.items() if tag == language), self._words[policy.languages[0]])
        content = policy.content
        values = {
            "service": content.controller.name,
            "contact": content.controller.contact,
            "day": now.date().isoformat(),
            "version": policy.version,
        }
        return words("export.readme", **values).encode()
