"""What one replica of jobs does while another is at work on the same subject."""

from collections.abc import AsyncIterator

import pytest

from lethe_common.events.jobs import (
    GenerationCancelled,
    GenerationCancelRequested,
    GenerationCompleted,
    GenerationDeleteRequested,
)
from lethe_common.identifiers import SubjectRef
from tests.integration.jobs_stand import ScriptedProvider, Stand, jobs, stand
from tests.integration.members import until
from tests.servers import RunningServers

WAITS_OR_WENT_BY = """
    SELECT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'jobs' AND wait_event_type = 'Lock')
        OR EXISTS (SELECT FROM jobs.early_cancels) OR EXISTS (SELECT FROM jobs.removals)
"""


@pytest.fixture
async def at(servers: RunningServers) -> AsyncIterator[Stand]:
    async with stand(servers) as made:
        yield made


@pytest.mark.parametrize("kind", [GenerationCancelRequested, GenerationDeleteRequested])
async def test_the_first_request_of_somebody_is_stopped_though_another_replica_has_not_committed_it_yet(
    at: Stand, kind: type[GenerationCancelRequested | GenerationDeleteRequested]
) -> None:
    async with jobs(at, [ScriptedProvider()]) as process:
        dispatcher, order = process.frame.bus.dispatcher, at.order(SubjectRef.new())
        assert dispatcher is not None
        await at.keep_input(order)
        # Nothing is removed meanwhile: a key that went first would end the run, too.
        at.is_retention_away = True

        async def has_met_it() -> bool:
            return bool(await at.eye.fetchval(WAITS_OR_WENT_BY))

        async with process.frame.database.transaction() as tx:
            await dispatcher.handle([order], tx)
            await at.gateway.tell(kind(generation_id=order.generation_id, subject_ref=order.subject_ref))
            await until(has_met_it)
        (cancelled,) = await at.tells(GenerationCancelled)

    assert cancelled.generation_id == order.generation_id
    assert await at.told(GenerationCompleted) == []
