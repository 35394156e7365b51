"""What compose runs before the services, on a real PostgreSQL."""

import asyncpg
from deploy.docker.prepare import prepare_databases

from lethe_common.database.roles import DATABASES, PLACES, role_names
from tests.servers import RunningServers


async def test_preparing_again_changes_nothing_but_passwords(servers: RunningServers) -> None:
    url = servers.superuser_dsn().rsplit("/", 1)[0]

    for _again in range(2):
        await prepare_databases(url, servers.secrets.postgres)

    connection = await asyncpg.connect(servers.superuser_dsn())
    try:
        roles = {row["rolname"] for row in await connection.fetch("SELECT rolname FROM pg_roles WHERE NOT rolsuper")}
        databases = {row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")}
    finally:
        await connection.close()
    assert set(role_names()) <= roles
    assert set(DATABASES) <= databases
    for place in PLACES:
        mine = await asyncpg.connect(servers.dsn(place.service.value, place.database))
        assert await mine.fetchval("SELECT current_schema()") == place.schema
        await mine.close()
