"""Least rights: each service's own credentials try everything that is another's, and are refused."""

import asyncio
from collections.abc import AsyncIterator, Iterable

import asyncpg
import nats
import pytest
import pytest_asyncio
from nats.aio.client import Client

from lethe_common.bus.permissions import permissions
from lethe_common.database.roles import KEYS_DATABASE, PLACES, Place, database_of, owner
from lethe_common.services import Service
from tests.suite import RunningSuite

PAIRS = [(mine, other) for mine in Service for other in Service if mine is not other]
NAMES = [f"{mine}-tries-{other}" for mine, other in PAIRS]
TABLES = "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = $1 AND relkind IN ('r', 'p')"
REFUSED = (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidAuthorizationSpecificationError)
NOT_HERE = (*REFUSED, asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError)

# Taking part in JetStream at all, and looking at a stream one may read anyway, is nobody's own.
SHARED = ("$JS.API.INFO",)


def matches(pattern: str, subject: str) -> bool:
    """Whether a NATS subject falls under a pattern with `*` and `>`."""
    words, wanted = subject.split("."), pattern.split(".")
    for position, word in enumerate(wanted):
        if word == ">":
            return len(words) > position
        if position >= len(words) or word not in ("*", words[position]):
            return False
    return len(words) == len(wanted)


def concrete(pattern: str) -> str:
    """One subject that falls under a pattern."""
    return pattern.replace("*", "x").replace(">", "x")


def foreign(mine: Iterable[str], others: Iterable[str]) -> list[str]:
    """What the other may and I may not."""
    allowed = list(mine)
    subjects = {concrete(pattern) for pattern in others}
    return sorted(s for s in subjects if s not in SHARED and not any(matches(pattern, s) for pattern in allowed))


class Seat:
    """A service's own NATS credentials, and what the server refused them."""

    def __init__(self) -> None:
        self.violations: list[str] = []

    async def connect(self, suite: RunningSuite, service: Service) -> Client:
        async def on_error(error: Exception) -> None:
            self.violations.append(str(error).lower())

        return await nats.connect(
            suite.nats_url,
            user=service.value,
            password=suite.nats_password(service),
            inbox_prefix=f"_INBOX.{service}".encode(),
            error_cb=on_error,
            allow_reconnect=False,
        )

    async def refused(self, kind: str, subjects: list[str]) -> list[str]:
        """Those of the subjects the server has complained about."""
        async with asyncio.timeout(10):
            while len(found := [s for s in subjects if self._has(kind, s)]) < len(subjects):
                await asyncio.sleep(0.02)
        return found

    def _has(self, kind: str, subject: str) -> bool:
        return any(kind in violation and f'"{subject.lower()}"' in violation for violation in self.violations)


@pytest_asyncio.fixture(params=PAIRS, ids=NAMES)
async def pair(request: pytest.FixtureRequest) -> tuple[Service, Service]:
    mine, other = request.param
    return mine, other


async def test_nobody_speaks_on_anothers_subjects(suite: RunningSuite, pair: tuple[Service, Service]) -> None:
    mine, other = pair
    subjects = foreign(permissions(mine).publish, permissions(other).publish)
    seat = Seat()
    client = await seat.connect(suite, mine)

    for subject in subjects:
        await client.publish(subject, b"{}")
    await client.flush()

    assert subjects, "every service has subjects of its own"
    assert await seat.refused("publish", subjects) == subjects
    await client.close()


async def test_nobody_hears_anothers_inbox_or_calls(suite: RunningSuite, pair: tuple[Service, Service]) -> None:
    mine, other = pair
    own = permissions(mine).subscribe
    subjects = foreign(own, permissions(other).subscribe)
    wide = [f"_INBOX.{other}.>", f"rpc.{other}.>", ">", "_INBOX.>", "rpc.>"]
    seat = Seat()
    client = await seat.connect(suite, mine)

    for subject in (*subjects, *wide):
        await client.subscribe(subject)
    await client.flush()

    assert set(await seat.refused("subscription", [*subjects, *wide])) == {*subjects, *wide}
    await client.close()


