"""Requests: what may become of one, and by whom. Pure; `desk.py` loads and writes.

    received ──identity checked──> identity_checked ──taken──> in_progress
                                        │   └──────extended (once)──┘ │
                                        │             v               │
                                        └───────> extended <──────────┘
    any of the last three ──> answered ──> closed
    any that is open ───────> refused ───> closed
    any that is open ──taken back, by its person──> closed

Who is signed in has proved who they are; what needs nobody's decision is answered as it is received.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from lethe_common.identifiers import GenerationId, RequestId, SubjectRef
from lethe_common.policy.clocks import Extension, warn_at
from lethe_common.rpc.requests import (
    LETHE,
    PERSON,
    RefusalGround,
    RequestAction,
    RequestKind,
    RequestState,
    SealedText,
)
from lethe_privacy.errors import ExtensionNotAllowed, GroundNeeded, NotRestricted, StepOutOfTurn, TextNeeded

OPEN = frozenset(
    {RequestState.RECEIVED, RequestState.IDENTITY_CHECKED, RequestState.IN_PROGRESS, RequestState.EXTENDED}
)
_READY = OPEN - {RequestState.RECEIVED}
COPIES = frozenset({RequestKind.ACCESS, RequestKind.PORTABILITY})
"""What asks for a copy: nothing of it expires before the answer."""
CHOICES: Mapping[RequestKind, str] = {RequestKind.OBJECT: "opt_out", RequestKind.WITHDRAW: "opt_in"}
"""What is a no to purposes, and with which default such a purpose is declared."""


class Step(StrEnum):
    """What was done with a request."""

    RECEIVED = "received"
    IDENTITY_CHECKED = "identity_checked"
    IN_PROGRESS = "in_progress"
    EXTENDED = "extended"
    ANSWERED = "answered"
    REFUSED = "refused"
    CLOSED = "closed"
    LIFTED = "lifted"
    READ = "read"
    WARNED = "warned"


@dataclass(frozen=True, slots=True)
class Done:
    """One line of a dossier."""

    step: Step
    actor: str
    at: datetime
    ground: RefusalGround | None = None
    text: SealedText | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request with its dossier."""

    request_id: RequestId
    subject_ref: SubjectRef
    kind: RequestKind
    state: RequestState
    generation_id: GenerationId | None
    received_at: datetime
    due_at: datetime
    is_extended: bool
    is_paused: bool
    steps: tuple[Done, ...] = field(default=())

    @property
    def is_open(self) -> bool:
        """Whether it is still to be answered."""
        return self.state in OPEN

    def is_overdue(self, now: datetime) -> bool:
        """Whether its answer is late."""
        return self.is_open and now > self.due_at

    def is_due_soon(self, now: datetime) -> bool:
        """Whether most of its time has passed."""
        return self.is_open and warn_at(self.received_at, self.due_at) <= now <= self.due_at


@dataclass(frozen=True, slots=True)
class Deed:
    """What an operator wants to do."""

    action: RequestAction
    operator: str
    at: datetime
    ground: RefusalGround | None = None
    text: SealedText | None = None


_STEPS: Mapping[RequestAction, Step] = {
    RequestAction.CHECK_IDENTITY: Step.IDENTITY_CHECKED,
    RequestAction.TAKE: Step.IN_PROGRESS,
    RequestAction.EXTEND: Step.EXTENDED,
    RequestAction.ANSWER: Step.ANSWERED,
    RequestAction.REFUSE: Step.REFUSED,
    RequestAction.CLOSE: Step.CLOSED,
    RequestAction.LIFT: Step.LIFTED,
}
_FROM: Mapping[RequestAction, frozenset[RequestState]] = {
    RequestAction.CHECK_IDENTITY: frozenset({RequestState.RECEIVED}),
    RequestAction.TAKE: frozenset({RequestState.IDENTITY_CHECKED}),
    RequestAction.EXTEND: frozenset({RequestState.IDENTITY_CHECKED, RequestState.IN_PROGRESS}),
    RequestAction.ANSWER: _READY,
    RequestAction.REFUSE: OPEN,
    RequestAction.CLOSE: frozenset({RequestState.ANSWERED, RequestState.REFUSED}),
    RequestAction.LIFT: frozenset(RequestState),
}
_TOLD = frozenset({RequestAction.EXTEND, RequestAction.ANSWER, RequestAction.REFUSE, RequestAction.LIFT})
"""What a person is told in words: reasons of an extension, an answer, that a restriction ends (GDPR Art. 18(3))."""


