"""The record of announcements: which versions of the policy people were told of, kept outside the data's backups."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from lethe_common.rpc.envelope import Call, Message
from lethe_common.services import Service

VERSIONS_MOST = 1000


class Announcement(Message):
    """That people were told of a version: `hash` is its file's SHA-256 in hex, `announced_at` in policy time."""

    version: int = Field(ge=1)
    hash: str = Field(pattern="^[0-9a-f]{64}$")
    announced_at: datetime


class PolicyAnnounceQuestion(Message):
    announcements: tuple[Announcement, ...] = Field(max_length=VERSIONS_MOST)


class PolicyAnnounceAnswer(Message):
    """They are on disk."""


class PolicyAnnounce(Call[PolicyAnnounceQuestion, PolicyAnnounceAnswer]):
    """Only the gateway tells people, so only it says that they were told."""

    name: ClassVar[str] = "policy.announce"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)
    question, answer = PolicyAnnounceQuestion, PolicyAnnounceAnswer
    idempotency: ClassVar[str] = "noting a version again changes nothing"


class PolicyAnnouncedQuestion(Message):
    """Which versions were people told of?"""


class PolicyAnnouncedAnswer(Message):
    """`has_audience`: somebody has an account, and is owed the notice that was promised."""

    announcements: tuple[Announcement, ...]
    has_audience: bool


class PolicyAnnounced(Call[PolicyAnnouncedQuestion, PolicyAnnouncedAnswer]):
    """Asked by every service at its start, by the privacy service of itself too."""

    name: ClassVar[str] = "policy.announced"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = tuple(Service)
    question, answer = PolicyAnnouncedQuestion, PolicyAnnouncedAnswer
    idempotency: ClassVar[str] = "reads only"


CALLS = (PolicyAnnounce, PolicyAnnounced)
