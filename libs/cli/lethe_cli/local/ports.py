"""Ports on the loopback interface: is this one free, and give me some that are."""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

from lethe_cli.errors import PortTaken
from lethe_common.catalogue import Kind, declare, impersonal

LOOPBACK = "127.0.0.1"

# Below the range from which systems take the ports of outgoing connections (32768 on Linux, 49152 elsewhere),
# so that none is taken between our look and the server's start.
_FIRST, _LAST = 20000, 32000
_TRIES = 2000
_CLAIMS = "lethe-ports"
TEMPORARY_FILES = declare(Kind.TEMPORARY_FILE, {_CLAIMS: impersonal("empty files named by port numbers")})


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
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
    """Ports nobody listens on and no other suite on this machine has chosen, for as long as this process lives.

    Raises:
        PortTaken: hardly any port is free.
    """
    chosen: list[int] = []
    for _ in range(_TRIES):
        if len(chosen) == count:
            return chosen
        port = random.randrange(_FIRST, _LAST)  # noqa: S311  nobody needs to be surprised by it
        if port not in chosen and is_free(port) and _reserve(port):
            chosen.append(port)
    raise PortTaken(f"No {count} free ports were found between {_FIRST} and {_LAST}. Stop what is not needed.")


def _reserve(port: int) -> bool:
    """Claim a port among suites that start at the same moment, before anybody listens on it.

    The lock's file stays open on purpose: it ends with this process, however that ends.
    """
    folder = Path(tempfile.gettempdir()) / _CLAIMS
    try:
        folder.mkdir(exist_ok=True)
        descriptor = os.open(folder / str(port), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return True  # somebody else's folder: chance alone keeps us apart, as it mostly does
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return False
    return True
