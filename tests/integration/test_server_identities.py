"""Each Postgres role and each S3 key reaches its own place, and is refused everywhere else."""

import io

import asyncpg
import pytest
from minio import Minio
from minio.error import S3Error

from lethe_cli.local.bucket import client
from lethe_common.database.roles import DATABASE, DATABASES, KEYS_DATABASE, PLACES, VERIFIER, Place, owner, working
from lethe_common.services import Service
from tests.servers import RunningServers

DENIED = (asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError)


async def is_denied(servers: RunningServers, role: str, statement: str, database: str = DATABASE) -> bool:
    try:
        connection = await asyncpg.connect(servers.dsn(role, database))
    except DENIED:
        return True
    try:
        await connection.execute(statement)
    except DENIED:
        return True
    finally:
        await connection.close()
    return False


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.schema)
async def test_only_its_owner_makes_tables_in_a_schema(servers: RunningServers, place: Place) -> None:
    statement = f"CREATE TABLE {place.schema}.probe_of_rights (id int); DROP TABLE {place.schema}.probe_of_rights"
    assert not await is_denied(servers, owner(place.service), statement, place.database)
    others = {name for service in Service for name in (owner(service), working(service))} - {owner(place.service)}
    for role in others:
        assert await is_denied(servers, role, statement, place.database), role


@pytest.mark.parametrize("service", list(Service))
async def test_a_working_role_sees_no_table_it_was_not_granted(servers: RunningServers, service: Service) -> None:
    schema = next(place.schema for place in PLACES if place.service is not service and place.schema != "privacy")
    connection = await asyncpg.connect(servers.superuser_dsn())
    try:
        await connection.execute(f"CREATE TABLE IF NOT EXISTS {schema}.hidden (id int)")
        assert await is_denied(servers, working(service), f"SELECT id FROM {schema}.hidden")
        assert await is_denied(servers, working(service), f"DELETE FROM {schema}.hidden")
    finally:
        await connection.execute(f"DROP TABLE {schema}.hidden")
        await connection.close()


@pytest.mark.parametrize("service", [service for service in Service if service is not Service.PRIVACY])
async def test_only_privacy_and_the_verifier_enter_the_key_database(servers: RunningServers, service: Service) -> None:
    for role in (owner(service), working(service)):
        assert await is_denied(servers, role, "SELECT 1", KEYS_DATABASE)
    for role in (owner(Service.PRIVACY), working(Service.PRIVACY), VERIFIER):
        assert not await is_denied(servers, role, "SELECT 1", KEYS_DATABASE)


@pytest.mark.parametrize("database", ["postgres", "template1"])
async def test_no_service_enters_the_databases_of_the_server(servers: RunningServers, database: str) -> None:
    for service in Service:
        assert await is_denied(servers, working(service), "SELECT 1", database)


@pytest.mark.parametrize("database", DATABASES)
async def test_the_verifier_writes_nothing(servers: RunningServers, database: str) -> None:
    assert await is_denied(servers, VERIFIER, "CREATE TEMPORARY TABLE probe (id int)", database)
    for place in PLACES:
        if place.database == database:
            table = f"CREATE TABLE {place.schema}.probe (id int)"
            assert await is_denied(servers, VERIFIER, table, database)
            assert await is_denied(servers, VERIFIER, f"SET default_transaction_read_only = off; {table}", database)


async def test_no_password_of_another_role_opens_the_door(servers: RunningServers) -> None:
    wrong = servers.dsn("billing").replace("billing:", "privacy:")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(wrong)


def store(servers: RunningServers, identity: str) -> Minio:
    return client(servers.s3_endpoint, servers.s3_key(identity))


@pytest.mark.parametrize("identity", ["gateway", "jobs"])
def test_a_service_writes_reads_lists_and_removes_objects(servers: RunningServers, identity: str) -> None:
    objects, name = store(servers, identity), f"probe/{identity}/object"
    objects.put_object(bucket_name="lethe", object_name=name, data=io.BytesIO(b"12"), length=2)
    answer = objects.get_object(bucket_name="lethe", object_name=name)
    try:
        assert answer.read() == b"12"
    finally:
        answer.close()
        answer.release_conn()
    listed = [
        item.object_name
        for item in objects.list_objects(bucket_name="lethe", prefix=f"probe/{identity}/", recursive=True)
    ]
    objects.remove_object(bucket_name="lethe", object_name=name)
    assert listed == [name]


def test_the_verifier_looks_and_changes_nothing(servers: RunningServers) -> None:
    writer, verifier = store(servers, "jobs"), store(servers, "verifier")
    writer.put_object(bucket_name="lethe", object_name="probe/seen", data=io.BytesIO(b"1"), length=1)
    listed = [
        item.object_name for item in verifier.list_objects(bucket_name="lethe", prefix="probe/seen", recursive=True)
    ]
    versions = list(
        verifier.list_objects(bucket_name="lethe", prefix="probe/seen", include_version=True, recursive=True)
    )
    assert listed == ["probe/seen"]
    assert len(versions) == 1
    with pytest.raises(S3Error, match="AccessDenied"):
        verifier.put_object(bucket_name="lethe", object_name="probe/own", data=io.BytesIO(b"1"), length=1)
    with pytest.raises(S3Error, match="AccessDenied"):
        verifier.remove_object(bucket_name="lethe", object_name="probe/seen")
    writer.remove_object(bucket_name="lethe", object_name="probe/seen")


@pytest.mark.parametrize("identity", ["gateway", "jobs", "verifier"])
def test_no_service_makes_buckets(servers: RunningServers, identity: str) -> None:
    with pytest.raises(S3Error, match="AccessDenied"):
        store(servers, identity).make_bucket(bucket_name=f"own-{identity}")
