"""What billing tells about money, in credits."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from lethe_common.events.envelope import Event
from lethe_common.identifiers import GenerationId, GrantId, HoldId, SubjectRef
from lethe_common.services import Service

HOLDS_MOST = 256
_BILLING = (Service.BILLING,)


class HoldsPosted(Event):
    """Generations were charged; what was held above it went back to its grants. Told for many at once."""

    type: ClassVar[str] = "billing.holds.posted.v1"
    speakers: ClassVar[tuple[Service, ...]] = _BILLING
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)

    class Posted(Event.Part):
        """One hold and what its generation cost, in credits."""

        hold_id: HoldId
        generation_id: GenerationId
        subject_ref: SubjectRef
        credits: int = Field(ge=0)

    holds: tuple[Posted, ...] = Field(min_length=1, max_length=HOLDS_MOST)


class HoldVoided(Event):
    """A generation cost nothing; all that was held went back."""

    type: ClassVar[str] = "billing.hold.voided.v1"
    speakers: ClassVar[tuple[Service, ...]] = _BILLING
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)

    hold_id: HoldId
    generation_id: GenerationId
    subject_ref: SubjectRef
    cause: Literal["failed", "cancelled", "expired", "erased"]


class CreditsGranted(Event):
    """A subject has more credits than before."""

    type: ClassVar[str] = "billing.credits.granted.v1"
    speakers: ClassVar[tuple[Service, ...]] = _BILLING
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)

    grant_id: GrantId
    subject_ref: SubjectRef
    credits: int = Field(gt=0)
    source: Literal["plan", "top_up", "promo", "goodwill", "refund"]


class PlanChanged(Event):
    """A subject's plan from `since` on. Moves retention clocks where the policy says so."""

    type: ClassVar[str] = "billing.plan.changed.v1"
    speakers: ClassVar[tuple[Service, ...]] = _BILLING
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY, Service.RETENTION, Service.JOBS)

    subject_ref: SubjectRef
    plan: str
    since: datetime
