"""Connections to NATS, and the check that the server keeps what it acknowledges."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.request import urlopen

import structlog
from pydantic import SecretStr

from lethe_common.bus.lean import LeanClient
from lethe_common.errors import ConfigurationError
from lethe_common.services import Service

log = structlog.get_logger()

_LEAST_VERSION = (2, 12)
_PENDING_BYTES = 32 * 1024**2


@dataclass(frozen=True, slots=True)
class Login:
    """How one service signs in to NATS."""

    url: str
    user: str
    password: SecretStr


async def connect(
    login: Login,
    service: Service,
    role: str,
    *,
    does_reconnect: bool = True,
    on_reconnect: Callable[[], Awaitable[None]] | None = None,
) -> LeanClient:
    """Connect, waiting for the server as long as it takes when the connection may reconnect.

    Each service has its own inbox prefix, which nobody else may subscribe.
    """

    async def on_error(error: Exception) -> None:
        log.warning("bus_error", worker=role, error=type(error).__name__)

    client = LeanClient()
    try:
        await client.connect(
            login.url,
            user=login.user,
            password=login.password.get_secret_value(),
            name=f"lethe-{service}-{role}",
            inbox_prefix=f"_INBOX.{service}".encode(),
            allow_reconnect=does_reconnect,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.25,  # type: ignore[arg-type]  # it is slept for, and so may be a fraction
            connect_timeout=5,
            ping_interval=20,
            error_cb=on_error,
            reconnected_cb=on_reconnect,
            pending_size=_PENDING_BYTES,
            flush_timeout=10,
            # All subjects are our own constants and ids.
            skip_subject_validation=True,
        )
    except BaseException:
        # nats-py leaves a connection open whose handshake failed, or was given up.
        await client.close()
        raise
    return client


async def check_server(client: LeanClient, monitor_url: str | None) -> None:
    """Refuse a server that is too old, or that may forget what it acknowledged.

    Without `sync_interval: always` two minutes of acknowledged messages can be
    lost on power failure (NATS docs, JetStream "sync_interval").

    Raises:
        ConfigurationError: says what to change.
    """
    version = client.connected_server_version
    if (version.major, version.minor) < _LEAST_VERSION:
        raise ConfigurationError("nats-server 2.12 or newer is needed, for atomic batch publishing. Update the server.")
    if monitor_url is None:
        log.warning("bus_sync_unchecked", cause="LETHE_NATS_MONITOR_URL is not set")
        return
    body = await asyncio.to_thread(_read, f"{monitor_url}/jsz?config=true")
    if not json.loads(body).get("config", {}).get("sync_always"):
        raise ConfigurationError("Set `sync_interval: always` in the jetstream block of the NATS configuration.")


def _read(url: str) -> bytes:
    with urlopen(url, timeout=5) as answer:  # noqa: S310  the operator's own setting
        content: bytes = answer.read()
        return content
