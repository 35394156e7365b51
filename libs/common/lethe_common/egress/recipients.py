"""Who may be sent what: the declared recipients, and the decision about one passage. Pure.

Denied by default. What is decided: recipient and purpose, scheme, host (exact, no
suffixes), port, path, query, body, file names, headers. Addresses are `addresses`' part, since a name's
address is only known when it is looked up.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import SplitResult, urlsplit

from lethe_common.egress.bodies import Body, read_body
from lethe_common.egress.paths import is_plain
from lethe_common.egress.refusals import EgressRefused, Reason

_PORTS = {"https": 443, "http": 80}
# What this looks at and what dials must read a URL alike: no character on which parsers are known to differ.
_URL = re.compile(r"[a-z]+://[a-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~:@/-]*)?")
_ALWAYS_PASSED = frozenset({
    "accept", "accept-encoding", "authorization", "content-length", "content-type", "host", "idempotency-key",
    "user-agent",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recipient:
    """One declared recipient. `fields` are dotted paths inside a body, lists passed through (`input.prompt`)."""

    id: str
    hosts: frozenset[str]
    purposes: frozenset[str]
    fields: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset({443})
    headers: frozenset[str] = frozenset()
    """Header names (lower case) beyond the usual ones, such as a vendor's for its key."""
    is_plain_http: bool = False
    """Whether `http://` will do: for servers of one's own network only."""
    is_private: bool = False
    """Whether its address may be private, loopback or link-local."""
    expires: date | None = None
    """The last day of its contract."""


@dataclass(frozen=True, slots=True, repr=False)
class Passage:
    """One request on its way out, whole. Its parts hold content: never log one."""

    recipient: str
    purpose: str
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def target(self) -> SplitResult:
        """The parts of the URL."""
        return urlsplit(self.url)


class Recipients:
    """All declared recipients of a deployment, asked for at each passage: a policy that takes effect changes them."""

    def __init__(self, declared: Callable[[], Iterable[Recipient]]) -> None:
        self._declared = declared

    @property
    def _by_id(self) -> dict[str, Recipient]:
        return {recipient.id: recipient for recipient in self._declared()}

    @property
    def hosts(self) -> frozenset[str]:
        """Every host that some recipient declares."""
        return frozenset(host for recipient in self._declared() for host in recipient.hosts)

    def with_host(self, host: str) -> Recipient | None:
        """The recipient that declares a host."""
        return next((recipient for recipient in self._declared() if host in recipient.hosts), None)

    def of(self, recipient_id: str) -> Recipient | None:
        """A recipient by its id."""
        return self._by_id.get(recipient_id)

    def admit(self, passage: Passage, today: date) -> Recipient:
        """The recipient of a passage that may go out.

        Raises:
            EgressRefused: it may not; the reason says which rule.
        """
        recipient = self._by_id.get(passage.recipient)
        if recipient is None:
            raise EgressRefused(Reason.RECIPIENT, "undeclared")
        for reason, is_kept in _rules(recipient, passage, today):
            if not is_kept:
                raise EgressRefused(reason, recipient.id)
        return recipient

    def admit_tunnel(self, recipient_id: str, host: str, port: int, today: date) -> Recipient:
        """The recipient of a bare connection (SMTP), by the same rules as far as they reach.

        Raises:
            EgressRefused: it may not be connected to.
        """
        recipient = self._by_id.get(recipient_id)
        if recipient is None:
            raise EgressRefused(Reason.RECIPIENT, "undeclared")
        rules = (
            (Reason.EXPIRED, recipient.expires is None or today <= recipient.expires),
            (Reason.HOST, host in recipient.hosts),
            (Reason.PORT, port in recipient.ports),
        )
        for reason, is_kept in rules:
            if not is_kept:
                raise EgressRefused(reason, recipient.id)
        return recipient


def passed_headers(recipient: Recipient, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that go out; what is not known to be needed stays here."""
    known = _ALWAYS_PASSED | recipient.headers
    return {name.lower(): value for name, value in headers.items() if name.lower() in known}


def _rules(recipient: Recipient, passage: Passage, today: date) -> Iterable[tuple[Reason, bool]]:
    """Each rule with whether the passage keeps it, in order; what comes later may rely on what came before."""
    target = passage.target
    yield Reason.EXPIRED, recipient.expires is None or today <= recipient.expires
    yield Reason.PURPOSE, passage.purpose in recipient.purposes
    yield Reason.SCHEME, target.scheme == "https" or (target.scheme == "http" and recipient.is_plain_http)
    yield Reason.HOST, target.hostname in recipient.hosts and target.username is None and target.password is None
    yield Reason.PORT, _port(target) in recipient.ports
    yield Reason.QUERY, not target.query and not target.fragment and "?" not in passage.url
    body = read_body(passage.headers, passage.body)
    yield Reason.BODY, body is not None
    body = body or Body()
    yield Reason.PATH, _URL.fullmatch(passage.url) is not None and is_plain(target.path, body.values)
    yield Reason.FIELD, body.fields <= recipient.fields
    yield Reason.FILE_NAME, body.has_plain_file_names


def _port(target: SplitResult) -> int | None:
    try:
        return target.port or _PORTS.get(target.scheme)
    except ValueError:
        return None
