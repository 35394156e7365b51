"""The words of the pages, in each language, with the plural forms its grammar has."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lethe_common.policy.languages import LANGUAGES, Language
from lethe_common.policy.words import Entry, plural_form

_LONGEST_HEADER = 512
_WISH = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9]{1,8})*\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*")


@dataclass(frozen=True, slots=True)
class Words:
    """One language."""

    language: Language
    entries: Mapping[str, Entry]

    def __call__(self, key: str, **values: object) -> str:
        """The sentence of `key` with its `{names}` filled in.

        Raises:
            KeyError: the key or a value it names is missing; a page with holes is never shown.
        """
        entry = self.entries[key]
        if isinstance(entry, dict):
            entry = entry[plural_form(self.language, int(str(values["n"])))]
        return entry.format_map(values)


def load_words(folder: Path | None = None) -> dict[Language, Words]:
    """All languages, by their tag."""
    folder = folder or Path(__file__).parent / "locales"
    return {tag: Words(tag, json.loads((folder / f"{tag}.json").read_text("utf-8"))) for tag in LANGUAGES}


def choose(
    asked: str | None, remembered: str | None, accepted: str | None, offered: Sequence[Language] = LANGUAGES
) -> Language:
    """The language of a page: asked for in its address, remembered by a cookie, or accepted by the browser.

    The first one offered is what is left when no wish can be met.
    """
    for wish in (asked, remembered):
        for language in offered:
            if wish == language:
                return language
    return _best(accepted or "", offered)


def _best(header: str, offered: Sequence[Language]) -> Language:
    """RFC 9110, section 12.5.4, by primary language; what is malformed counts for nothing."""
    wishes: list[tuple[float, int, Language]] = []
    for place, part in enumerate(header[:_LONGEST_HEADER].split(",")):
        match = _WISH.fullmatch(part)
        if match:
            weight = -float(match[2] or 1)
            wishes += [(weight, place, language) for language in offered if match[1].lower() == language]
    best = min(wishes, default=(0.0, 0, offered[0]))
    return best[2] if best[0] else offered[0]
