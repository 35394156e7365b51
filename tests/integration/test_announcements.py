"""Which versions a gateway starts with: those people heard of in time, those nobody has to hear of, and no others."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

import lethe_gateway.migrations
import lethe_privacy.migrations
from lethe_common.announcements import Record
from lethe_common.bus import Bus
from lethe_common.database import Database
from lethe_common.database.migration import migrate
from lethe_common.identifiers import AccountId, SubjectRef
from lethe_common.leased_keys import LeasedKeys
from lethe_common.policy import load_book
from lethe_common.policy.errors import AnnouncedOtherwise, HistoryMissing, NoticeTooLate
from lethe_common.rpc.announcements import (
    Announcement,
    PolicyAnnouncedAnswer,
    PolicyAnnouncedQuestion,
    PolicyAnnounceQuestion,
)
from lethe_common.sealing import Sealer
from lethe_common.services import Service
from lethe_common.telemetry import Metrics
from lethe_gateway.announcements import Announcements
from lethe_gateway.gauges import Gauges
from lethe_gateway.item_keys import ItemKeys
from lethe_gateway.mails import Mails
from lethe_gateway.models import Table
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.announcements import Announcements as RecordKeeper
from lethe_privacy.models import Table as PrivacyTable
from lethe_privacy.subjects import Subjects
from lethe_privacy.wiring import migrate_keys
from tests.hand_clock import HandClock
from tests.integration.keepers import schema
from tests.integration.members import settings_of
from tests.servers import RunningServers
from tests.unit.common.policy_files import in_two_versions

EFFECTIVE = datetime(2027, 1, 1, tzinfo=UTC)
BY = EFFECTIVE - timedelta(days=14)
SECOND = timedelta(seconds=1)
LONGER, CHILD = ("free: P7D", "free: P8D"), ("min: 13,", "min: 14,")
Start = Callable[..., Announcements]
ACCOUNT = """
    INSERT INTO gateway.accounts VALUES ($1, $2, '\\x00', '\\x00', 'key', $3, 'free', 'active', $4)
"""


class Kept(Record):
    """The privacy service's record, without the bus between."""

    def __init__(self, kept: RecordKeeper) -> None:
        self._kept = kept

    async def noted(self) -> PolicyAnnouncedAnswer:
        return await self._kept.announced(PolicyAnnouncedQuestion(), Service.GATEWAY)

    async def enter(self, announcements: tuple[Announcement, ...]) -> None:
        await self._kept.announce(PolicyAnnounceQuestion(announcements=announcements), Service.GATEWAY)


@pytest.fixture
async def outside(servers: RunningServers) -> AsyncIterator[asyncpg.Connection]:
    await migrate(servers.dsn("gateway_owner"), schema("gateway", lethe_gateway.migrations, Table.metadata))
    connection = await asyncpg.connect(servers.superuser_dsn())
    await connection.execute("TRUNCATE gateway.accounts, gateway.policy_announcements CASCADE")
    yield connection
    await connection.execute("TRUNCATE gateway.accounts, gateway.policy_announcements CASCADE")
    await connection.close()


@pytest.fixture
async def kept(servers: RunningServers, tmp_path: Path) -> AsyncIterator[Kept]:
    await migrate(servers.dsn("privacy_owner"), schema("privacy", lethe_privacy.migrations, PrivacyTable.metadata))
    await migrate_keys(servers.keys_dsn("privacy_owner"))
    eye = await asyncpg.connect(servers.superuser_dsn("lethe_facts"))
    await eye.execute("TRUNCATE privacy.policy_announcements")
    database = await Database.open(servers.dsn("privacy"), Service.PRIVACY, size=2)
    keys = await Database.open(servers.keys_dsn("privacy"), Service.PRIVACY, schema="keys", size=2)
    yield Kept(RecordKeeper(database, Subjects(keys, FolderKeyring(tmp_path / "keyring"))))
    await eye.execute("TRUNCATE privacy.policy_announcements")
    for one in (eye, database, keys):
        await one.close()


@pytest.fixture
async def starting(
    servers: RunningServers, tmp_path: Path, outside: asyncpg.Connection, kept: Kept
) -> AsyncIterator[Start]:
    """What a gateway is started with at a time, its policy's second version being changed so; None: there is none."""
    database = await Database.open(servers.dsn("gateway"), Service.GATEWAY)
    bus = Bus(Service.GATEWAY, settings_of(servers, Service.GATEWAY), Metrics())

    def start(at: datetime, change: tuple[str, str] | None = LONGER, *, is_replaced: bool = False) -> Announcements:
        folder = in_two_versions(tmp_path / "profile", EFFECTIVE.isoformat(), *([change] if change else []))
        if change is None:
            (folder / "policy-2.yaml").unlink()
        if is_replaced:
            (folder / "policy-2.yaml").replace(folder / "policy.yaml")
        book, clock = load_book(folder), HandClock(at)
        mails = Mails(
            database,
            clock,
            ItemKeys(bus, LeasedKeys(bus, Service.GATEWAY)),
            Sealer(is_on=True),
            None,
            public_url="http://studio",
            valid=timedelta(hours=1),
            book=book,
            attempts_most=5,
            gauges=Gauges(Metrics()),
        )
        return Announcements(database, kept, book, clock, mails)

    yield start
    await database.close()