@pytest_asyncio.fixture(params=[False, True], ids=["working", "owner"])
async def roles(
    request: pytest.FixtureRequest, suite: RunningSuite, pair: tuple[Service, Service]
) -> AsyncIterator[tuple[asyncpg.Connection, Place]]:
    """My working or owner role, connected, and the other's schema."""
    mine, other = pair
    role = owner(mine) if request.param else mine.value
    place = next(place for place in PLACES if place.schema == other)
    if place.database != database_of(mine):
        # A database of its own: there is not even a way in, and what is seen of it from here is nothing.
        with pytest.raises(REFUSED):
            await asyncpg.connect(suite.dsn(role, place.database))
    connection = await asyncpg.connect(suite.dsn(role))
    yield connection, place
    await connection.close()


async def test_nobody_reads_or_writes_anothers_tables(
    suite: RunningSuite, roles: tuple[asyncpg.Connection, Place]
) -> None:
    connection, place = roles
    tables = [row[0] for row in await suite.fetch(TABLES, place.schema, database=place.database)]

    assert len(tables) > 5
    for table in tables:
        name = f"{place.schema}.{table}"
        for statement in (f"SELECT 1 FROM {name}", f"DELETE FROM {name}", f"TRUNCATE {name}", f"DROP TABLE {name}"):
            with pytest.raises(NOT_HERE):
                await connection.execute(statement)
    with pytest.raises(NOT_HERE):
        await connection.execute(f"CREATE TABLE {place.schema}.mine (x int)")


@pytest.mark.parametrize("service", Service)
async def test_a_working_role_has_no_ddl_in_its_own_schema(suite: RunningSuite, service: Service) -> None:
    connection = await asyncpg.connect(suite.dsn(service.value))
    for statement in (
        "CREATE TABLE mine (x int)",
        "DROP TABLE inbox",
        "ALTER TABLE outbox ADD x int",
        "TRUNCATE inbox",
    ):
        with pytest.raises(REFUSED):
            await connection.execute(statement)
    await connection.close()


APPEND_ONLY = [
    ("billing", "transfers", "UPDATE billing.transfers SET amount = 1"),
    ("billing", "transfers", "DELETE FROM billing.transfers"),
    ("jobs", "attempts", "UPDATE jobs.attempts SET cause = ''"),
    ("jobs", "inbox", "UPDATE jobs.inbox SET consumer = ''"),
    ("jobs", "inbox", "DELETE FROM jobs.inbox"),
    ("gateway", "outbox", "DELETE FROM gateway.outbox"),
    ("privacy", "facts", "UPDATE privacy.facts SET kind = ''"),
    ("privacy", "facts", "DELETE FROM privacy.facts"),
]


@pytest.mark.parametrize(("role", "table", "statement"), APPEND_ONLY)
async def test_what_is_append_only_cannot_be_changed_even_by_its_own_service(
    suite: RunningSuite, role: str, table: str, statement: str
) -> None:
    connection = await asyncpg.connect(suite.dsn(role))
    try:
        assert await connection.fetchval(f"SELECT count(*) >= 0 FROM {role}.{table}")
        # A table whose rows may be erased but never changed has a trigger for that.
        with pytest.raises((*REFUSED, asyncpg.RaiseError)):
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize("service", [service for service in Service if service is not Service.PRIVACY])
async def test_only_privacy_reaches_the_key_store(suite: RunningSuite, service: Service) -> None:
    for role in (service.value, owner(service)):
        with pytest.raises(REFUSED):
            await asyncpg.connect(suite.dsn(role, KEYS_DATABASE))


async def test_the_verifier_sees_key_columns_and_nothing_else(suite: RunningSuite) -> None:
    connection = await asyncpg.connect(suite.dsn("verifier"))
    await connection.fetch("SELECT generation_id, subject_ref FROM jobs.assets LIMIT 1")
    for statement in (
        "SELECT prompt_sealed FROM gateway.generations",
        "SELECT * FROM gateway.accounts",
        "SELECT sha256 FROM jobs.assets",
        "SELECT * FROM billing.transfers",
        "DELETE FROM jobs.assets",
    ):
        with pytest.raises((*REFUSED, asyncpg.ReadOnlySQLTransactionError)):
            await connection.execute(statement)
    await connection.close()
    keys = await asyncpg.connect(suite.dsn("verifier", KEYS_DATABASE))
    await keys.fetch("SELECT item_id, subject_ref FROM keys.item_keys LIMIT 1")
    with pytest.raises(REFUSED):
        await keys.execute("SELECT wrapped FROM keys.item_keys")
    await keys.close()
