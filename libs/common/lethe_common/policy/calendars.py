"""Working days: no Saturday, no Sunday, no public holiday of the controller's country that is known here.

A holiday that is not known counts as a working day, so that an answer is due earlier
than it might be, never later.
"""

from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import RootModel

from lethe_common.policy.source import Section, read_yaml

_FILE = Path(__file__).with_name("calendars.yaml")
_SATURDAY = 5
_JULIAN_LAG_DAYS = 13
"""How far the Julian calendar is behind, from 1900 to 2099."""


class Calendar(Section):
    """One country's public holidays: fixed ones as `month-day`, others in days from Easter Sunday."""

    reckoning: Literal["western", "orthodox"]
    days: tuple[str, ...]
    easter: tuple[int, ...] = ()

    def is_working(self, day: date) -> bool:
        """Whether people work on a day."""
        if day.weekday() >= _SATURDAY or day.strftime("%m-%d") in self.days:
            return False
        sunday = easter(day.year, self.reckoning)
        return (day - sunday).days not in self.easter


class _Calendars(RootModel[dict[str, Calendar]]):
    """All countries."""


@cache
def calendars() -> dict[str, Calendar]:
    """The calendars there are, by country."""
    return _Calendars.model_validate(read_yaml(_FILE)).root


def calendar_of(country: str | None) -> Calendar:
    """A country's calendar; one with weekends alone where the country is not known here."""
    return calendars().get(country or "", Calendar(reckoning="western", days=()))


def after_working_days(start: date, count: int, calendar: Calendar) -> date:
    """The day on which so many working days have passed, the first being the one after `start`."""
    day = start
    while count > 0:
        day += timedelta(days=1)
        count -= calendar.is_working(day)
    return day


@cache
def easter(year: int, reckoning: Literal["western", "orthodox"]) -> date:
    """Easter Sunday, in the Gregorian calendar (anonymous Gregorian algorithm; Meeus's for the Julian calendar)."""
    if reckoning == "orthodox":
        a, b, c = year % 4, year % 7, year % 19
        d = (19 * c + 15) % 30
        e = (2 * a + 4 * b - d + 34) % 7
        month, day = divmod(d + e + 114, 31)
        return date(year, month, day + 1) + timedelta(days=_JULIAN_LAG_DAYS)
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    offset = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * offset) // 451
    month, day = divmod(h + offset - 7 * m + 114, 31)
    return date(year, month, day + 1)
