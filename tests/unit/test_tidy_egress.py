"""Nobody reaches out but by the egress: who may import what can open a connection, and why."""

import re

import pytest

from tests.tree import ROOT, Source, code

# Whatever can dial. Types and errors of these are as good as the whole.
DIALLERS = re.compile(
    r"(httpx2?|httpcore2?|requests|aiohttp|urllib3|urllib\.request|http\.client|ftplib|smtplib|aiosmtplib|telnetlib"
    r"|socket|websockets|minio|boto3|asyncpg|nats|ctypes)(\.|$)"
)
DIALLING_CALLS = {"open_connection", "create_connection", "sock_connect", "create_datagram_endpoint"}
ALLOWED: dict[str, str] = {
    "libs/common/lethe_common/egress/": "the way out itself",
    "libs/common/lethe_common/door.py": "the way in: dials the gateway it is told to stand before",
    "libs/common/lethe_common/confinement/": "makes the namespace in which there is no other",
    "libs/common/lethe_common/bus/": "NATS and its monitor: own servers, checked at start",
    "libs/common/lethe_common/database/": "PostgreSQL: an own server, checked at start",
    "libs/common/lethe_common/storage/": "the object store: an own server or a recipient, checked at start",
    "services/gateway/lethe_gateway/adapters/oidc.py": "the vendor's client, whose only transport is the egress",
    "services/gateway/lethe_gateway/adapters/smtp.py": "mail: an own server, or a recipient through the egress's tunnel",
    "services/gateway/lethe_gateway/server.py": "listens, and dials nobody",
    "libs/cli/": "the operator's and the user's own command line, no service",
}
# The driver's errors and row types, in services that are handed a pool.
DATABASE_TYPES = re.compile(r"asyncpg(\.|$)")


def is_allowed(source: Source, name: str) -> bool:
    if DATABASE_TYPES.match(name) and source.name.startswith("services/"):
        return not re.search(r"asyncpg\.(connect|create_pool)\(", source.text) or source.name in CONNECTS
    return source.name.startswith(tuple(ALLOWED))


CONNECTS = {
    "services/privacy/lethe_privacy/verification.py",  # the verifier's own role; an own server, checked at start
    "services/retention/lethe_retention/adapters/eyes.py",
}


def findings(sources: list[Source]) -> list[str]:
    """What may not be imported or called where it is, with what to do instead."""
    imported = [
        f"{s.name}:{line} imports {name}: only lethe_common.egress reaches out; take `frame.egress`, "
        "or its transport for a vendor's SDK (docs/operate.md, Egress)"
        for s in sources
        for name, line in s.imports()
        if DIALLERS.match(name) and not is_allowed(s, name)
    ]
    called = [
        f"{s.name}:{call.lineno} dials by itself: take `frame.egress` (docs/operate.md, Egress)"
        for s in sources
        for call in s.calls()
        if getattr(call.func, "attr", "") in DIALLING_CALLS and not s.name.startswith(tuple(ALLOWED))
    ]
    return sorted(imported + called)


def test_only_the_egress_and_the_named_adapters_can_reach_out() -> None:
    found = findings(code())

    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        "import httpx2",
        "from httpx2 import AsyncClient",
        "import requests",
        "from urllib.request import urlopen",
        "import socket",
        "import aiohttp",
        "import http.client",
        "reader, writer = await asyncio.open_connection(host, 443)",
    ],
)
def test_a_new_way_out_is_told_with_what_to_take_instead(line: str) -> None:
    source = Source(ROOT / "services/jobs/lethe_jobs/runs.py")
    source.__dict__["text"] = f"{source.path.read_text()}\nasync def _out(host):\n    {line}\n"

    (message,) = findings([source])

    assert "services/jobs/lethe_jobs/runs.py:" in message
    assert "frame.egress" in message


def test_every_exception_names_a_file_that_is_there() -> None:
    assert [name for name in (*ALLOWED, *CONNECTS) if not (ROOT / name).exists()] == []
