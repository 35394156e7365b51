"""The five services as real processes around a gateway under test, on the servers of the test run."""

import asyncio
import io
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from PIL import Image

from lethe_common.clock import monotonic_seconds
from lethe_common.services import Service
from tests import plain
from tests.forked import Forked, forked
from tests.integration.key_store import emptied_for_a_process
from tests.integration.members import remove_streams
from tests.newcomers import told
from tests.servers import RunningServers
from tests.tree import ROOT

PASSWORD = "correct horse battery"
_READY_SECONDS = 110.0


@dataclass
class Suite:
    """Running services and how to reach them."""

    servers: RunningServers
    folder: Path
    port: int
    console_port: int
    token: str
    changes: dict[str, str]
    processes: "dict[Service, Forked | subprocess.Popen[bytes]]" = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def console_url(self) -> str:
        return f"http://127.0.0.1:{self.console_port}"

    def client(self, key: str | None = None) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return plain.client(self.url, headers)

    def sign_up(self, email: str | None = None) -> str:
        """A fresh account's API key."""
        email = email or f"{secrets.token_hex(6)}@example.org"
        with self.client() as client:
            answer = client.post("/v1/accounts", json={"email": email, "password": PASSWORD, **told(client)})
            answer.raise_for_status()
            return str(answer.json()["api_key"]["key"])

    def look(self, sql: str) -> object:
        """One value, seen from outside."""
        return self._look(sql, self.servers.superuser_dsn())

    def look_at_facts(self, sql: str) -> object:
        """One value of the database that is outside the data's backups."""
        return self._look(sql, self.servers.superuser_dsn("lethe_facts"))

    def _look(self, sql: str, dsn: str) -> object:
        async def ask() -> object:
            connection = await asyncpg.connect(dsn)
            try:
                return await connection.fetchval(sql)
            finally:
                await connection.close()

        return asyncio.run(ask())

    def logged(self, service: Service) -> str:
        return (self.folder / f"{service}.log").read_text()

    def start(self, service: Service) -> None:
        with (self.folder / f"{service}.log").open("ab") as log:
            self.processes[service] = forked(
                f"lethe_{service}", (), {"PATH": os.defpath, **self._environment(service)}, log
            )

    def kill(self, service: Service) -> None:
        self.processes[service].send_signal(signal.SIGKILL)
        self.processes[service].wait(timeout=10)

    def wait_until_ready(self) -> None:
        give_up_at = monotonic_seconds() + _READY_SECONDS
        while monotonic_seconds() < give_up_at:
            for service, process in self.processes.items():
                assert process.poll() is None, f"{service} ended:\n{self.logged(service)[-3000:]}"
            if all('"event": "ready"' in self.logged(service) for service in self.processes):
                return
            time.sleep(0.05)
        raise TimeoutError({service: self.logged(service)[-2000:] for service in self.processes})

    def _environment(self, service: Service) -> dict[str, str]:
        own = self.servers.environment(service) | {"LETHE_PROFILE": str(ROOT / "deploy/profiles/aisora2")}
        if service is Service.GATEWAY:
            own |= {
                "LETHE_PORT": str(self.port),
                "LETHE_CONSOLE_PORT": str(self.console_port),
                "LETHE_PUBLIC_URL": self.url,
                "LETHE_OPERATOR_TOKEN": self.token,
                "LETHE_PEPPER": "ab" * 32,
                "LETHE_PASSWORD_COST": "owasp",
            }
        if service is Service.PRIVACY:
            own |= {
                "LETHE_KEYRING": str(self.folder / "keyring"),
                "LETHE_SIGNING_KEY": str(self.folder / "signing.pem"),
            }
        return own | self.changes


@contextmanager
def running_suite(
    servers: RunningServers, folder: Path, services: tuple[Service, ...] = tuple(Service), **changes: str
) -> Iterator[Suite]:
    """Start these services; `changes` are LETHE_ variables without their prefix, for all of them."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "signing.pem").write_bytes(pem)
    prefixed = {f"LETHE_{name}": value for name, value in changes.items()}
    # What another test left: data that remember another ledger of facts than this one's.
    asyncio.run(servers.empty_schemas())
    asyncio.run(remove_streams(servers))
    emptied_for_a_process(servers, folder / "keyring")
    suite = Suite(servers, folder, free_port(), free_port(), secrets.token_urlsafe(24), prefixed)
    try:
        for service in services:
            suite.start(service)
        suite.wait_until_ready()
        yield suite
    finally:
        for process in suite.processes.values():
            process.terminate()
        for process in suite.processes.values():
            process.wait(timeout=30)


def until(is_so: Callable[[], bool], seconds: float = 30.0) -> None:
    """Poll until something is so; the test fails when it does not become so in time."""
    give_up_at = monotonic_seconds() + seconds
    while not is_so():
        assert monotonic_seconds() < give_up_at, "it did not happen in time"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def frames(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    """Server-sent events as they come."""
    event: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line:
            event[name] = value
        elif event:
            yield event
            event = {}


def noise(size: int) -> bytes:
    """A PNG that does not get small."""
    file = io.BytesIO()
    Image.effect_noise((size, size), 90).save(file, "PNG")
    return file.getvalue()
