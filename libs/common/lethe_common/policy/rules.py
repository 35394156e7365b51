"""What the policy may say about a category of data. Terms are those of W3C DPV 2.x in short form."""

from enum import StrEnum
from typing import ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, model_validator

from lethe_common.policy.durations import AtLeast, AtMost, Exactly, Period, at_most
from lethe_common.policy.languages import Text
from lethe_common.policy.source import Section, is_draft

Origin = Literal["given", "automatic", "generated", "received"]
"""Who brings the data: the person, their device by itself, the suite, or somebody else."""


class OnPlanChange(StrEnum):
    """Which plan's period counts for an item whose owner had several."""

    LONGEST = "longest"
    CURRENT = "current"
    AT_CREATION = "at_creation"


class OnPolicyChange(StrEnum):
    """Which version's period counts for an item that lives through a change of the policy."""

    LONGEST = "longest"
    NEW = "new"
    AT_CREATION = "at_creation"


class Fact(StrEnum):
    """What starts a period."""

    CREATED = "created"
    COMPLETED = "completed"
    PROCESSED = "processed"
    SENT = "sent"
    DELETED_BY_USER = "deleted_by_user"
    ERASURE_ASKED = "erasure_asked"
    ACCOUNT_CLOSED = "account_closed"
    HOLD_ENDED = "hold_ended"
    CONSENT_WITHDRAWN = "consent_withdrawn"


_LOG = "log"
BY_COMPLETION = frozenset({Fact.CREATED, Fact.PROCESSED, Fact.COMPLETED})
"""What has happened to all data of a generation when the generation has ended."""

ITEM = "output.video"
"""The category whose rule gives an item its one deadline: its prompt, parameters, video and thumbnail go together."""


PARTS = frozenset(
    {
        "content.prompt",
        "content.generation",
        "content.reference_url",
        "output.thumbnail",
        "output.link",
        "output.metadata",
    }
)
"""What goes with an item, whatever else is said of it."""


class Keep(Section):
    """How long. `exactly`, `at_most` and `at_least` are different promises.

    `exactly` maps a plan's retention key to its period, from `from_event`; a single
    period counts for every plan. `until` keeps something while its reason lasts, and
    `at_most` then counts from that event. `inactive` ends it earlier when nothing is
    heard of its owner for so long: the account ends, with all that is kept. `with` ties a category to another one: it goes
    when that goes. `endless` needs a `reason` and an `inactive` limit.

    An `at_most` covers what remains in backups too, unless `remains: told` says that
    a clause names the time after which those remains cannot be opened any more.
    """

    from_event: Fact = Field(default=Fact.CREATED, alias="from")
    until: Fact | None = None
    exactly: dict[str, Exactly] | None = Field(default=None, min_length=1)
    at_most: AtMost | None = None
    at_least: AtLeast | None = None
    inactive: AtMost | None = None
    with_category: str | None = Field(default=None, alias="with")
    endless: bool = False
    reason: Text = Field(default_factory=dict)
    remains: Literal["inside", "told"] = "inside"

    @property
    def is_stated(self) -> bool:
        """Whether anything is said about how long; the event that ends it is something, though no period."""
        return self.until is not None or self.has_period

    @property
    def has_period(self) -> bool:
        """Whether a timer can be set by it."""
        periods = (self.exactly, self.at_most, self.at_least, self.with_category)
        return self.endless or any(promise is not None for promise in periods)

    @property
    def is_start_stated(self) -> bool:
        """Whether the file says from which event the period counts."""
        return bool({"from_event", "until"} & self.model_fields_set)

    @model_validator(mode="after")
    def _states_something(self, info: ValidationInfo) -> Self:
        if not self.has_period and not is_draft(info):
            raise ValueError("state exactly, at_most, at_least or with: nothing is kept without a period")
        stated = (self.exactly, self.at_most, self.at_least, self.inactive)
        if self.with_category is not None and any(promise is not None for promise in stated):
            raise ValueError("what is kept with another category has no period of its own")
        if self.at_most is not None and self.at_least is not None and self.at_most < self.at_least:
            raise ValueError("at_most is shorter than at_least")
        lengths = (self.exactly or {}).values()
        if self.at_least is not None and any(length < self.at_least for length in lengths):
            raise ValueError("exactly is shorter than at_least: what is promised at least would go before")
        if self.at_most is not None and any(length > self.at_most for length in lengths):
            raise ValueError("exactly is longer than at_most: what is promised at most would stay beyond it")
        if self.endless and not is_draft(info) and (self.inactive is None or not self.reason):
            raise ValueError("endless storage states its reason and an inactive limit such as P2Y")
        return self


class Use(Section):
    """One purpose and its legal basis per law pack."""

    purpose: str
    basis: dict[str, str] = Field(default_factory=dict)


class StaffAccess(Section):
    """Which roles may open the content, each time with a reason and a line in the access log."""

    logged: tuple[str, ...] = Field(min_length=1)


class DataRule(Section):
    """Everything the policy says about one category.

    `partition` is the width of the tables it is dropped from as a whole, so much later
    than its time the oldest row may go. `notice` is how long before a deadline the item's
    owner is told of it by mail. `conditions` are what people are told when they give it.
    `protect: sealed` means each item has a key that is destroyed with it.
    """

    must_state: ClassVar[tuple[str, ...]] = ("dpv", "fides", "keep", "uses")

    label: Text = Field(default_factory=dict)
    dpv: str = ""
    fides: str = ""
    origin: tuple[Origin, ...] = ()
    stores: tuple[str, ...] = ()
    custody: Literal["ours", "provider"] = "ours"
    uses: tuple[Use, ...] = ()
    keep: Keep = Keep.model_construct()
    on_plan_change: OnPlanChange = OnPlanChange.LONGEST
    on_policy_change: OnPolicyChange = OnPolicyChange.LONGEST
    grace: AtMost = at_most("PT24H")
    partition: AtMost | None = None
    notice: Exactly | None = None
    erase: Literal["delete", "pseudonymise"] = "delete"
    ground: str | None = None
    protect: Literal["sealed", "store", "hashed", "plain"] = "plain"
    staff_access: Literal["none"] | StaffAccess = "none"
    precision: dict[str, str] = Field(default_factory=dict)
    conditions: tuple[Text, ...] = ()

    @property
    def ends_with_account(self) -> bool:
        """Whether it goes when its owner's account ends: all but what lies in logs alone, which go by age."""
        return self.stores != (_LOG,)

    @property
    def live_margin(self) -> Period:
        """How long after its time something may still be live: grace, and the partition it is dropped with."""
        width = self.partition
        return self.grace if width is None else at_most(f"PT{int((self.grace + width).total_seconds())}S")

    @model_validator(mode="after")
    def _law_is_named(self) -> Self:
        if self.erase == "pseudonymise" and self.ground is None:
            raise ValueError("what outlives an erasure names its ground")
        return self
