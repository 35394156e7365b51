"""Breaches: what may be noted about one, who has to hear of it, and whom time warns. Pure; `breach_desk.py` keeps them.

open ──noted, notified, told, warned (any number of times)──> open ──> closed
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lethe_common.identifiers import BreachId
from lethe_common.policy import Policy
from lethe_common.policy.clocks import BreachClock, warn_at
from lethe_common.rpc.breaches import BreachStepKind as Step
from lethe_common.rpc.requests import LETHE, SealedText
from lethe_privacy.errors import BreachClosed, BreachTextNeeded, CategoryUnknown, DutyUnknown, NotThen, ReferenceNeeded


@dataclass(frozen=True, slots=True)
class Done:
    """One step of a breach's history."""

    step: Step
    operator: str
    at: datetime
    duty: str | None = None
    reference: str | None = None
    count: int | None = None
    text: SealedText | None = None


@dataclass(frozen=True, slots=True)
class Breach:
    """A breach with its history."""

    breach_id: BreachId
    is_open: bool
    known_at: datetime
    categories: tuple[str, ...]
    places: tuple[str, ...]
    people: int | None
    is_high_risk: bool
    steps: tuple[Done, ...] = ()

    def done(self, step: Step, duty: str | None = None) -> Done | None:
        """The first step of a kind, about a duty where one is named."""
        return next((one for one in self.steps if one.step is step and duty in {None, one.duty}), None)


def must_fit(breach: Breach, policy: Policy, now: datetime) -> None:
    """Whether a breach can be opened as it is described.

    Raises:
        CategoryUnknown: the policy has no such category, or none of these lies in such a place.
        NotThen: it cannot be known already.
    """
    if breach.known_at > now:
        raise NotThen
    if not breach.categories or any(name not in policy.categories for name in breach.categories):
        raise CategoryUnknown
    stores = {store for name in breach.categories for store in policy.rule(name).stores}
    if any(place not in stores for place in breach.places):
        raise CategoryUnknown


def after(breach: Breach, done: Done, clocks: Sequence[BreachClock], now: datetime) -> Breach:
    """The breach once something was done about it; unchanged where that is on record already.

    Raises:
        BreachClosed: it is closed, and this was not done before.
        BreachTextNeeded: it says nothing, or closes what is still owed without saying why.
        DutyUnknown, ReferenceNeeded, NotThen: a notification names no duty of this breach, not where it is found,
            or a time at which it cannot have been made.
    """
    if _is_known(breach, done):
        return breach
    if not breach.is_open:
        raise BreachClosed
    match done.step:
        case Step.NOTIFIED:
            _must_be_a_notification(breach, done, clocks, now)
        case Step.NOTED:
            _must_say(done)
        case Step.CLOSED if is_owed(breach, clocks):
            _must_say(done)
        case _:
            pass
    return replace(breach, is_open=done.step is not Step.CLOSED, steps=(*breach.steps, done))


def is_owed(breach: Breach, clocks: Iterable[BreachClock]) -> bool:
    """Whether somebody has not heard of it who should: an authority, or those whom a high risk touches (GDPR Art. 34(1))."""
    is_untold = breach.is_high_risk and breach.done(Step.TOLD) is None
    return is_untold or any(breach.done(Step.NOTIFIED, clock.duty) is None for clock in clocks)


def warned(breach: Breach, clocks: Iterable[BreachClock], now: datetime) -> Breach:
    """The breach with a warning for each clock of which little is left; one for each."""
    late = [
        Done(Step.WARNED, LETHE, now, clock.duty)
        for clock in clocks
        if breach.is_open
        and warn_at(breach.known_at, clock.due_at) <= now
        and breach.done(Step.NOTIFIED, clock.duty) is None
        and breach.done(Step.WARNED, clock.duty) is None
    ]
    return replace(breach, steps=(*breach.steps, *late))


def _is_known(breach: Breach, done: Done) -> bool:
    match done.step:
        case Step.NOTIFIED:
            return breach.done(Step.NOTIFIED, done.duty) is not None
        case Step.TOLD:
            return any(one.step is Step.TOLD and one.reference == done.reference for one in breach.steps)
        case Step.CLOSED:
            return not breach.is_open
        case _:
            return False


def _must_be_a_notification(breach: Breach, done: Done, clocks: Iterable[BreachClock], now: datetime) -> None:
    if all(clock.duty != done.duty for clock in clocks):
        raise DutyUnknown
    if done.reference is None:
        raise ReferenceNeeded
    if not breach.known_at <= done.at <= now:
        raise NotThen


def _must_say(done: Done) -> None:
    if done.text is None:
        raise BreachTextNeeded
