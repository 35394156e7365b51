"""The servers that tests share are real, and closed to those who have no business there."""

import asyncpg
import nats
import nats.errors
import pytest
from nats.js.api import StreamConfig

from lethe_common.events.catalogue import STREAMS
from lethe_common.services import Service
from tests.integration.members import remove_streams
from tests.servers import RunningServers


@pytest.mark.parametrize("service", list(Service))
async def test_each_role_connects_to_its_own_schema(servers: RunningServers, service: Service) -> None:
    connection = await asyncpg.connect(servers.dsn(f"{service}_owner"))
    try:
        await connection.execute(f"CREATE TABLE {service}.probe (id int); DROP TABLE {service}.probe")
    finally:
        await connection.close()


async def test_a_service_declares_its_stream_and_is_acknowledged(servers: RunningServers) -> None:
    await remove_streams(servers)
    client = await nats.connect(
        servers.nats_url, user="jobs", password=servers.nats_password("jobs"), inbox_prefix=b"_INBOX.jobs"
    )
    try:
        js = client.jetstream()
        stream = STREAMS["JOBS"]
        await js.add_stream(StreamConfig(name=stream.name, subjects=list(stream.subjects)))
        ack = await js.publish("jobs.generation.started.v1", b"{}")
        assert ack.stream == "JOBS"
    finally:
        await client.close()
