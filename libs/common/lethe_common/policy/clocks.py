"""When a request has to be answered: by what the policy promises or by what a law demands, whichever comes first."""

from datetime import datetime, timedelta

from isodate import Duration

from lethe_common.policy.calendars import Calendar, after_working_days, calendar_of
from lethe_common.policy.document import PolicyFile
from lethe_common.policy.durations import AtOnce, BusinessDays, Period
from lethe_common.policy.duties import Rights
from lethe_common.policy.errors import UnknownRight
from lethe_common.policy.laws import Entry, longest_answer


def answer_by(content: PolicyFile, right: str, received_at: datetime) -> datetime:
    """The instant by which a request of a kind (`access`, `enquiry`, …) is answered.

    Working days end at the hour of receipt, by the controller's calendar; a law's month is a calendar month.

    Raises:
        UnknownRight: neither the policy nor a law pack it names says anything of such a request.
    """
    calendar = calendar_of(content.controller.calendar)
    promised = getattr(content.rights, right, None) if right in Rights.model_fields else None
    ends = [_lawful(entry, received_at, calendar) for _, entry in longest_answer(content.jurisdictions, right)]
    if promised is not None:
        ends.append(_after(promised, received_at, calendar))
    if not ends:
        raise UnknownRight("The policy does not say by when such a request is answered.")
    return min(ends)


def _lawful(entry: Entry, received_at: datetime, calendar: Calendar) -> datetime:
    if entry.months is not None:
        ends: datetime = received_at + Duration(months=entry.months)
        return ends
    return received_at if entry.limit is None else _after(entry.limit, received_at, calendar)


def _after(span: Period | BusinessDays | AtOnce, received_at: datetime, calendar: Calendar) -> datetime:
    if isinstance(span, AtOnce):
        return received_at
    if isinstance(span, BusinessDays):
        days = after_working_days(received_at.date(), int(span), calendar) - received_at.date()
        return received_at + timedelta(days=days.days)
    return received_at + span
