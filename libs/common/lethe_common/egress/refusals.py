"""What was refused on its way out: the error, its reasons, and the last ones for operators. No content in any of it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from prometheus_client import CollectorRegistry, Counter

from lethe_common.catalogue import Kind, declare, each, impersonal
from lethe_common.errors import LetheError

METRICS = declare(Kind.METRIC, {"lethe_egress_refused": impersonal("a number about all that was refused")})
LABELS = declare(
    Kind.METRIC_LABEL,
    each(("lethe_egress_refused.recipient", "lethe_egress_refused.reason"), impersonal("a name of a fixed list")),
)
_REMEMBERED = 100


class Reason(StrEnum):
    """Which rule stood against it, in the words of metrics and of the operators' list."""

    RECIPIENT = "undeclared_recipient"
    EXPIRED = "contract_expired"
    NO_CONTRACT = "no_contract"
    UNHEARD = "register_unheard"
    PURPOSE = "purpose"
    SCHEME = "scheme"
    HOST = "undeclared_host"
    PORT = "port"
    ADDRESS = "private_address"
    PATH = "path"
    QUERY = "query"
    BODY = "unreadable_body"
    FIELD = "undeclared_field"
    FILE_NAME = "file_name"
    TOO_LARGE = "too_large"


_SENTENCES: dict[Reason, str] = {
    Reason.RECIPIENT: "no recipient of this id is declared in the policy",
    Reason.EXPIRED: "the recipient's contract has expired",
    Reason.NO_CONTRACT: "the register has no contract with the recipient that stands today",
    Reason.UNHEARD: "the register of contracts was not heard for so long that the contract may have been ended",
    Reason.PURPOSE: "the policy does not list this purpose for the recipient",
    Reason.SCHEME: "only https is allowed, unless the recipient is declared otherwise",
    Reason.HOST: "the host is none of the recipient's declared hosts",
    Reason.PORT: "the port is none of the recipient's declared ports",
    Reason.ADDRESS: "the host's address is private or reserved, and the recipient is not declared to be private",
    Reason.PATH: "the path holds more than plain words and ids",
    Reason.QUERY: "nothing goes out in a query; send it as a declared field",
    Reason.BODY: "the body, or the answer's, cannot be read as it is, so it cannot be checked",
    Reason.FIELD: "the body has a field that the policy does not list for the recipient",
    Reason.FILE_NAME: "a file's name may only be its field's name",
    Reason.TOO_LARGE: "the body or the answer is larger than allowed",
}


class EgressRefused(LetheError):
    """Nothing was sent. `recipient` is a declared id or `undeclared`: never what was asked for."""

    code: ClassVar[str] = "egress_refused"
    status: ClassVar[int] = 500

    def __init__(self, reason: Reason, recipient: str) -> None:
        super().__init__(f"Not sent: {_SENTENCES[reason]}. See docs/operate.md, Egress.")
        self.reason, self.recipient = reason, recipient


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused passage, as operators may see it. `purpose` is empty where it was none of the policy's."""

    at: datetime
    recipient: str
    purpose: str
    reason: Reason


class Refusals:
    """Counts refusals and remembers the last hundred of this process."""

    def __init__(self, registry: CollectorRegistry, now: Callable[[], datetime]) -> None:
        self._now = now
        self._last: deque[Refusal] = deque(maxlen=_REMEMBERED)
        self._refused = Counter(
            "lethe_egress_refused", "Requests that were not sent", ["recipient", "reason"], registry=registry
        )

    def note(self, refused: EgressRefused, purpose: str) -> None:
        """Remember one; the purpose is one that the caller knows to be declared, or empty."""
        self._refused.labels(refused.recipient, refused.reason).inc()
        self._last.append(Refusal(self._now(), refused.recipient, purpose, refused.reason))

    def last(self) -> list[Refusal]:
        """The last ones, newest first."""
        return list(reversed(self._last))
