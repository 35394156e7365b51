"""Real servers for tests: PostgreSQL, NATS with every service's permissions, and an S3 store.

Started once per test process by the same runner that `lethe up` uses, in a
temporary folder, and gone with the process, however it ends.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest

from lethe_cli.local import control
from lethe_cli.local.folder import DataFolder
from lethe_cli.local.ports import LOOPBACK
from lethe_cli.local.runtime import Runtime
from lethe_cli.local.secrets import S3Key, Secrets
from lethe_common.clock import monotonic_seconds
from lethe_common.database.roles import DATABASE, FACTS_DATABASE, KEYS_DATABASE, PLACES, database_of, owner
from lethe_common.services import Service

_READY_SECONDS = 90.0
_PR_SET_PDEATHSIG = 1
_DISK, _MEMORY = Path("/tmp"), Path("/dev/shm")  # noqa: S108  folders in them are made by mkdtemp
_ROOM_BYTES = 4 * 1024**3


@dataclass(frozen=True, slots=True)
class RunningServers:
    """Addresses and credentials of running servers, and a hand on each: `stop`, `start`, `kill`."""

    data: Path
    runtime: Runtime
    secrets: Secrets = field(repr=False)

    def dsn(self, role: str, database: str | None = None) -> str:
        """How a role connects, to the database with its own schema unless said: `billing`, `billing_owner`, `verifier`."""
        return self._dsn(role, self.secrets.postgres[role], database or _home(role))

    def keys_dsn(self, role: str) -> str:
        """How `privacy`, `privacy_owner` or `verifier` connect to the key store's database."""
        return self.dsn(role, KEYS_DATABASE)

    def superuser_dsn(self, database: str = DATABASE) -> str:
        """For looking from outside; no service has it."""
        return self._dsn("postgres", self.secrets.postgres_superuser, database)

    @property
    def nats_url(self) -> str:
        return self.runtime.nats_url

    def nats_password(self, service: Service | str) -> str:
        return self.secrets.nats[Service(service)]

    @property
    def s3_endpoint(self) -> str:
        return self.runtime.s3_endpoint

    def s3_key(self, identity: str) -> S3Key:
        """The keys of `gateway`, `jobs`, `verifier` or `admin`."""
        return self.secrets.s3[identity]

    def environment(self, service: Service | str) -> dict[str, str]:
        """The LETHE_ variables with which a service's settings find these servers; add what the test needs."""
        name = Service(service)
        key = self.secrets.s3.get(name.value, self.secrets.s3["verifier"])
        verifier = self.secrets.s3["verifier"]
        variables = {
            "DATABASE_URL": self.dsn(name.value),
            "DATABASE_OWNER_URL": self.dsn(owner(name)),
            "VERIFIER_DATABASE_URL": self.dsn("verifier"),
            "VERIFIER_KEYS_DATABASE_URL": self.keys_dsn("verifier"),
            "VERIFIER_FACTS_DATABASE_URL": self.dsn("verifier", FACTS_DATABASE),
            "KEYS_DATABASE_URL": self.keys_dsn("privacy"),
            "KEYS_DATABASE_OWNER_URL": self.keys_dsn("privacy_owner"),
            "NATS_URL": self.nats_url,
            "NATS_MONITOR_URL": self.runtime.nats_monitor_url,
            "NATS_USER": name.value,
            "NATS_PASSWORD": self.nats_password(name),
            "S3_ENDPOINT": self.s3_endpoint,
            "S3_BUCKET": self.runtime.s3_bucket,
            "S3_ACCESS_KEY": key.access_key,
            "S3_SECRET_KEY": key.secret_key,
            "S3_VERIFIER_ACCESS_KEY": verifier.access_key,
            "S3_VERIFIER_SECRET_KEY": verifier.secret_key,
        }
        return {f"LETHE_{key}": value for key, value in variables.items()}

    def stop(self, name: str) -> None:
        """Stop `postgres`, `nats` or `s3` and leave it stopped."""
        control.ask(self.data, "stop", name)

    def start(self, name: str) -> None:
        """Start a stopped server; returns when it serves."""
        control.ask(self.data, "start", name)

    def kill(self, name: str) -> None:
        """SIGKILL. The server is restarted by itself."""
        control.ask(self.data, "kill", name)

    async def empty_schemas(self) -> None:
        """Drop and make again every service's schema, for a test that wants a fresh start."""
        for place in PLACES:
            connection = await asyncpg.connect(self.superuser_dsn(place.database))
            try:
                await connection.execute(
                    f"DROP SCHEMA IF EXISTS {place.schema} CASCADE;"
                    f"CREATE SCHEMA {place.schema} AUTHORIZATION {owner(place.service)};"
                    f"GRANT USAGE ON SCHEMA {place.schema} TO {place.service}, verifier;"
                )
            finally:
                await connection.close()

    def _dsn(self, role: str, password: str, database: str) -> str:
        return f"postgresql://{role}:{password}@{LOOPBACK}:{self.runtime.postgres_port}/{database}"


