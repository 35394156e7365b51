"""The gateway's own database, empty and up to date, for what needs no other service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lethe_common.database import Database
from lethe_common.database.migration import Schema, migrate, turn_partitions
from lethe_common.services import Service
from lethe_gateway.models import Table
from tests.servers import RunningServers
from tests.tree import ROOT


@asynccontextmanager
async def gateway_database(servers: RunningServers) -> AsyncIterator[Database]:
    """Open it with the gateway's own role."""
    await servers.empty_schemas()
    revisions = ROOT / "services/gateway/lethe_gateway/migrations"
    await migrate(servers.dsn("gateway_owner"), Schema("gateway", "gateway", revisions, Table.metadata))
    opened = await Database.open(servers.dsn("gateway"), Service.GATEWAY)
    await turn_partitions(opened.pool, 3, 7)
    try:
        yield opened
    finally:
        await opened.close()
