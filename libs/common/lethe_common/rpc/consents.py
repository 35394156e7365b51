"""What the privacy service answers about choices: consents, objections, the acceptance of the terms."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from lethe_common.consents import Choice, Way
from lethe_common.identifiers import SubjectRef
from lethe_common.policy.languages import Language
from lethe_common.rpc.envelope import Call, Message
from lethe_common.services import Service

_GATEWAY = (Service.GATEWAY,)


class LastChoice(Message):
    """What was decided last about one purpose, under which version of the policy and when (policy time)."""

    purpose: str
    choice: Choice
    is_allowed: bool
    policy_version: int
    at: datetime


class ConsentsAnswer(Message):
    """One for each purpose that anything was ever decided about. `is_allowed` is what the gate says now."""

    choices: tuple[LastChoice, ...]


class ConsentsShowQuestion(Message):
    subject_ref: SubjectRef


class ConsentsShow(Call[ConsentsShowQuestion, ConsentsAnswer]):
    name: ClassVar[str] = "consents.show"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = ConsentsShowQuestion, ConsentsAnswer
    idempotency: ClassVar[str] = "reads only"


class ConsentsChangeQuestion(Message):
    """Yes or no to purposes, as asked in a language by the version of the policy with this hash.

    `accepts_terms` records the acceptance of the terms beside, once for each version.
    """

    subject_ref: SubjectRef
    wishes: dict[str, bool] = Field(max_length=64)
    accepts_terms: bool = False
    policy_hash: str = Field(pattern="^[0-9a-f]{64}$")
    language: Language
    way: Way


class ConsentsChange(Call[ConsentsChangeQuestion, ConsentsAnswer]):
    """Record choices. They count from the commit on, for every lease of a key."""

    name: ClassVar[str] = "consents.change"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = ConsentsChangeQuestion, ConsentsAnswer
    idempotency: ClassVar[str] = "saying again what stands already adds nothing"


CALLS = (ConsentsShow, ConsentsChange)