def _home(role: str) -> str:
    service = role.removesuffix("_owner")
    return database_of(Service(service)) if service in set(Service) else DATABASE


@contextmanager
def running_servers(data: Path, *arguments: str) -> Iterator[RunningServers]:
    """Start the three servers on a data folder and stop them afterwards."""
    process = spawn_suite(data, "--servers-only", *arguments)
    try:
        runtime = wait_until_ready(process, data)
        secrets = Secrets.model_validate_json(DataFolder(data).secrets.read_bytes())
        yield RunningServers(data, runtime, secrets)
    finally:
        process.terminate()
        process.wait(timeout=60)


def spawn_suite(data: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    """`lethe up` on a data folder, stopped by the kernel should this process be killed.

    What it prints goes to a file, see `said_by`: a pipe that nobody reads would make it wait.
    """
    with _output(data).open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "lethe_cli", "up", "--data", str(data), *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=dies_with_parent(),  # noqa: PLW1509  calls nothing but prctl
        )


def said_by(data: Path) -> str:
    """What `lethe up` on this folder has printed so far."""
    return _output(data).read_text(errors="replace")


def _output(data: Path) -> Path:
    return data.with_name(f"{data.name}.out")


def wait_until_ready(
    process: "subprocess.Popen[bytes]", data: Path, timeout_seconds: float = _READY_SECONDS
) -> Runtime:
    """The runtime file of a suite once all of it serves; what it said, when it ended instead."""
    file = DataFolder(data).runtime
    give_up_at = monotonic_seconds() + timeout_seconds
    while monotonic_seconds() < give_up_at and process.poll() is None:
        if file.exists() and (runtime := Runtime.model_validate_json(file.read_bytes())).is_ready:
            return runtime
        time.sleep(0.05)
    process.terminate()
    process.wait(timeout=60)
    raise RuntimeError(f"the suite did not become ready:\n{said_by(data)}")


def dies_with_parent() -> Callable[[], None] | None:
    """A `preexec_fn` that ties a child to this process on Linux, so that a killed test run leaves nothing."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0) and None


@contextmanager
def temporary_data_folder(*, is_on_disk: bool = False) -> Iterator[Path]:
    """A data folder of our own, also passable for the database's user when we are root.

    It is in memory where there is room: PostgreSQL makes a thousand files and all servers flush, half of what a start
    costs, against a power failure that no test makes. What is measured lies `is_on_disk`.
    """
    place = _DISK if is_on_disk or not _has_room(_MEMORY) else _MEMORY
    folder = Path(tempfile.mkdtemp(prefix="lethe-test-", dir=place))
    if os.geteuid() == 0:
        folder.chmod(0o711)
    try:
        yield folder / "data"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _has_room(place: Path) -> bool:
    """Whether this is there for everybody, and large enough for all test processes; a container's is often small."""
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK) and shutil.disk_usage(place).free >= _ROOM_BYTES


@pytest.fixture(scope="session")
def servers() -> Iterator[RunningServers]:
    """The three servers, once per test process."""
    with temporary_data_folder() as data, running_servers(data) as running:
        yield running
