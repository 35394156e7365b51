"""The words around a policy's own texts: units, headings, labels, sentences of a difference."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from lethe_common.policy.languages import Language

_FOLDER = Path(__file__).parent / "locales"
_TWELVE_TO_FOURTEEN, _TWO_TO_FOUR, _ELEVEN = range(12, 15), range(2, 5), 11

Entry = str | dict[str, str]
"""A sentence, or its plural forms (CLDR: one, few, many, other) chosen by the value `n`."""


class Words:
    """One language."""

    def __init__(self, language: Language, entries: Mapping[str, Entry]) -> None:
        self.language, self._entries = language, entries

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __call__(self, key: str, **values: object) -> str:
        """The words of `key` with its `{names}` filled in.

        Raises:
            KeyError: the key, or a value it names, is missing; a page with holes is never shown.
        """
        entry = self._entries[key]
        if isinstance(entry, dict):
            entry = entry[plural_form(self.language, int(str(values["n"])))]
        return entry.format_map(values)


@cache
def words_in(language: Language) -> Words:
    """All words of a language."""
    return Words(language, json.loads((_FOLDER / f"{language}.json").read_text("utf-8")))


def plural_form(language: Language, number: int) -> str:
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
