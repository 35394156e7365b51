"""Legal holds: what may become of one, and by whom. Pure; `endpoints.legal_holds` loads and writes.

proposed ──approved by a second operator──> in_force ──> lifted   by an operator
    └──> withdrawn                              └──────> ended    when its end has come
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lethe_common.identifiers import GenerationId, LegalHoldId, SubjectRef
from lethe_retention.errors import (
    AlreadyInForce,
    AlreadyProposed,
    BeingErased,
    EndPassed,
    HoldOver,
    ItemGone,
    SamePerson,
)


class HoldState(StrEnum):
    """How far a hold is."""

    PROPOSED = "proposed"
    IN_FORCE = "in_force"
    WITHDRAWN = "withdrawn"
    LIFTED = "lifted"
    ENDED = "ended"


class Step(StrEnum):
    """What somebody did with a hold. Each can be done once."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    WITHDRAWN = "withdrawn"
    LIFTED = "lifted"
    ENDED = "ended"


OPEN = (HoldState.PROPOSED, HoldState.IN_FORCE)


@dataclass(frozen=True, slots=True)
class Done:
    """One step of a hold's history."""

    step: Step
    operator: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold with its history. Scope and reason are None once its subject is erased."""

    hold_id: LegalHoldId
    subject_ref: SubjectRef | None
    item_id: GenerationId | None
    state: HoldState
    reason: str | None
    ends_at: datetime | None
    steps: tuple[Done, ...]

    def who(self, step: Step) -> str | None:
        """Who took a step, if anybody did."""
        return next((done.operator for done in self.steps if done.step is step), None)


@dataclass(frozen=True, slots=True)
class Scope:
    """What retention knows of what a hold is to cover."""

    open_states: Sequence[HoldState]
    """Of open holds on the very same scope."""
    is_being_erased: bool
    item_state: str | None
    """The item's deadline's state; None while it has no deadline, or when the scope is an account."""


def check_proposal(scope: Scope, ends_at: datetime | None, now: datetime) -> None:
    """Whether a hold may be proposed.

    Raises:
        BeingErased, ItemGone: there is nothing left to keep.
        AlreadyInForce, AlreadyProposed: the scope is covered, or about to be.
        EndPassed: it would have ended before it began.
    """
    _check_scope(scope)
    if HoldState.IN_FORCE in scope.open_states:
        raise AlreadyInForce
    if HoldState.PROPOSED in scope.open_states:
        raise AlreadyProposed
    if ends_at is not None and ends_at <= now:
        raise EndPassed


def check_approval(hold: Hold, scope: Scope, operator: str, now: datetime) -> bool:
    """Whether an operator may put a hold into force; False when the same one did already.

    Raises:
        SamePerson: who proposes does not approve.
        AlreadyInForce, HoldOver: it is not a proposal any more.
        BeingErased, ItemGone, EndPassed: as for a proposal.
    """
    if hold.state is HoldState.IN_FORCE:
        if is_same(hold.who(Step.APPROVED), operator):
            return False
        raise AlreadyInForce
    if hold.state is not HoldState.PROPOSED:
        raise HoldOver
    if is_same(hold.who(Step.PROPOSED), operator):
        raise SamePerson
    _check_scope(scope)
    if hold.ends_at is not None and hold.ends_at <= now:
        raise EndPassed
    return True


def end_of(hold: Hold) -> tuple[HoldState, Step] | None:
    """What lifting makes of a hold: a proposal is withdrawn. None when that was done already.

    Raises:
        HoldOver: its end had come before.
    """
    match hold.state:
        case HoldState.PROPOSED:
            return HoldState.WITHDRAWN, Step.WITHDRAWN
        case HoldState.IN_FORCE:
            return HoldState.LIFTED, Step.LIFTED
        case HoldState.ENDED:
            raise HoldOver
        case _:
            return None


def is_same(one: str | None, other: str) -> bool:
    """Whether two signatures are one operator's. Case and spaces make no second person."""
    return one is not None and one.casefold().split() == other.casefold().split()


def _check_scope(scope: Scope) -> None:
    if scope.is_being_erased:
        raise BeingErased
    if scope.item_state in {"removed", "closed"}:
        raise ItemGone
