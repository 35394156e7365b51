import asyncpg
import pytest

from lethe_common.database.roles import DATABASES
from lethe_common.identifiers import SubjectRef
from lethe_common.services import Service
from lethe_common.storage import Storage
from lethe_privacy.verification import NOT_LOOKED_INTO, PLACES, Cluster, Verifier
from tests.integration.migrated import migrate_all
from tests.servers import RunningServers

NAMING_A_SUBJECT = """
    SELECT n.nspname || '.' || c.relname
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE a.attname = 'subject_ref' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
       AND n.nspname = ANY ($1::text[])
"""
SCHEMAS = [*(service.value for service in Service), "keys"]
# Dropped with the erasure's last step, in the transaction that signs; see tests of the saga.
DROPPED_AT_THE_END = {"privacy.erasures"}


@pytest.fixture
async def migrated(servers: RunningServers) -> RunningServers:
    await migrate_all(servers)
    return servers


async def test_every_table_that_names_a_subject_is_looked_into_or_says_why_not(migrated: RunningServers) -> None:
    live: set[str] = set()
    for database in DATABASES:
        connection = await asyncpg.connect(migrated.superuser_dsn(database))
        live |= {row[0] for row in await connection.fetch(NAMING_A_SUBJECT, SCHEMAS)}
        await connection.close()

    live.discard("billing.elsewhere")
    assert {place.table for place in PLACES} | set(NOT_LOOKED_INTO) | DROPPED_AT_THE_END == live


async def test_the_verifier_may_look_into_every_place_and_finds_nothing_of_a_stranger(migrated: RunningServers) -> None:
    key = migrated.s3_key("verifier")
    storage = Storage(migrated.s3_endpoint, key.access_key, key.secret_key, migrated.runtime.s3_bucket)
    urls = {cluster: migrated.dsn("verifier", cluster.value) for cluster in Cluster}

    verifier = await Verifier.open(urls, storage)

    findings = await verifier.look(SubjectRef.new(), ["outputs/nobody/"])
    await verifier.close()

    assert [finding.found for finding in findings] == [0] * (len(PLACES) + 1)
    assert {finding.store for finding in findings} == {place.store for place in PLACES} | {"s3:outputs"}
