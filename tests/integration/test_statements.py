"""How PostgreSQL treats the statements of a service."""

from lethe_common.database import Database
from lethe_common.services import Service
from tests.servers import RunningServers

_STATEMENT = "SELECT n FROM unnest($1::int[]) AS n"
_PLANS = "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement = $1"


async def test_a_statement_is_not_planned_anew_for_its_values(servers: RunningServers) -> None:
    database = await Database.open(servers.dsn("billing"), Service.BILLING, size=1)
    try:
        async with database.single() as tx:
            for count in (1, 2, 40, 3):
                await tx.fetch(_STATEMENT, list(range(count)))
            plans = await tx.fetchone(_PLANS, _STATEMENT)
    finally:
        await database.close()

    assert tuple(plans) == (4, 0)