async def _sign_up(outside: asyncpg.Connection, at: datetime) -> None:
    account_id = AccountId.new()
    await outside.execute(ACCOUNT, account_id, SubjectRef.new(), account_id, at)


async def _noted(outside: asyncpg.Connection) -> list[tuple[int, bool]]:
    rows = await outside.fetch("SELECT version, is_told FROM gateway.policy_announcements ORDER BY version")
    return [(row["version"], row["is_told"]) for row in rows]


async def test_while_nobody_has_an_account_nobody_has_to_hear_of_anything(
    starting: Start, outside: asyncpg.Connection
) -> None:
    await starting(EFFECTIVE - SECOND).register()
    await _sign_up(outside, EFFECTIVE - SECOND)
    await starting(EFFECTIVE - SECOND).register()

    assert await _noted(outside) == [(1, True), (2, True)]


async def test_a_version_in_time_is_noted_once_and_may_be_started_with_until_its_very_day(
    starting: Start, outside: asyncpg.Connection
) -> None:
    await _sign_up(outside, BY)
    for at in (BY, BY + SECOND, EFFECTIVE - SECOND, EFFECTIVE, EFFECTIVE + timedelta(days=99)):
        await starting(at).register()

    assert await _noted(outside) == [(1, True), (2, False)]
    announced_at = await outside.fetchval("SELECT announced_at FROM gateway.policy_announcements WHERE version = 2")
    assert announced_at == BY


@pytest.mark.parametrize("late", [SECOND, timedelta(days=14), timedelta(days=99)])
async def test_a_version_of_which_nobody_heard_in_time_is_refused_even_when_its_day_has_passed(
    starting: Start, outside: asyncpg.Connection, late: timedelta
) -> None:
    await starting(BY - timedelta(days=30), None).register()
    await _sign_up(outside, BY)

    with pytest.raises(NoticeTooLate, match="promises notice P14D before"):
        await starting(BY + late).register()

    assert await _noted(outside) == [(1, True)]


async def test_the_first_start_takes_what_is_in_force_as_it_is_and_refuses_what_comes_too_soon(
    starting: Start, outside: asyncpg.Connection
) -> None:
    await _sign_up(outside, BY)
    with pytest.raises(NoticeTooLate):
        await starting(EFFECTIVE - SECOND).register()

    await starting(EFFECTIVE).register()

    assert await _noted(outside) == [(1, True), (2, True)]


async def test_what_was_announced_stays_as_it_was_told_until_it_is_in_force(
    starting: Start, outside: asyncpg.Connection
) -> None:
    await _sign_up(outside, BY)
    await starting(BY).register()

    with pytest.raises(AnnouncedOtherwise, match="Version 2 of the policy was announced with another text"):
        await starting(BY, ("free: P7D", "free: P9D")).register()

    await starting(EFFECTIVE, ("free: P7D", "free: P9D")).register()


async def test_a_text_that_nobody_was_told_may_change(starting: Start, outside: asyncpg.Connection) -> None:
    await starting(BY).register()
    await starting(BY, ("free: P7D", "free: P9D")).register()

    hashes = await outside.fetchval("SELECT count(DISTINCT policy_hash) FROM gateway.policy_announcements")
    assert (hashes, await _noted(outside)) == (2, [(1, True), (2, True)])


async def test_what_is_only_material_is_shown_on_pages_and_not_mailed(
    starting: Start, outside: asyncpg.Connection
) -> None:
    await _sign_up(outside, BY)
    await starting(BY, CHILD).register()

    assert await _noted(outside) == [(1, True), (2, True)]


async def test_a_restored_backup_does_not_make_an_announcement_late_and_has_its_mails_written_again(
    starting: Start, outside: asyncpg.Connection
) -> None:
    await _sign_up(outside, BY)
    await starting(BY).register()
    await outside.execute("DELETE FROM gateway.policy_announcements WHERE version = 2")

    await starting(BY + timedelta(days=1)).register()

    assert await _noted(outside) == [(1, True), (2, False)]
    announced_at = await outside.fetchval("SELECT announced_at FROM gateway.policy_announcements WHERE version = 2")
    assert announced_at == BY


async def test_a_version_that_takes_the_place_of_the_one_people_were_told_of_is_refused(
    starting: Start, outside: asyncpg.Connection
) -> None:
    await starting(BY, None).register()
    await _sign_up(outside, BY)

    with pytest.raises(HistoryMissing, match=r"Put the file of version 1 back as policy\.yaml"):
        await starting(BY, is_replaced=True).register()
