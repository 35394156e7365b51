"""Periods as the policy states them: ISO 8601 durations in the file, `timedelta` in code.

A year has no fixed length, so the promise decides its rounding: a minimum is
never shortened (366 days), a maximum never lengthened (365 days), and an exact
promise may not be made in years or months at all. A period remembers how it was
written, so that a page says "7 years" and not "2562 days".
"""

import re
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Any

from isodate import Duration, ISO8601Error, parse_duration
from pydantic import PlainSerializer, PlainValidator

_BUSINESS_DAYS = re.compile(r"([1-9][0-9]{0,2})bd")
_NOT_A_PERIOD = "not an ISO 8601 duration such as P7D"


class Period(timedelta):
    """A period, and how the file writes it."""

    written: str

    @classmethod
    def of(cls, length: timedelta, written: str) -> "Period":
        """A period of that length."""
        period = cls(days=length.days, seconds=length.seconds, microseconds=length.microseconds)
        period.written = written
        return period

    def __str__(self) -> str:
        return self.written


class BusinessDays(int):
    """A number of working days, written `3bd`; which days work is the controller's calendar's to say."""

    def __str__(self) -> str:
        return f"{int(self)}bd"


class AtOnce:
    """No waiting at all: the person does it by themselves, any time. Written `at_once`."""

    def __str__(self) -> str:
        return "at_once"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AtOnce)

    def __hash__(self) -> int:
        return hash(AtOnce)


def _parsed(text: object) -> timedelta | Duration:
    if not isinstance(text, str):
        raise ValueError(_NOT_A_PERIOD)  # noqa: TRY004  # pydantic reports ValueError with its line
    try:
        period = _read(text)
    except ISO8601Error as error:
        raise ValueError(_NOT_A_PERIOD) from error
    if not isinstance(period, timedelta | Duration):
        raise ValueError(_NOT_A_PERIOD)  # noqa: TRY004  # as above
    return period


@lru_cache(maxsize=1024)
def _read(text: str) -> object:
    # A policy has a few dozen periods, and they are asked for with each deadline.
    return parse_duration(text)


def _positive(period: timedelta, written: object) -> Period:
    if period <= timedelta(0):
        raise ValueError("a period must be longer than nothing")
    return Period.of(period, str(written))


def _in_days(text: object, days_per_year: int, days_per_month: int) -> Period:
    if isinstance(text, Period):
        return text
    period = _parsed(text)
    if isinstance(period, Duration):
        if period.years % 1 or period.months % 1:
            raise ValueError("years and months are stated as whole numbers: P18M instead of P1.5Y")
        calendar_days = int(period.years) * days_per_year + int(period.months) * days_per_month
        return _positive(period.tdelta + timedelta(days=calendar_days), text)
    return _positive(period, text)


def exactly(text: object) -> Period:
    """A period kept to the second.

    Raises:
        ValueError: not a duration, not positive, or in years or months.
    """
    if isinstance(text, Period):
        return text
    period = _parsed(text)
    if isinstance(period, Duration):
        raise ValueError("an exact period is stated in weeks, days or hours, not in years or months")  # noqa: TRY004  # as above
    return _positive(period, text)


def at_most(text: object) -> Period:
    """A maximum: years count 365 days, months 28."""
    return _in_days(text, 365, 28)


def at_least(text: object) -> Period:
    """A minimum: years count 366 days, months 31."""
    return _in_days(text, 366, 31)


def span(text: object) -> Period | BusinessDays | AtOnce:
    """How soon something is answered: a longest period, working days (`3bd`), or `at_once`.

    Raises:
        ValueError: none of these.
    """
    if isinstance(text, Period | BusinessDays | AtOnce):
        return text
    if text == "at_once":
        return AtOnce()
    days = _BUSINESS_DAYS.fullmatch(text) if isinstance(text, str) else None
    if days is not None:
        return BusinessDays(days[1])
    try:
        return at_most(text)
    except ValueError as error:
        raise ValueError("write a duration such as P30D, working days such as 3bd, or at_once") from error


def _is_written_as(value: Any) -> str:
    return str(value)


_AS_WRITTEN = PlainSerializer(_is_written_as, return_type=str)

Exactly = Annotated[Period, PlainValidator(exactly), _AS_WRITTEN]
AtMost = Annotated[Period, PlainValidator(at_most), _AS_WRITTEN]
AtLeast = Annotated[Period, PlainValidator(at_least), _AS_WRITTEN]
Span = Annotated[Period | BusinessDays | AtOnce, PlainValidator(span), _AS_WRITTEN]
