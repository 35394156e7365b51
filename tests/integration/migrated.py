"""Every service's schema as its migrations leave it, without the services."""

import importlib

from lethe_common.database.migration import Schema, migrate
from lethe_common.services import Service
from lethe_privacy.wiring import migrate_keys
from tests.servers import RunningServers
from tests.tree import ROOT


async def migrate_all(servers: RunningServers) -> None:
    """Bring all of them up to date, the key store's included."""
    for service in Service:
        tables = importlib.import_module(f"lethe_{service}.models").Table.metadata
        revisions = ROOT / f"services/{service}/lethe_{service}/migrations"
        await migrate(servers.dsn(f"{service}_owner"), Schema(service.value, service.value, revisions, tables))
    await migrate_keys(servers.keys_dsn("privacy_owner"))
