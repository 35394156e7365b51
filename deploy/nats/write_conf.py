"""Writes deploy/nats/nats.conf from the permissions table: `make contracts`. Passwords come from the server's environment."""

from pathlib import Path

from lethe_common.bus.permissions import Listen, nats_configuration
from lethe_common.services import Service

FILE = Path(__file__).with_name("nats.conf")
_EVERYWHERE = "0.0.0.0"  # noqa: S104  inside the container's own network, which is closed


def configuration() -> str:
    """The file as it is committed, for compose and helm."""
    passwords = {service: f"$NATS_PASSWORD_{service.upper()}" for service in Service}
    return nats_configuration(passwords, Listen(_EVERYWHERE, 4222, 8222, Path("/data/jetstream")))


if __name__ == "__main__":
    FILE.write_text(configuration())
