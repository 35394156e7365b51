"""Ports on the loopback interface: is this one free, and give me some that are."""

import random
import socket

from lethe_cli.errors import PortTaken

LOOPBACK = "127.0.0.1"

# Below the range from which systems take the ports of outgoing connections (32768 on Linux, 49152 elsewhere),
# so that none is taken between our look and the server's start.
_FIRST, _LAST = 20000, 32000
_TRIES = 2000


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def require_free(port: int, host: str, option: str) -> None:
    """Refuse a taken port before anything is started.

    Raises:
        PortTaken: names the option that chooses another.
    """
    if not is_free(port, host):
        raise PortTaken(f"Port {port} on {host} is in use. Choose another with {option}, or stop what listens there.")


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, chosen at random so that several suites starting at once rarely meet.

    Raises:
        PortTaken: hardly any port is free.
    """
    chosen: list[int] = []
    for _ in range(_TRIES):
        if len(chosen) == count:
            return chosen
        port = random.randrange(_FIRST, _LAST)  # noqa: S311  nobody needs to be surprised by it
        if port not in chosen and is_free(port):
            chosen.append(port)
    raise PortTaken(f"No {count} free ports were found between {_FIRST} and {_LAST}. Stop what is not needed.")
