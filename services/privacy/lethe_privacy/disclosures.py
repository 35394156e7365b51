"""Disclosures to authorities: what may become of a demand, and by whom. Pure; `disclosure_desk.py` keeps them.

requested ──approved by as many operators as the policy says──> approved ──> disclosed ──> its subject is told
    └───────────────────────────────> refused <───────────────────┘
"""

from dataclasses import dataclass, replace
from datetime import datetime

from lethe_common.identifiers import DisclosureId, SubjectRef
from lethe_common.rpc.disclosures import DisclosureAction as Action
from lethe_common.rpc.disclosures import DisclosureState as State
from lethe_common.rpc.requests import SealedText
from lethe_privacy.errors import DelayNeedsGround, DisclosureOver, GroundNeeded, NotApproved, SameApprover

REQUESTED, APPROVED, REFUSED, DISCLOSED, TOLD = "requested", "approved", "refused", "disclosed", "told"


@dataclass(frozen=True, slots=True)
class Done:
    """One step of a demand's history."""

    step: str
    operator: str
    at: datetime
    ground: str | None = None


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A demand with its history. Subject and what was asked are None once its subject is erased."""

    disclosure_id: DisclosureId
    subject_ref: SubjectRef | None
    state: State
    authority: str
    legal_reference: str
    opened_at: datetime
    delay_until: datetime | None
    delay_ground: str | None
    asked: SealedText | None
    digest: str | None = None
    is_told: bool = False
    steps: tuple[Done, ...] = ()

    @property
    def approvers(self) -> frozenset[str]:
        """Who approved; case and spaces make no second person."""
        return frozenset(_signature(one.operator) for one in self.steps if one.step == APPROVED)

    def when(self, step: str) -> datetime | None:
        """When a step was taken first, if it was."""
        return next((one.at for one in self.steps if one.step == step), None)


@dataclass(frozen=True, slots=True)
class Deed:
    """What an operator does."""

    action: Action
    operator: str
    at: datetime
    ground: str | None = None
    digest: str | None = None


def must_be_whole(disclosure: Disclosure) -> None:
    """Raises:
    DelayNeedsGround: its subject is to be told later, and no law is named that allows it; or the other way round.
    """
    if (disclosure.delay_until is None) != (disclosure.delay_ground is None):
        raise DelayNeedsGround


def after(disclosure: Disclosure, deed: Deed, needed: int) -> Disclosure:
    """The demand once an operator has acted; `needed` are the approvals that the policy promises, never under two.

    Raises:
        SameApprover: who approved does not approve again.
        NotApproved: not enough others have approved what is to be disclosed.
        GroundNeeded: a refusal says why.
        DisclosureOver: it was decided already, or its subject is erased.
    """
    if _is_repeated(disclosure, deed):
        return disclosure
    if disclosure.state in {State.DISCLOSED, State.REFUSED} or disclosure.subject_ref is None:
        raise DisclosureOver
    match deed.action:
        case Action.APPROVE:
            return _approved(disclosure, deed, max(needed, 2))
        case Action.REFUSE:
            if deed.ground is None:
                raise GroundNeeded
            return _moved(disclosure, State.REFUSED, Done(REFUSED, deed.operator, deed.at, deed.ground))
        case Action.DISCLOSE:
            if disclosure.state is not State.APPROVED or deed.digest is None:
                raise NotApproved
            given = replace(disclosure, digest=deed.digest)
            return _moved(given, State.DISCLOSED, Done(DISCLOSED, deed.operator, deed.at))


def told(disclosure: Disclosure, by: str, at: datetime) -> Disclosure:
    """The demand once its subject was told what was disclosed; unchanged when they were before."""
    if disclosure.is_told or disclosure.state is not State.DISCLOSED:
        return disclosure
    return replace(disclosure, is_told=True, steps=(*disclosure.steps, Done(TOLD, by, at)))


def _approved(disclosure: Disclosure, deed: Deed, needed: int) -> Disclosure:
    if _signature(deed.operator) in disclosure.approvers:
        raise SameApprover
    if disclosure.state is State.APPROVED:
        raise DisclosureOver
    moved = _moved(disclosure, State.REQUESTED, Done(APPROVED, deed.operator, deed.at))
    return replace(moved, state=State.APPROVED) if len(moved.approvers) >= needed else moved


def _is_repeated(disclosure: Disclosure, deed: Deed) -> bool:
    if deed.action is Action.DISCLOSE:
        return disclosure.state is State.DISCLOSED and disclosure.digest == deed.digest
    return deed.action is Action.REFUSE and disclosure.state is State.REFUSED


def _moved(disclosure: Disclosure, state: State, done: Done) -> Disclosure:
    return replace(disclosure, state=state, steps=(*disclosure.steps, done))


def _signature(operator: str) -> str:
    return " ".join(operator.casefold().split())
