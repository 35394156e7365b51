"""What the controller owes within a time: answers, notices, limits, and the forgetting of remains."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, computed_field

from lethe_common.policy.durations import AtMost, Exactly, Span, at_most
from lethe_common.policy.source import Section

Change = Literal[
    "categories", "purposes", "recipients", "transfers", "periods_longer", "periods_shorter",
    "rights", "controller", "age", "choices", "texts",
]  # fmt: skip
"""The kinds of change that `lethe policy diff` tells apart."""


class Rights(Section):
    """How soon each request is answered; `at_once` is what people do by themselves, any time."""

    access: Span | None = None
    portability: Span | None = None
    correct: Span | None = None
    erase: Span | None = None
    restrict: Span | None = None
    withdraw: Span | None = None
    object: Span | None = None
    enquiry: Span | None = None
    child: Span | None = None


class Notice(Section):
    """How and when people hear of changes. `before` is the lead of what is significant or material."""

    channels: tuple[Literal["page", "app", "email"], ...] = Field(min_length=1)
    material: tuple[Change, ...] = ()
    significant: tuple[Change, ...] = ()
    before: AtMost | None = None
    controller_change: AtMost | None = None


class Age(Section):
    """From which age the service is offered, and from which one somebody consents alone.

    `ask` is how newcomers say their age: by a declaration, or by their year of birth, which
    is compared and not kept. `consent_in` has countries (ISO 3166-1, two letters) where one
    consents alone from another age on; then the country is asked too. `unsaid` is what becomes
    of a newcomer who says nothing: the pages ask everybody, and `let_in` takes an account
    opened over the API without a word at what the service's terms say.
    """

    must_state: ClassVar[tuple[str, ...]] = ("min",)

    min: int = Field(default=0, ge=0, le=21)
    consent: int | None = Field(default=None, ge=0, le=21)
    consent_in: dict[Annotated[str, Field(pattern="^[A-Z]{2}$")], Annotated[int, Field(ge=0, le=21)]] = Field(
        default_factory=dict
    )
    ask: Literal["declaration", "birth_year"] = "declaration"
    unsaid: Literal["refused", "let_in"] = "refused"

    def consent_age(self, country: str | None = None) -> int:
        """From which age somebody in a country consents alone."""
        return max(self.min, self.consent_in.get(country or "", self.consent or 0))


class Aggregates(Section):
    """Statistics: groups of at least `k`, rounded to `rounding`, over fixed periods."""

    k: int = Field(ge=2)
    rounding: int = Field(ge=1)
    period: Exactly


class Disclosure(Section):
    """Giving data to an authority: how many people approve; each one cites its legal reference."""

    approvals: int = Field(default=2, ge=1)


class Backups(Section):
    """How long a backup is kept, and which stores (by the start of their names) it holds."""

    keep: AtMost
    stores: tuple[str, ...] = ("pg:",)


class Forgetting(Section):
    """After a key is destroyed: how long until nothing that is left can open what it sealed.

    `key_backups` generations of the key store are kept, one a `rotation`;
    `destroy_delay` is what the keyring (a KMS, say) takes to destroy a key.
    """

    rotation: AtMost = at_most("P1D")
    key_backups: int = Field(default=2, ge=0)
    destroy_delay: AtMost | None = None

    @computed_field  # type: ignore[prop-decorator]  # pydantic's own documented form
    @property
    def horizon(self) -> AtMost:
        """Next rotation, the kept generations of key backups, and the destroy delay."""
        length = self.rotation * (1 + self.key_backups)
        if self.destroy_delay is not None:
            length += self.destroy_delay
        return at_most(f"P{length.days}D" if not length.seconds else f"PT{int(length.total_seconds())}S")
