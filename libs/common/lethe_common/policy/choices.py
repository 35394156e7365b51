"""What people decide, or have decided for them: purposes, mail, permissions, cookies, acceptance."""

from typing import ClassVar, Literal

from pydantic import Field

from lethe_common.policy.durations import AtMost
from lethe_common.policy.languages import Text
from lethe_common.policy.source import Section

Default = Literal["off", "opt_in", "opt_out", "always"]


class Purpose(Section):
    """Why data are used. `off`: not at all; `opt_in`: after consent; `opt_out`: until an objection; `always`.

    `ask` is where a consent is asked for; it can be given and taken back in the settings
    in any case. Without one that is a `condition`, no account is opened.
    """

    text: Text
    default: Default = "off"
    ask: Literal["sign_up", "first_use", "settings"] = "settings"
    condition: bool = False
    features_lost: tuple[str, ...] = ()


class MailClass(Section):
    """A kind of mail. What the contract or the law needs cannot be declined.

    `mails` are those of the suite that belong to it; each belongs to `account` otherwise.
    """

    purpose: str = "service"
    opt_out: bool = False
    mails: tuple[
        Literal[
            "password_reset", "verify_email", "deletion_notice", "policy_change", "request_news", "address_change",
            "address_changed", "request_link", "video_removed",
        ],
        ...,
    ] = ()  # fmt: skip
    text: Text = Field(default_factory=dict)


class Permission(Section):
    """What is asked of a person's device, and for which purpose."""

    id: Literal["camera", "photos", "microphone", "files", "notifications", "location"]
    purpose: str
    text: Text


class Cookie(Section):
    """One cookie or other entry in the browser. A `purpose` that is not essential waits for consent."""

    must_state: ClassVar[tuple[str, ...]] = ("purpose",)

    name: str
    purpose: str = ""
    is_essential: bool = Field(default=False, alias="essential")
    lasts: AtMost | Literal["session"] = "session"
    kind: Literal["cookie", "local_storage", "session_storage", "tracker"] = "cookie"
    text: Text = Field(default_factory=dict)


class Analytics(Section):
    """What an analytics recipient gets: these parameters and no others."""

    recipient: str
    parameters: tuple[str, ...] = Field(min_length=1)


class Acceptance(Section):
    """How agreement comes about. `by_use` is none in any law pack here; only a draft may say it.

    `recorded` keeps who accepted which version when, apart from every consent.
    """

    terms: Literal["recorded", "by_use"] = "recorded"
    changes: Literal["recorded", "notice", "by_use"] = "notice"
    consent: Literal["separate", "by_use"] = "separate"
