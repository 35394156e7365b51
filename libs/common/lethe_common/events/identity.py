"""What the gateway tells about accounts. A subject is a random reference, never a person."""

from datetime import datetime
from typing import ClassVar, Literal

from lethe_common.events.envelope import Event
from lethe_common.identifiers import SubjectRef
from lethe_common.services import Service


class AccountOpened(Event):
    """An account may use the service from now on: signed up and, where asked for, e-mail verified."""

    type: ClassVar[str] = "identity.account.opened.v1"
    speakers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)
    listeners: ClassVar[tuple[Service, ...]] = (Service.BILLING,)

    subject_ref: SubjectRef
    plan: str
    opened_at: datetime


class AccessRevoked(Event):
    """Sign-ins of a subject ended: replicas drop what they cached, open streams close."""

    type: ClassVar[str] = "identity.access.revoked.v1"
    speakers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)
    is_stored: ClassVar[bool] = False

    subject_ref: SubjectRef
    cause: Literal["session", "api_key", "password", "erasure"]
