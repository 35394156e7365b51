"""From the policy's list and the operator's settings to what `recipients` decides by; and the check at start.

A deployment's own servers (databases, broker, store, a relay) are named by the operator;
loopback counts as own. Every other host that a setting names has to be one that a
recipient of the policy declares, else the service does not start.
"""

import ipaddress
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from lethe_common.clock import Clock
from lethe_common.egress.recipients import Recipient, Recipients
from lethe_common.errors import ConfigurationError
from lethe_common.policy import PolicyBook

_MAIL_PORTS = frozenset({25, 465, 587})
_PORTS_BY_ADAPTER = {"smtp": _MAIL_PORTS}
_OUR_OWN_ADDRESS = frozenset({"public_url"})
TELEMETRY_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Party(Protocol):
    """A recipient as the policy states it."""

    @property
    def id(self) -> str: ...
    @property
    def hosts(self) -> Collection[str]: ...
    @property
    def purposes(self) -> Collection[str]: ...
    @property
    def fields(self) -> Collection[str]: ...
    @property
    def contract_expires(self) -> date | None: ...
    @property
    def adapter(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a setting leads. Never its credentials."""

    setting: str
    host: str
    port: int | None


def recipients_in_force(book: PolicyBook, clock: Clock, private: Collection[str] = ()) -> Recipients:
    """The recipients of the version in force at each moment: who is withdrawn gets nothing from that second on."""
    by_version = {policy.hash: recipients_of(policy.content.recipients, private) for policy in book.versions}
    return Recipients(lambda: by_version[book.governing(clock.now()).hash])


def recipients_of(parties: Iterable[Party], private: Collection[str] = ()) -> list[Recipient]:
    """The policy's recipients. Those in `private` (`id`, or `id:port`) may be in one's own network, and speak plain HTTP."""
    own = {name: port for name, _, port in (one.partition(":") for one in private)}
    return [
        Recipient(
            id=party.id,
            hosts=frozenset(party.hosts),
            purposes=frozenset(party.purposes),
            fields=frozenset(party.fields),
            ports=_ports(party, own.get(party.id, "")),
            expires=party.contract_expires,
            is_private=party.id in own,
            is_plain_http=party.id in own,
        )
        for party in parties
    ]


def _ports(party: Party, own: str) -> frozenset[int]:
    usual = _PORTS_BY_ADAPTER.get(party.adapter or "", frozenset({443}))
    return frozenset({int(own)}) if own.isdecimal() else usual


def endpoints(settings: BaseSettings, environment: Mapping[str, str]) -> list[Endpoint]:
    """Every host that a service's settings name, and that of its telemetry."""
    named = {
        f"LETHE_{name.upper()}": _text(value)
        for name, value in settings
        if name.endswith(("_url", "_endpoint")) and name not in _OUR_OWN_ADDRESS
    }
    named |= {name: environment.get(name, "") for name in TELEMETRY_VARIABLES}
    return [_endpoint(name, text) for name, text in named.items() if text]


def must_be_declared(found: Iterable[Endpoint], own: Collection[str], declared: Collection[str]) -> None:
    """Check every endpoint at start.

    Raises:
        ConfigurationError: one leads to a host that is neither own nor a recipient's; names the setting.
    """
    strangers = [each.setting for each in found if not is_own(each.host, own) and each.host not in declared]
    if strangers:
        raise ConfigurationError(
            f"{', '.join(strangers)}: the host is no recipient's in policy.yaml. Declare it there under recipients, "
            "or name it in LETHE_OWN_HOSTS if it is a server of yours."
        )


def is_own(host: str, own: Collection[str]) -> bool:
    """Whether a host is this machine (over a socket file it has no name), or one that the operator named as own."""
    if host in own or host in {"", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def words(text: str) -> frozenset[str]:
    """The words of a setting that lists some, separated by commas."""
    return frozenset(word.strip() for word in text.split(",") if word.strip())


def _text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")


def _endpoint(setting: str, text: str) -> Endpoint:
    parts = urlsplit(text if "://" in text else f"//{text}")
    # libpq's other way to name a server: in the query, where a path means a socket file.
    named = dict(parse_qsl(parts.query)).get("host", "") if parts.scheme.startswith("postgres") else ""
    host = parts.hostname or named
    return Endpoint(setting, "" if host.startswith("/") else host, parts.port)
