"""Holds placed without a lock: whoever finds a wallet changed meanwhile decides anew, and nothing of before is left."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import date, timedelta

import asyncpg
import pytest

from lethe_billing.holds import HoldDesk
from lethe_billing.placing import HoldCounter
from lethe_common.events.jobs import FailureCode, GenerationFailed
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.policy.prices import PriceBook, PriceVersion
from lethe_common.rpc.billing import HoldAnswer, HoldOutcome, HoldRequest
from tests.integration.till import ORDER, Till, opened_till, request
from tests.servers import RunningServers

SECONDS = 20
# Locks a wallet, so that whoever wants to write waits, and leaves it as it was.
LOOK = "SELECT 1 FROM wallets JOIN subjects USING (wallet_id) WHERE subject_ref = $1 FOR UPDATE"
# A statement of billing that waits for a row of somebody else's.
WAITING = """
    SELECT query FROM pg_stat_activity
     WHERE application_name = 'lethe-billing' AND wait_event_type = 'Lock' AND state = 'active'
"""


@pytest.fixture
async def till(servers: RunningServers) -> AsyncIterator[Till]:
    async with opened_till(servers) as opened:
        # As many connections as there are, so that processes that come at once do not wait for one another's.
        pool = opened.database.pool
        await asyncio.gather(*(pool.execute("SELECT pg_sleep(0.1)") for _ in range(pool.get_max_size())))
        yield opened
        assert await opened.differences() == ()


@pytest.fixture
async def observer(servers: RunningServers) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(servers.superuser_dsn())
    yield connection
    await connection.close()


async def waiting(observer: asyncpg.Connection, count: int = 1) -> str:
    """The statement that somebody waits with, once so many do."""
    async with asyncio.timeout(SECONDS):
        while len(statements := await observer.fetch(WAITING)) < count:
            await asyncio.sleep(0.01)
    return str(statements[0]["query"])


async def place(till: Till, *requests: HoldRequest) -> list[HoldAnswer]:
    """As one of several processes would, each with batches of its own."""
    return list(await till.counter.apply(requests))


def failed(till: Till, subject: SubjectRef, generation: GenerationId) -> GenerationFailed:
    return GenerationFailed(
        generation_id=generation,
        subject_ref=subject,
        code=FailureCode.PROVIDER_FAILED,
        failed_at=till.clock.now(),
    )


async def test_what_changes_a_wallet_meanwhile_counts(till: Till, observer: asyncpg.Connection) -> None:
    subject, neighbour = await till.open_account(), await till.open_account()
    generation = await till.hold(subject)

    async with till.database.transaction() as tx:
        await till.outcomes.on_generations_failed([failed(till, subject, generation)], tx)
        placing = asyncio.create_task(place(till, request(subject), request(neighbour)))
        assert "INSERT INTO holds" in await waiting(observer), "it has decided, and waits with what it writes"
    mine, theirs = await placing

    assert (mine.outcome, mine.available) == (HoldOutcome.PLACED, 540)
    assert theirs.outcome is HoldOutcome.PLACED
    assert [await till.money(one) for one in (subject, neighbour)] == [(540, 60, 0)] * 2


async def test_what_only_looks_at_a_wallet_meanwhile_changes_nothing(till: Till, observer: asyncpg.Connection) -> None:
    subject = await till.open_account()

    async with till.database.transaction() as tx:
        await tx.execute(LOOK, subject)
        placing = asyncio.create_task(place(till, request(subject)))
        await waiting(observer)
    (answer,) = await placing

    assert (answer.outcome, await till.money(subject)) == (HoldOutcome.PLACED, (540, 60, 0))


async def test_a_wallet_that_is_closed_meanwhile_takes_no_hold(till: Till, observer: asyncpg.Connection) -> None:
    subject = await till.open_account()

    async with till.database.transaction() as tx:
        await tx.execute(
            "UPDATE wallets SET is_closed = true WHERE wallet_id = (SELECT wallet_id FROM subjects WHERE subject_ref = $1)",
            subject,
        )
        placing = asyncio.create_task(place(till, request(subject)))
        await waiting(observer)
    (answer,) = await placing

    assert answer.outcome is HoldOutcome.UNKNOWN_SUBJECT
    assert await till.database.pool.fetchval("SELECT count(*) FROM holds") == 0


async def test_of_holds_by_many_processes_exactly_those_that_can_be_paid_succeed(till: Till) -> None:
    subject, other = await till.open_account(), await till.open_account()

    answers = await asyncio.gather(*(place(till, request(subject), request(other)) for _ in range(40)))

    outcomes = Counter(answer.outcome for both in answers for answer in both)
    assert outcomes == {HoldOutcome.PLACED: 20, HoldOutcome.INSUFFICIENT: 60}
    assert [await till.money(one) for one in (subject, other)] == [(0, 600, 0)] * 2


async def test_one_key_at_many_processes_holds_once(till: Till) -> None:
    subject = await till.open_account()

    answers = await asyncio.gather(*(place(till, request(subject, key="k")) for _ in range(20)))

    outcomes = Counter(answer.outcome for (answer,) in answers)
    assert outcomes == {HoldOutcome.PLACED: 1, HoldOutcome.EXISTING: 19}
    assert len({answer.generation_id for (answer,) in answers}) == 1
    assert await till.money(subject) == (540, 60, 0)


@pytest.mark.parametrize("rate", [0, 15])
async def test_retries_of_one_order_at_many_processes_hold_once_whatever_it_costs(
    till: Till, observer: asyncpg.Connection, rate: int
) -> None:
    subject = await till.open_account()
    sizes = {f"{ORDER.width_px}x{ORDER.height_px}": rate}
    version = PriceVersion.model_validate(
        {"version": "one", "effective": date(2026, 1, 1), "credits_per_second": {ORDER.model: sizes}}
    )
    quarter = timedelta(minutes=15)
    counter = HoldCounter(till.database, HoldDesk(PriceBook([version]), quarter), till.clock, quarter)

    async with till.database.transaction() as tx:
        await tx.execute(LOOK, subject)
        placing = [asyncio.create_task(counter.apply([request(subject, is_retry=True)])) for _ in range(5)]
        await waiting(observer, 5)
    answers = await asyncio.gather(*placing)

    assert Counter(answer.outcome for (answer,) in answers) == {HoldOutcome.PLACED: 1, HoldOutcome.EXISTING: 4}
    assert await till.money(subject) == (600 - 4 * rate, 4 * rate, 0)
