"""What goes over HTTP, in and out. Videos have OpenAI's shape; fields of ours stand beside theirs."""

from datetime import date, datetime
from typing import Annotated, Literal

import asyncpg
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from lethe_common.rpc.breaches import PEOPLE_MOST, Name
from lethe_common.rpc.legal_holds import OperatorName, Reason
from lethe_common.rpc.processors import Reference, Remark
from lethe_common.rpc.requests import RefusalGround, RequestKind
from lethe_common.rpc.simulation import PolicyText
from lethe_gateway.ages import Told

_MESSAGES = {
    "provider_failed": "The model could not make this video. You were not charged. Try again.",
    "bad_input": "The reference image could not be used. You were not charged. Try another image.",
    "refused": "The model refused this prompt. You were not charged. Change the prompt.",
    "timed_out": "The model took too long. You were not charged. Try again.",
    "cancelled": "This generation was cancelled before it had output.",
}


class Body(BaseModel):
    """A request body: what is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Password = Annotated[str, StringConstraints(min_length=10, max_length=256)]
Email = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=3, max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
]
Secret = Annotated[str, StringConstraints(min_length=20, max_length=128, pattern="^[A-Za-z0-9_-]+$")]


PurposeName = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Choices = Annotated[dict[PurposeName, bool], Field(max_length=64)]


class AgeTold(Body):
    """What the policy asks of somebody's age; more is refused. Compared, and stored nowhere."""

    birth_year: int | None = Field(default=None, ge=1900, le=2200)
    is_of_age: bool | None = None
    may_consent: bool | None = None
    country: str | None = Field(default=None, pattern="^[A-Z]{2}$")

    @property
    def age_told(self) -> Told:
        """The same as a value."""
        return Told(self.birth_year, self.is_of_age, self.may_consent, self.country)


class ConsentAnswers(AgeTold):
    """Yes or no to purposes; `policy_version` is the one whose words were shown."""

    consents: Choices
    policy_version: int | None = None


class Newcomer(AgeTold):
    """The answers to what `GET /v1/sign-up` asks; all there is of a guest."""

    consents: Choices = Field(default_factory=dict)
    policy_version: int | None = None


class SignUp(Newcomer):
    email: Email
    password: Password


class SignIn(Body):
    email: Annotated[str, StringConstraints(max_length=254)]
    password: Annotated[str, StringConstraints(max_length=256)]


class ResetWish(Body):
    email: Email


class LinkWish(Body):
    email: Email


class LinkUse(Body):
    """`fact`: the id of an account, or of one of its videos."""

    token: Secret
    fact: Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^(acct|video)_[0-9a-f]{32}$")] | None = None


class NewPassword(Body):
    token: Secret
    password: Password


class Confirmation(Body):
    token: Secret


class Claim(Body):
    claim: Secret


class PlanChoice(Body):
    plan: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class OperatorSignIn(Body):
    token: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class CalendarQuery(Body):
    limit: int = Field(default=20, ge=1, le=100)
    after: str | None = Field(default=None, pattern="^video_[0-9a-f]{32}$")


class ForecastQuery(Body):
    days: int = Field(default=30, ge=1, le=366)


class LimitQuery(Body):
    limit: int = Field(default=50, ge=1, le=200)


class HoldsQuery(Body):
    all: bool = False
    limit: int = Field(default=50, ge=1, le=200)


class HoldProposal(Body):
    """What to keep: `scope` is a video's or an account's id."""

    scope: Annotated[str, StringConstraints(strip_whitespace=True, pattern="^(video|acct)_[0-9a-f]{32}$")]
    operator: OperatorName
    reason: Reason
    ends_at: AwareDatetime | None = None


class PolicyWish(Body):
    """A policy's file, to be tried out."""

    policy: PolicyText


class HoldDecision(Body):
    operator: OperatorName


class ContractEntry(Body):
    """What an operator enters about a recipient. Days are ISO dates, both included; without an end the contract goes on."""

    operator: OperatorName
    reference: Reference
    starts_on: date
    ends_on: date | None = None
    subprocessors: Remark = ""
    contact: Remark = ""


RegisterText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=8000)]
"""What an operator writes into a register; sealed."""
AccountName = Annotated[str, StringConstraints(pattern="^acct_[0-9a-f]{32}$")]


class BreachNews(Body):
    """A breach as far as it is known. `categories` are the policy's, `places` their stores."""

    operator: OperatorName
    known_at: AwareDatetime
    categories: tuple[Name, ...] = Field(min_length=1, max_length=100)
    places: tuple[Name, ...] = Field(default=(), max_length=100)
    people: int | None = Field(default=None, ge=0, le=PEOPLE_MOST)
    is_high_risk: bool = False
    text: RegisterText


