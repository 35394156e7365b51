"""Periods as the policy states them: ISO 8601 durations in the file, `timedelta` in code.

A year has no fixed length, so the promise decides its rounding: a minimum is
never shortened (366 days), a maximum never lengthened (365 days), and an exact
promise may not be made in years or months at all.
"""

from datetime import timedelta
from typing import Annotated

from isodate import Duration, ISO8601Error, parse_duration
from pydantic import BeforeValidator


def _parsed(text: object) -> timedelta | Duration:
    if not isinstance(text, str):
        raise ValueError("not an ISO 8601 duration such as P7D")  # noqa: TRY004  # pydantic reports ValueError with its line
    try:
        period = parse_duration(text)
    except ISO8601Error as error:
        raise ValueError("not an ISO 8601 duration such as P7D") from error
    if not isinstance(period, timedelta | Duration):
        raise ValueError("not an ISO 8601 duration such as P7D")  # noqa: TRY004  # as above
    return period


def _positive(period: timedelta) -> timedelta:
    if period <= timedelta(0):
        raise ValueError("a period must be longer than nothing")
    return period


def _in_days(text: object, days_per_year: int, days_per_month: int) -> timedelta:
    period = _parsed(text)
    if isinstance(period, Duration):
        calendar_days = int(period.years) * days_per_year + int(period.months) * days_per_month
        return _positive(period.tdelta + timedelta(days=calendar_days))
    return _positive(period)


def exactly(text: object) -> timedelta:
    """A period kept to the second.

    Raises:
        ValueError: not a duration, not positive, or in years or months.
    """
    period = _parsed(text)
    if isinstance(period, Duration):
        raise ValueError("an exact period is stated in weeks, days or hours, not in years or months")  # noqa: TRY004  # as above
    return _positive(period)


def at_most(text: object) -> timedelta:
    """A maximum: years count 365 days, months 28."""
    return _in_days(text, 365, 28)


def at_least(text: object) -> timedelta:
    """A minimum: years count 366 days, months 31."""
    return _in_days(text, 366, 31)


Exactly = Annotated[timedelta, BeforeValidator(exactly)]
AtMost = Annotated[timedelta, BeforeValidator(at_most)]
AtLeast = Annotated[timedelta, BeforeValidator(at_least)]
