"""What every service answers to operators, through the gateway's console: parked messages, health, refused egress."""

import uuid
from datetime import datetime
from typing import ClassVar

from pydantic import Field

from lethe_common.rpc.envelope import Call, Message
from lethe_common.services import Service


class ParkedListQuestion(Message):
    limit: int = Field(default=50, ge=1, le=200)


class ParkedMessage(Message):
    """A message that could not be handled. The body may be damaged and is not shown."""

    parked_id: uuid.UUID
    stream: str
    subject: str
    event_id: str | None
    error: str
    deliveries: int
    parked_at: datetime


class ParkedListAnswer(Message):
    parked: tuple[ParkedMessage, ...]
    total: int


class ParkedReplayQuestion(Message):
    parked_id: uuid.UUID


class ParkedReplayAnswer(Message):
    """What came of it: `handled`, or still parked with the new error."""

    handled: bool
    error: str | None = None


class HealthQuestion(Message):
    pass


class PolicyComing(Message):
    """The version of the policy that takes effect next."""

    hash: str
    version: int
    effective: datetime


class PolicyStanding(Message):
    """Which version of the policy counts at policy time: the same in every replica, or something is wrong."""

    policy_hash: str
    policy_time: datetime
    policy_version: int
    policy_effective: datetime
    policy_next: PolicyComing | None


class HealthAnswer(PolicyStanding):
    """How a service is, in numbers an operator compares."""

    service: Service
    outbox_pending: int
    parked: int


class EgressRefusalsQuestion(Message):
    pass


class EgressRefusal(Message):
    """A passage that was not sent; never what it was about."""

    at: datetime
    recipient: str
    purpose: str
    reason: str


class EgressRefusalsAnswer(Message):
    """The last refusals of the replica that answers, newest first."""

    refusals: tuple[EgressRefusal, ...]


def egress_refusals(service: Service) -> type[Call[EgressRefusalsQuestion, EgressRefusalsAnswer]]:
    """The call that tells what a service was refused to send."""
    return _CALLS[service][3]


def parked_list(service: Service) -> type[Call[ParkedListQuestion, ParkedListAnswer]]:
    """The call that lists a service's parked messages."""
    return _CALLS[service][0]


def parked_replay(service: Service) -> type[Call[ParkedReplayQuestion, ParkedReplayAnswer]]:
    """The call that handles one parked message again."""
    return _CALLS[service][1]


def health(service: Service) -> type[Call[HealthQuestion, HealthAnswer]]:
    """The call that asks a service how it is."""
    return _CALLS[service][2]


def _calls_of(
    service: Service,
) -> tuple[
    type[Call[ParkedListQuestion, ParkedListAnswer]],
    type[Call[ParkedReplayQuestion, ParkedReplayAnswer]],
    type[Call[HealthQuestion, HealthAnswer]],
    type[Call[EgressRefusalsQuestion, EgressRefusalsAnswer]],
]:
    class ParkedList(Call[ParkedListQuestion, ParkedListAnswer]):
        name: ClassVar[str] = "parked.list"
        callee: ClassVar[Service] = service
        callers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)
        question, answer = ParkedListQuestion, ParkedListAnswer
        idempotency: ClassVar[str] = "reads only"

    class ParkedReplay(Call[ParkedReplayQuestion, ParkedReplayAnswer]):
        name: ClassVar[str] = "parked.replay"
        callee: ClassVar[Service] = service
        callers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)
        question, answer = ParkedReplayQuestion, ParkedReplayAnswer
        timeout_seconds: ClassVar[float] = 30.0
        idempotency: ClassVar[str] = "the inbox row of the replayed event"

    class Health(Call[HealthQuestion, HealthAnswer]):
        name: ClassVar[str] = "health"
        callee: ClassVar[Service] = service
        callers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)
        question, answer = HealthQuestion, HealthAnswer
        timeout_seconds: ClassVar[float] = 2.0
        idempotency: ClassVar[str] = "reads only"

    class EgressRefusals(Call[EgressRefusalsQuestion, EgressRefusalsAnswer]):
        name: ClassVar[str] = "egress.refusals"
        callee: ClassVar[Service] = service
        callers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)
        question, answer = EgressRefusalsQuestion, EgressRefusalsAnswer
        timeout_seconds: ClassVar[float] = 2.0
        idempotency: ClassVar[str] = "reads only"

    return ParkedList, ParkedReplay, Health, EgressRefusals


_CALLS = {service: _calls_of(service) for service in Service}
OPERATOR_CALLS: tuple[type[Call[Message, Message]], ...] = tuple(call for calls in _CALLS.values() for call in calls)  # type: ignore[misc]  # Call is invariant; only names are read
