"""Where a name leads, and whether that is a place for it to lead to."""

import asyncio
import ipaddress
import socket

from lethe_common.egress.refusals import EgressRefused, Reason
from lethe_common.errors import Unavailable

# Python 3.11 calls these global: NAT64 and 6to4 lead to IPv4 addresses inside, the last is for protocol assignments
# (IANA special-purpose registries, RFC 6890).
_NOT_GLOBAL = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "192.0.0.0/24")))


def is_public(address: str) -> bool:
    """Whether an address is one of the open internet, and stays so when what is inside it is looked at."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inner = getattr(found, "ipv4_mapped", None) or found
    if any(inner.version == network.version and inner in network for network in _NOT_GLOBAL):
        return False
    return inner.is_global and not inner.is_multicast


async def resolved(host: str, port: int, recipient: str, *, is_private: bool) -> str:
    """An address of a host, after every one of its addresses was looked at: to be dialled as it is, not by name again.

    Raises:
        EgressRefused: one of them is no public address, and the recipient is not declared private.
        Unavailable: the name cannot be resolved.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unavailable("A recipient's name cannot be resolved. Try again later.") from error
    addresses = [str(each[4][0]) for each in found]
    if not addresses:
        raise Unavailable("A recipient's name cannot be resolved. Try again later.")
    if not is_private and not all(map(is_public, addresses)):
        raise EgressRefused(Reason.ADDRESS, recipient)
    return addresses[0]
