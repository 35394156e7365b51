"""A confined process reaches its named outlets and the porter, and nothing else; a real service runs so.

Network namespaces are Linux's, and an administrator may forbid them. Where they
are refused these tests are skipped with the kernel's word for it; where they once
worked on the same machine, a refusal in CI is a failure.
"""

import asyncio
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lethe_cli.local.ports import free_ports
from lethe_common.clock import monotonic_seconds
from lethe_common.egress import DirectWay, Porter, Recipient, Recipients
from lethe_common.services import Service
from tests.integration.key_store import emptied_for_a_process
from tests.servers import RunningServers
from tests.tree import ROOT
from tests.witness import Witness, witness

CANARY = "canary-of-a-person"
CONFINED = (sys.executable, "-m", "lethe_common.confinement")
READY_SECONDS = 60.0


@pytest.fixture(scope="module", autouse=True)
def _namespaces(pytestconfig: pytest.Config) -> None:
    tried = subprocess.run([*CONFINED, "--", "true"], capture_output=True, text=True, check=False)
    machine = f"lethe/namespaces/{platform.node()}-{platform.release()}-{os.geteuid()}"
    cache = pytestconfig.cache
    assert cache is not None
    has_worked = cache.get(machine, default=False)
    if tried.returncode == 0:
        cache.set(machine, True)  # noqa: FBT003  pytest's own signature
    elif has_worked and os.environ.get("CI"):
        pytest.fail(f"network namespaces worked here before, and are refused now: {tried.stderr}")
    else:
        pytest.skip(f"no network namespaces here: {tried.stderr or tried.returncode}")


@asynccontextmanager
async def porter(declared: Witness, path: Path) -> AsyncIterator[None]:
    """A porter that carries to the declared server only."""
    renderer = Recipient(
        "renderer",
        frozenset({"127.0.0.1"}),
        frozenset({"service"}),
        frozenset({"prompt"}),
        ports=frozenset({declared.port}),
        is_private=True,
        is_plain_http=True,
    )
    served = Porter(DirectWay(Recipients(lambda: [renderer]), lambda: date(2026, 12, 1)), path)
    await served.start()
    yield
    await served.stop()


