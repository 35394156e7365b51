"""Each service, started alone on a folder with a version nobody was told of: refused when it is too late, else waited for."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import lethe_privacy.migrations
from lethe_common.clock import wall
from lethe_common.database import Database
from lethe_common.database.migration import migrate
from lethe_common.identifiers import SubjectRef
from lethe_common.policy import load_book
from lethe_common.rpc.announcements import (
    Announcement,
    PolicyAnnounced,
    PolicyAnnouncedAnswer,
    PolicyAnnouncedQuestion,
    PolicyAnnounceQuestion,
)
from lethe_common.rpc.envelope import NoAnswer
from lethe_common.rpc.operators import HealthQuestion, health
from lethe_common.services import Service
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.announcements import Announcements
from lethe_privacy.models import Table
from lethe_privacy.subjects import Subjects
from lethe_privacy.wiring import migrate_keys
from tests.integration.keepers import schema
from tests.integration.members import Member, members, until
from tests.integration.nothing_recorded import NOTHING_RECORDED
from tests.servers import RunningServers
from tests.unit.common.policy_files import in_two_versions

pytestmark = pytest.mark.timeout(700)

NOW = wall()
_START_SECONDS = 300.0
LONGER = ("free: P7D", "free: P8D")
ALONE = [Service.JOBS, Service.BILLING, Service.RETENTION]
LATE = (
    r"Version 2 takes effect at \S+, and version 1 promises notice P14D before: .* Let it take effect at \S+ or later\."
)
NOTE = "INSERT INTO privacy.policy_announcements VALUES (1, $1, $2)"


def folder_of(place: Path, lead: timedelta) -> Path:
    """A profile whose second version takes effect so long after now."""
    return in_two_versions(place / "profile", (NOW + lead).isoformat(timespec="seconds"), LONGER)


@contextmanager
def started(servers: RunningServers, service: Service, folder: Path) -> "Iterator[subprocess.Popen[str]]":
    keys = {"LETHE_KEYRING": str(folder / "keyring"), "LETHE_SIGNING_KEY": str(folder / "signing.pem")}
    process = subprocess.Popen(
        [sys.executable, "-m", f"lethe_{service}"],
        env=servers.environment(service) | {"LETHE_PROFILE": str(folder)} | keys,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=_START_SECONDS)


async def _refusal(servers: RunningServers, service: Service, folder: Path) -> tuple[int, str]:
    with started(servers, service, folder) as process:
        _, said = await asyncio.to_thread(process.communicate, timeout=_START_SECONDS)
        return process.returncode, said


@pytest.fixture
async def seats(servers: RunningServers) -> AsyncIterator[dict[Service, Member]]:
    """All schemas as privacy has them, somebody with an account, and version 1 noted long ago."""
    async with members(servers, *Service) as seated:
        await migrate(servers.dsn("privacy_owner"), schema("privacy", lethe_privacy.migrations, Table.metadata))
        await migrate_keys(servers.keys_dsn("privacy_owner"))
        eye = await asyncpg.connect(servers.superuser_dsn("lethe_keys"))
        await eye.execute("INSERT INTO keys.subjects (subject_ref) VALUES ($1)", SubjectRef.new())
        await eye.close()
        eye = await asyncpg.connect(servers.superuser_dsn("lethe_facts"))
        await eye.execute(NOTE, "a" * 64, NOW - timedelta(days=99))
        await eye.close()
        yield seated


class Kept(Announcements):
    """The record, which counts how often it was read."""

    reads = 0

    async def announced(self, question: PolicyAnnouncedQuestion, caller: Service) -> PolicyAnnouncedAnswer:
        self.reads += 1
        return await super().announced(question, caller)

    async def was_read_again(self) -> bool:
        return self.reads > 1


@pytest.fixture
async def kept(servers: RunningServers, seats: dict[Service, Member], tmp_path: Path) -> AsyncIterator[Kept]:
    """The record, answered from the privacy service's seat."""
    keys = await Database.open(servers.keys_dsn("privacy"), Service.PRIVACY, schema="keys", size=2)
    privacy = seats[Service.PRIVACY]
    record = Kept(privacy.database, Subjects(keys, FolderKeyring(tmp_path / "keyring")))
    await privacy.bus.answer({**NOTHING_RECORDED, PolicyAnnounced: record.announced}, "0.1.0")
    yield record
    await keys.close()


@pytest.mark.parametrize("service", ALONE)
async def test_a_service_alone_refuses_a_version_that_comes_sooner_than_was_promised(
    servers: RunningServers, kept: Kept, tmp_path: Path, service: Service
) -> None:
    code, said = await _refusal(servers, service, folder_of(tmp_path, timedelta(days=13)))

    assert code == 1
    assert re.fullmatch(LATE, said.strip())


async def test_so_does_the_privacy_service_of_itself(
    servers: RunningServers, seats: dict[Service, Member], tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, timedelta(days=13))
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "signing.pem").write_bytes(pem)
    code, said = await _refusal(servers, Service.PRIVACY, folder)

    assert code == 1
    assert re.fullmatch(LATE, said.strip())


async def test_a_version_that_can_still_be_announced_is_waited_for(
    servers: RunningServers, kept: Kept, seats: dict[Service, Member], tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, timedelta(days=15))
    _, coming = load_book(folder).versions
    with started(servers, Service.BILLING, folder) as process:
        await until(kept.was_read_again, _START_SECONDS)
        assert process.poll() is None
        assert not await _answers(seats[Service.GATEWAY])
        told = Announcement(version=2, hash=coming.hash, announced_at=wall())
        await kept.announce(PolicyAnnounceQuestion(announcements=(told,)), Service.GATEWAY)
        await until(lambda: _answers(seats[Service.GATEWAY]), _START_SECONDS)


async def _answers(gateway: Member) -> bool:
    try:
        answer = await gateway.bus.ask(health(Service.BILLING), HealthQuestion(), 0.5)
    except NoAnswer:
        return False
    return answer.policy_next is not None and answer.policy_next.version == 2
