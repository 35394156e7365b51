"""A value of the file in words: periods with the plural their language has, dates, lists, labels."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache

from lethe_common.policy.errors import UnknownReference
from lethe_common.policy.languages import LANGUAGES, Language
from lethe_common.policy.words import Words, words_in

_PERIOD = re.compile(
    r"P(?:(?P<year>\d+)Y)?(?:(?P<month>\d+)M)?(?:(?P<week>\d+)W)?(?:(?P<day>\d+)D)?"
    r"(?:T(?:(?P<hour>\d+)H)?(?:(?P<minute>\d+)M)?(?:(?P<second>\d+)S)?)?"
)
_WORKING_DAYS = re.compile(r"(\d+)bd")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:T[0-9:.]+(?:Z|[+-]\d\d:\d\d))?")
_TOLD_MOST = 4096
"""So many values are remembered with their words: those of a few versions, which are mostly the same."""
_TEXTS = ("text", "label")
_NAMES = ("name", "what", "id")


@dataclass(frozen=True)
class Wording:
    """How values read in one language, and in which language texts are when they lack it."""

    language: Language
    default: Language

    @property
    def words(self) -> Words:
        """The words around values."""
        return words_in(self.language)

    def of(self, value: object, path: str = "", *, is_genitive: bool = False) -> str:
        """A value in words; `path` tells where it stands, for names that depend on it.

        Raises:
            UnknownReference: there is no value there to tell.
        """
        if value is None or value in ("", [], {}):
            raise UnknownReference(f"{path} has no value that could be told.")
        if isinstance(value, bool):
            return self.words("value.yes" if value else "value.no")
        if isinstance(value, str):
            return _text(self, value, path, is_genitive)
        if isinstance(value, Mapping):
            return self._mapping(value, path)
        if isinstance(value, list | tuple):
            return self.joined([self.of(one, path) for one in value])
        return str(value)

    def joined(self, parts: Sequence[str]) -> str:
        """`a, b and c`."""
        if len(parts) < 2:  # noqa: PLR2004  # one word needs no "and"
            return "".join(parts)
        return self.words("join.list").join(parts[:-1]) + self.words("join.and") + parts[-1]

    def period(self, written: str, *, is_genitive: bool = False) -> str:
        """A period or a number of working days, as `P7D`, `PT1H` or `3bd` say it."""
        return _period(self, written, is_genitive)

    def moment(self, written: str) -> str:
        """A date, or an instant with its time unless that is midnight in UTC."""
        if "T" not in written:
            return self._date(date.fromisoformat(written))
        instant = datetime.fromisoformat(written)
        day = self._date(instant.date())
        if instant.time() == time():
            return day
        return self.words("instant", date=day, time=instant.strftime("%H:%M"))

    def _date(self, day: date) -> str:
        return self.words("date", day=day.day, month=self.words("months").split()[day.month - 1], year=day.year)

    def _mapping(self, value: Mapping[str, object], path: str) -> str:
        if value.keys() <= set(LANGUAGES):
            return str(value.get(self.language) or value.get(self.default) or next(iter(value.values())))
        told = next((self.of(value[key], path) for key in _TEXTS if value.get(key)), None)
        name = next((str(value[key]) for key in _NAMES if value.get(key)), None)
        if told is not None:
            return f"{name} ({told})" if value.get("name") else told
        if name is not None:
            return name
        if all(isinstance(one, Mapping) for one in value.values()):
            return self.joined([self.of(one, f"{path}.{key}") for key, one in value.items()])
        return self.joined([f"{key}: {self.of(one, f'{path}.{key}')}" for key, one in value.items()])


@lru_cache(_TOLD_MOST)
def _text(wording: Wording, value: str, path: str, is_genitive: bool) -> str:  # noqa: FBT001  a cache's key
    if _WORKING_DAYS.fullmatch(value) or (value[1:] and _PERIOD.fullmatch(value)):
        return _period(wording, value, is_genitive)
    if _MOMENT.fullmatch(value):
        return wording.moment(value)
    known = (f"value.{path}.{value}", f"value.{value}")
    return next((wording.words(key) for key in known if key in wording.words), value)


@lru_cache(_TOLD_MOST)
def _period(wording: Wording, written: str, is_genitive: bool) -> str:  # noqa: FBT001  a cache's key
    days = _WORKING_DAYS.fullmatch(written)
    if days is not None:
        return _unit(wording.words, "working_day", days[1], is_genitive=is_genitive)
    parts = _PERIOD.fullmatch(written)
    found = parts.groupdict() if parts else {}
    return " ".join(_unit(wording.words, unit, n, is_genitive=is_genitive) for unit, n in found.items() if n)


def _unit(words: Words, unit: str, number: str, *, is_genitive: bool) -> str:
    genitive = f"unit.{unit}.gen"
    return words(genitive if is_genitive and genitive in words else f"unit.{unit}", n=int(number))
