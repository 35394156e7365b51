"""Who answers for the data, who receives it, and who attests to what no machine can measure."""

from datetime import date
from typing import ClassVar, Literal

from pydantic import Field

from lethe_common.policy.durations import AtMost
from lethe_common.policy.languages import Text
from lethe_common.policy.source import Section


class Controller(Section):
    """Who answers for the data. `calendar` is the country whose public holidays are no working days."""

    must_state: ClassVar[tuple[str, ...]] = ("name", "address", "country", "contact")

    name: str = ""
    address: str = ""
    country: str = ""
    contact: str = ""
    registry: str | None = None
    representative: str | None = None
    dpo: str | None = None
    authority: str | None = None
    calendar: str | None = None


class Recipient(Section):
    """Somebody outside who receives data, and all that is promised about them.

    `data` are categories of the policy, `fields` what the adapter's typed request
    carries of them, `hosts` the only ones the outbound client may reach for it.
    `adapter_ends` is the day its interface is shut down, where that is announced. `sealed_to` is the
    X25519 public key (RFC 7748, hex) of one that trains: what it is given is sealed to nobody else.
    """

    must_state: ClassVar[tuple[str, ...]] = ("name", "country", "purposes")

    id: str = Field(pattern="^[a-z][a-z0-9_-]{0,31}$")
    name: str = ""
    role: Literal["processor", "controller", "authority"] = "processor"
    country: str = ""
    purposes: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    transfer: str | None = None
    contract_expires: date | None = None
    deletion: Literal["api", "on_request", "by_period", "none"] = "none"
    retention: AtMost | None = None
    trains: bool = False
    sealed_to: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    biometrics: Literal["none", "computes"] = "none"
    policy_url: str | None = None
    adapter: str | None = None
    adapter_ends: date | None = None


class Attestation(Section):
    """What a person vouches for: `what` names it, `evidence` says where the record is."""

    what: str
    by: str
    on: date
    expires: date
    evidence: str
    text: Text = Field(default_factory=dict)