def right_of(kind: RequestKind) -> str:
    """The policy's right whose clock runs: who is seen in somebody's video asks for an erasure."""
    return "erase" if kind is RequestKind.DEPICTED else kind.value


def received(request: Request, text: SealedText | None, *, is_done: bool) -> Request:
    """A request of somebody signed in, as it is taken; `is_done`: what it asks for was done at once."""
    at = request.received_at
    steps = (Done(Step.RECEIVED, PERSON, at, text=text), Done(Step.IDENTITY_CHECKED, LETHE, at))
    if not is_done:
        return replace(request, state=RequestState.IDENTITY_CHECKED, steps=steps)
    return replace(request, state=RequestState.ANSWERED, steps=(*steps, Done(Step.ANSWERED, LETHE, at)))


def done_already(request: Request, deed: Deed) -> bool:
    """Whether the last thing that was done is this, by the same operator: a repetition after a lost answer."""
    last = request.steps[-1]
    return last.step is _STEPS[deed.action] and last.actor == deed.operator


def after(request: Request, deed: Deed, extension: Extension | None) -> Request:
    """The request once an operator has acted. `extension` is the one that law allows.

    Raises:
        StepOutOfTurn: this cannot be done with a request in its state.
        ExtensionNotAllowed: it was extended before, no law allows it, or its first time is over.
        GroundNeeded: a refusal says why.
        TextNeeded: its person has to be told in words.
        NotRestricted: there is no restriction of it in force.
    """
    if deed.action is RequestAction.LIFT:
        _must_be_restricting(request)
    if request.state not in _FROM[deed.action]:
        raise StepOutOfTurn
    if deed.action is RequestAction.REFUSE and deed.ground is None:
        raise GroundNeeded
    if deed.action in _TOLD and deed.text is None:
        raise TextNeeded
    step = _STEPS[deed.action]
    moved = replace(request, steps=(*request.steps, Done(step, deed.operator, deed.at, deed.ground, deed.text)))
    if deed.action is RequestAction.LIFT:
        return replace(moved, is_paused=False)
    moved = replace(moved, state=RequestState(step))
    if deed.action is RequestAction.EXTEND:
        return replace(moved, due_at=_extended(request, extension, deed.at), is_extended=True)
    return replace(moved, is_paused=moved.is_paused and (moved.is_open or moved.kind not in COPIES))


def answered(request: Request, at: datetime) -> Request:
    """The request once the suite itself has done what it asks for, such as an export; unchanged when it is over."""
    if not request.is_open:
        return request
    steps = (*request.steps, Done(Step.ANSWERED, LETHE, at))
    is_paused = request.is_paused and request.kind not in COPIES
    return replace(request, state=RequestState.ANSWERED, steps=steps, is_paused=is_paused)


def lifted(request: Request, at: datetime) -> Request:
    """The request once its own person has ended the restriction; unchanged when that was done before.

    Raises:
        NotRestricted: it never was one.
    """
    if request.kind is RequestKind.RESTRICT and not request.is_paused:
        return request
    _must_be_restricting(request)
    return replace(request, is_paused=False, steps=(*request.steps, Done(Step.LIFTED, PERSON, at)))


def taken_back(request: Request, actor: str, at: datetime) -> Request:
    """The request once its own person wants nothing of it any more, or never proved what it needs; unchanged when it is closed.

    Raises:
        StepOutOfTurn: it was decided already, so there is nothing to take back.
    """
    if request.state is RequestState.CLOSED:
        return request
    if not request.is_open:
        raise StepOutOfTurn
    steps = (*request.steps, Done(Step.CLOSED, actor, at))
    return replace(request, state=RequestState.CLOSED, steps=steps, is_paused=False)


def _must_be_restricting(request: Request) -> None:
    if request.kind is not RequestKind.RESTRICT or not request.is_paused:
        raise NotRestricted


def noted(request: Request, done: Done) -> Request:
    """The request with a line more in its dossier, and nothing else changed."""
    return replace(request, steps=(*request.steps, done))


def may_extend(request: Request, extension: Extension | None, at: datetime) -> bool:
    """Whether a request may still be extended, by the one extension that law allows."""
    if extension is None or request.is_extended or request.state not in _FROM[RequestAction.EXTEND]:
        return False
    return at <= extension.told_by and extension.ends_at > request.due_at


def _extended(request: Request, extension: Extension | None, at: datetime) -> datetime:
    if extension is None or not may_extend(request, extension, at):
        raise ExtensionNotAllowed
    return extension.ends_at
