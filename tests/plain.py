"""Plain HTTP to our own servers on loopback.

The authorities of the machine are not read: it takes 26 ms for each client, and
nothing here speaks TLS.
"""

from collections.abc import Mapping

import httpx2

_SECONDS = 60.0


def client(base_url: str = "", headers: Mapping[str, str] | None = None, timeout: float = _SECONDS) -> httpx2.Client:
    """A client that asks as an ordinary program would, proxies of the environment aside."""
    return httpx2.Client(base_url=base_url, headers=headers, timeout=timeout, trust_env=False, verify=False)


def page(url: str) -> str:
    """What a page says."""
    with client() as http:
        return http.get(url).text