class BreachRemark(Body):
    operator: OperatorName
    text: RegisterText | None = None


class BreachNotification(BreachRemark):
    """That somebody was notified: by which duty, where it is found, and when it was made, if not now."""

    duty: Name
    reference: Reference
    at: AwareDatetime | None = None


class BreachWord(Body):
    """What those whom a breach touches are written: these accounts, or `everybody`."""

    operator: OperatorName
    text: RegisterText
    accounts: Literal["everybody"] | tuple[AccountName, ...] = Field(max_length=1000)


class DisclosureDemand(Body):
    """What an authority demands. `asked` is sealed; no person's name in the other two."""

    operator: OperatorName
    account_id: AccountName
    authority: Reason
    legal_reference: Reason
    asked: RegisterText
    delay_until: AwareDatetime | None = None
    delay_ground: Reason | None = None


class TrainingQuery(Body):
    """Where to go on: what an answer says behind its last item, or name."""

    after: str = Field(default="", pattern="^((video|train)_[0-9a-f]{32})?$")


class TrainingDeed(Body):
    operator: OperatorName


class DisclosureDeed(Body):
    operator: OperatorName
    ground: Reason | None = None


RequestText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
"""What is written in a request, or about one."""


class RequestWish(Body):
    """What somebody asks for by right. `purposes` are those that an objection or a withdrawal is about.

    `email` is the right address, where the one of the account is wrong.
    """

    kind: RequestKind
    email: Email | None = None
    text: RequestText | None = None
    purposes: Annotated[tuple[PurposeName, ...], Field(max_length=64)] = ()
    video: str | None = Field(default=None, pattern="^video_[0-9a-f]{32}$")


class RequestsQuery(Body):
    all: bool = False
    limit: int = Field(default=50, ge=1, le=200)


class RequestReading(Body):
    """Why an operator has to read what was written."""

    operator: OperatorName
    reason: Reason


class RequestDeed(Body):
    """What an operator does with a request. `text` is what its person is told, `remove_video` for whom is seen in one."""

    operator: OperatorName
    ground: RefusalGround | None = None
    text: RequestText | None = None
    remove_video: bool = False


class VideoError(BaseModel):
    code: str
    message: str


class Video(BaseModel):
    """A generation in the shape of OpenAI's Video object."""

    id: str
    object: Literal["video"] = "video"
    model: str
    status: Literal["queued", "in_progress", "completed", "failed"]
    progress: int
    created_at: int
    completed_at: int | None = None
    expires_at: int | None = None
    seconds: str
    size: str
    prompt: str | None = None
    remixed_from_video_id: str | None = None
    error: VideoError | None = None
    credits_held: int
    credits_charged: int | None = None

    def to_bytes(self) -> bytes:
        """As JSON."""
        return self.__pydantic_serializer__.to_json(self)


def video_of(row: asyncpg.Record, *, percent: int = 0, prompt: str | None = None) -> Video:
    """A generation's row as its owner sees it."""
    state = row["state"]
    code = row["error_code"] if state == "failed" else "cancelled" if state == "cancelled" else None
    return Video(
        id=row["generation_id"],
        model=row["model"],
        status="failed" if state == "cancelled" else state,
        progress=100 if state == "completed" else min(percent, 99) if state == "in_progress" else 0,
        created_at=unix(row["created_at"]),
        completed_at=unix(row["completed_at"]) if row["completed_at"] else None,
        expires_at=unix(row["expires_at"]) if row["expires_at"] else None,
        seconds=str(row["seconds"]),
        size=f"{row['width_px']}x{row['height_px']}",
        prompt=prompt,
        error=VideoError(code=code, message=_MESSAGES.get(code, _MESSAGES["provider_failed"])) if code else None,
        credits_held=row["credits_held"],
        credits_charged=row["credits_charged"],
    )


def unix(moment: datetime) -> int:
    """Whole seconds since 1970, as OpenAI's API writes times."""
    return int(moment.timestamp())


class Page(BaseModel):
    """One page of videos, newest first unless asked otherwise."""

    object: Literal["list"] = "list"
    data: list[Video]
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool = False


class Deleted(BaseModel):
    """What became of a deletion, in the shape of OpenAI's. `deleted` is true only when nothing is left.

    `unreadable_by`, in Unix seconds: from then on nothing opens what backups and free space still hold of it, sealed.
    """

    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: bool
    unreadable_by: int | None = None


class DeletionWaits(Deleted):
    """A deletion that is not finished, and what it waits for: `under_way` or `legal_hold`."""

    deleted: bool = False
    reason: str


class Problem(BaseModel):
    """OpenAI's error, with the id to quote when asking for help."""

    type: str
    code: str
    message: str
    param: str | None = None
    request_id: str | None = None


class Refusal(BaseModel):
    error: Problem = Field()