async def tried_out(*confinement: str, **told: Any) -> dict[str, str]:
    """What became of every attempt, made by a process that is started with these words before it."""
    attempts = [sys.executable, "-m", "tests.integration.attempts", json.dumps(told)]
    process = await asyncio.create_subprocess_exec(
        *confinement, *attempts, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    said, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    outcomes: dict[str, str] = json.loads(said)
    return outcomes


@pytest.fixture
async def address() -> str:
    """An address of this machine other than loopback, where a server can be met from outside any namespace of ours."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # documentation's network: nothing is sent, the route is looked up
        except OSError:
            return "127.0.0.2"
        return str(probe.getsockname()[0])


async def test_nothing_gets_out_of_a_confined_process_but_by_the_porter_to_declared_recipients(
    tmp_path: Path, address: str
) -> None:
    async with (
        witness(host=address) as other,
        witness() as declared,
        witness() as loopback,
        porter(declared, tmp_path / "egress.sock"),
    ):
        told: dict[str, Any] = {
            "host": address, "port": other.port, "loopback_port": loopback.port, "canary": CANARY,
            "socket": str(tmp_path / "egress.sock"), "declared_host": "127.0.0.1", "declared_port": declared.port,
            "outside_pid": os.getpid(), "outside_fd": 0,
        }  # fmt: skip
        free = await tried_out(**told)
        assert {free[name] for name in ("raw socket", "urllib", "URL query", "file name")} == {"got out"}
        assert CANARY.encode() in other.heard
        other.heard.clear()
        loopback.heard.clear()
        before = (other.connections, loopback.connections)

        outcomes = await tried_out(*CONFINED, "--", **told)

    by_egress = {name: outcome for name, outcome in outcomes.items() if name.startswith("egress")}
    assert by_egress == {
        "egress, declared": "answered 200",
        "egress, other host": "refused: undeclared_host",
        "egress, other field": "refused: undeclared_field",
        "egress, other purpose": "refused: purpose",
        "egress, URL query": "refused: query",
        "egress, file name": "refused: undeclared_field",
    }
    assert {name for name, outcome in outcomes.items() if outcome == "got out"} == set()
    assert (other.connections, loopback.connections) == before
    assert CANARY.encode() not in other.heard + loopback.heard + declared.heard


async def test_an_outlet_leads_to_its_port_and_to_no_other(tmp_path: Path) -> None:
    async with witness() as named, witness() as other:
        script = f"""
import urllib.request
print(urllib.request.urlopen("{named.url}/a", timeout=3).status)
try:
    urllib.request.urlopen("{other.url}/a", timeout=3)
except OSError as error:
    print("closed")
"""
        command = [*CONFINED, "--outlet", str(named.port), "--", sys.executable, "-c", script]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        said, _ = await process.communicate()

        assert said.decode().split() == ["200", "closed"]
        assert other.connections == 0


async def test_the_exit_status_and_the_signals_are_the_commands_own() -> None:
    process = await asyncio.create_subprocess_exec(*CONFINED, "--", "sh", "-c", "exit 7")
    assert await process.wait() == 7

    trap = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done"
    process = await asyncio.create_subprocess_exec(*CONFINED, "--", "sh", "-c", trap, stdout=subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 9


async def test_a_signal_that_comes_before_it_can_be_handed_on_is_handed_on() -> None:
    command = ["--", "sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done"]
    slow = f"""
import sys, time
from lethe_common.confinement import __main__ as confinement
run = confinement.asyncio.run
confinement.asyncio.run = lambda carrying: (time.sleep(1), run(carrying))[1]
sys.exit(confinement.main({command!r}))
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", slow, stdout=subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 9


@pytest.fixture(scope="module")
def confined_privacy(
    servers: RunningServers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """A real service, which reaches PostgreSQL, NATS and its monitor and S3, and is asked for its health."""
    (health,), folder = free_ports(1), tmp_path_factory.mktemp("privacy")
    pem = folder / "signing.pem"
    pem.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    own = {
        "LETHE_PROFILE": str(ROOT / "deploy/profiles/aisora2"),
        "LETHE_HEALTH_PORT": str(health),
        "LETHE_KEYRING": str(emptied_for_a_process(servers, folder / "keyring")),
        "LETHE_SIGNING_KEY": str(pem),
    }
    urls = (servers.dsn("privacy"), servers.nats_url, servers.runtime.nats_monitor_url, f"//{servers.s3_endpoint}")
    outlets = [part for url in urls for part in ("--outlet", str(urlsplit(url).port))]
    process = subprocess.Popen(
        [*CONFINED, *outlets, "--inlet", str(health), "--", sys.executable, "-m", "lethe_privacy"],
        env=servers.environment(Service.PRIVACY) | own,
    )
    yield process, health
    process.terminate()
    assert process.wait(timeout=30) == 0


def test_a_real_service_works_where_it_has_no_network(confined_privacy: tuple["subprocess.Popen[bytes]", int]) -> None:
    process, health = confined_privacy
    give_up_at = monotonic_seconds() + READY_SECONDS
    while not _is_ready(health):
        assert monotonic_seconds() < give_up_at
        assert process.poll() is None
        time.sleep(0.1)

    (service,) = [
        pid
        for pid in _children(process.pid)
        if b"lethe_privacy" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"--")[0]
    ]
    status = Path(f"/proc/{service}/status").read_text()
    interfaces = [line.split(":")[0].strip() for line in Path(f"/proc/{service}/net/dev").read_text().splitlines()[2:]]

    assert interfaces == ["lo"]
    assert Path(f"/proc/{service}/net/route").read_text().splitlines()[1:] == []
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


def _is_ready(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=5).is_success
    except httpx2.TransportError:
        return False


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
