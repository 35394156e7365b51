"""The words of the pages, in each language, with the plural forms its grammar has."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

Entry = str | dict[str, str]
"""A sentence, or its plural forms (CLDR: one, few, many, other) chosen by the value `n`."""

LANGUAGES = ("en", "ru")
_FALLBACK = "en"
_LONGEST_HEADER = 512
_TWELVE_TO_FOURTEEN = range(12, 15)
_TWO_TO_FOUR = range(2, 5)
_ELEVEN = 11
_WISH = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9]{1,8})*\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*")


@dataclass(frozen=True, slots=True)
class Words:
    """One language."""

    language: str
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


def load_words(folder: Path | None = None) -> dict[str, Words]:
    """All languages, by their tag."""
    folder = folder or Path(__file__).parent / "locales"
    return {tag: Words(tag, json.loads((folder / f"{tag}.json").read_text("utf-8"))) for tag in LANGUAGES}


def plural_form(language: str, number: int) -> str:
    """Which form a whole number takes (Unicode CLDR plural rules, cardinal)."""
    number = abs(number)
    if language != "ru":
        return "one" if number == 1 else "other"
    tens, ones = number % 100, number % 10
    if ones == 1 and tens != _ELEVEN:
        return "one"
    if ones in _TWO_TO_FOUR and tens not in _TWELVE_TO_FOURTEEN:
        return "few"
    return "many"


def choose(asked: str | None, remembered: str | None, accepted: str | None) -> str:
    """The language of a page: asked for in its address, remembered by a cookie, or accepted by the browser."""
    for wish in (asked, remembered):
        if wish in LANGUAGES:
            return wish
    return _best(accepted or "")


def _best(header: str) -> str:
    """RFC 9110, section 12.5.4, by primary language; what is malformed counts for nothing."""
    wishes: list[tuple[float, int, str]] = []
    for place, part in enumerate(header[:_LONGEST_HEADER].split(",")):
        match = _WISH.fullmatch(part)
        if match and match[1].lower() in LANGUAGES:
            wishes.append((-float(match[2] or 1), place, match[1].lower()))
    best = min(wishes, default=(0.0, 0, _FALLBACK))
    return best[2] if best[0] else _FALLBACK
