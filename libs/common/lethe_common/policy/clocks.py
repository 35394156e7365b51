"""When a request has to be answered: by what the policy promises or by what a law demands, whichever comes first."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from isodate import Duration

from lethe_common.policy.calendars import Calendar, after_working_days, calendar_of
from lethe_common.policy.document import PolicyFile
from lethe_common.policy.durations import AtOnce, BusinessDays, Period
from lethe_common.policy.duties import Rights
from lethe_common.policy.errors import UnknownRight
from lethe_common.policy.laws import Entry, longest_answer, packs


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


@dataclass(frozen=True, slots=True)
class Extension:
    """The one extension of a request's time: whoever told its reasons by `told_by` answers by `ends_at`."""

    told_by: datetime
    ends_at: datetime


def extension_of(content: PolicyFile, right: str, received_at: datetime) -> Extension | None:
    """How long a request of a kind may be extended, by the strictest of the laws that the policy names.

    None where no law speaks of such a request, or one that does allows no extension: a promise of the
    policy's own has no reasons to be broken for. The time runs from the end of the law's own first
    period (GDPR Art. 12(3), Russian 152-FZ Art. 20(1)).
    """
    calendar = calendar_of(content.controller.calendar)
    found: list[Extension] = []
    for law, entry in longest_answer(content.jurisdictions, right):
        further = law.entry("answer.extension")
        if further is None:
            return None
        told_by = _lawful(entry, received_at, calendar)
        found.append(Extension(told_by, _lawful(further, told_by, calendar)))
    if not found:
        return None
    return Extension(min(one.told_by for one in found), min(one.ends_at for one in found))


@dataclass(frozen=True, slots=True)
class BreachClock:
    """Somebody who has to hear of a breach by an instant. `duty` names law and demand: `RU.breach.inquiry`."""

    duty: str
    says: str
    source: str
    due_at: datetime


def breach_clocks(content: PolicyFile, known_at: datetime) -> tuple[BreachClock, ...]:
    """Whom a breach has to be told, by the laws that a policy names, the most urgent first; from when it became known."""
    calendar, known = calendar_of(content.controller.calendar), packs()
    found = [
        BreachClock(f"{law.id}.{entry.key}", entry.says, entry.source, _lawful(entry, known_at, calendar))
        for law in (known[name] for name in content.jurisdictions if name in known)
        for entry in law.entries
        if entry.key.startswith("breach.") and entry.limit is not None
    ]
    return tuple(sorted(found, key=lambda clock: (clock.due_at, clock.duty)))


def warn_at(received_at: datetime, due_at: datetime) -> datetime:
    """When whoever answers is warned: three quarters into the time that there is."""
    return due_at - (due_at - received_at) / 4


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
