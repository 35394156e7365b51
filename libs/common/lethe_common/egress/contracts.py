"""Whether a contract stands with a recipient: by what the policy states and by what operators entered in the register.

Decided at policy time at each passage, from what a process heard of the register last: a
contract ends by the clock, whoever is away. What was heard counts for a while only: a
process that cannot hear whether a contract was ended sends nothing by it (decision 113).
The porter has neither bus nor register; it goes on by the policy's own date (decision 107).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from lethe_common.clock import Clock, monotonic_seconds
from lethe_common.egress.refusals import Reason
from lethe_common.policy import PolicyBook
from lethe_common.policy.document import PolicyFile
from lethe_common.policy.laws import packs
from lethe_common.policy.parties import Recipient

_DEMAND = "processor.contract"


@dataclass(frozen=True, slots=True)
class Span:
    """The days on which a contract stands, both included; without an end it goes on."""

    starts_on: date
    ends_on: date | None = None


class ContractState(StrEnum):
    """What is known of the contract with a recipient on a day."""

    STANDS = "stands"
    NOT_NEEDED = "not_needed"
    NOT_BEGUN = "not_begun"
    ENDED = "ended"
    MISSING = "missing"


_CLOSES: Mapping[ContractState, Reason] = {
    ContractState.NOT_BEGUN: Reason.NO_CONTRACT,
    ContractState.MISSING: Reason.NO_CONTRACT,
    ContractState.ENDED: Reason.EXPIRED,
}


def is_demanded(content: PolicyFile, recipient: Recipient) -> bool:
    """Whether a law that the policy names wants a contract with this recipient."""
    known = packs()
    laws = [known[name] for name in content.jurisdictions if name in known]
    return recipient.role == "processor" and any(law.entry(_DEMAND) is not None for law in laws)


def last_day(recipient: Recipient, entered: Span | None) -> date | None:
    """The last day of what is stated and of what was entered, whichever comes first; None where neither ends."""
    ends = [end for end in (recipient.contract_expires, entered.ends_on if entered else None) if end is not None]
    return min(ends, default=None)


def state_of(content: PolicyFile, recipient: Recipient, entered: Span | None, today: date) -> ContractState:
    """What counts on a day. A date in the policy is a contract stated; what was entered can only narrow it."""
    end = last_day(recipient, entered)
    if end is not None and end < today:
        return ContractState.ENDED
    if entered is not None:
        return ContractState.NOT_BEGUN if today < entered.starts_on else ContractState.STANDS
    if recipient.contract_expires is not None:
        return ContractState.STANDS
    return ContractState.MISSING if is_demanded(content, recipient) else ContractState.NOT_NEEDED


class Contracts:
    """What this process heard of the register last, and what follows from it now.

    What was heard counts for `counts_seconds`, by the monotonic clock.
    """

    def __init__(self, book: PolicyBook, clock: Clock, *, counts_seconds: float) -> None:
        self._book, self._clock, self._counts_seconds = book, clock, counts_seconds
        self._entered: Mapping[str, Span] = {}
        # Until the register was read for the first time, which nothing goes out before, the policy's dates count.
        self._heard_at = monotonic_seconds()

    def take(self, entered: Mapping[str, Span], asked_at: float) -> None:
        """Go by these entries from now on, which were asked for at this instant of the monotonic clock."""
        self._entered, self._heard_at = dict(entered), asked_at

    def closing(self, recipient_id: str) -> Reason | None:
        """Why nothing goes to a recipient now; None when its contract does not stand against it."""
        now = self._clock.now()
        content = self._book.governing(now).content
        recipient = _named(content.recipients, recipient_id)
        # Who is no recipient at all is refused by a rule of its own.
        if recipient is None:
            return None
        state = state_of(content, recipient, self._entered.get(recipient_id), now.date())
        if state is ContractState.STANDS and monotonic_seconds() - self._heard_at > self._counts_seconds:
            return Reason.UNHEARD
        return _CLOSES.get(state)


def _named(recipients: Iterable[Recipient], recipient_id: str) -> Recipient | None:
    return next((one for one in recipients if one.id == recipient_id), None)
