"""Lines of the ledger stay for seven years and then go; what they summed up to is carried forward."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from lethe_common.identifiers import ErasureId, SubjectRef
from lethe_common.policy import load_book
from tests.integration.till import Till, opened_till
from tests.servers import RunningServers
from tests.unit.common.policy_files import written

# ledger.transfer in deploy/profiles/aisora2: at least P7Y, and a minimum counts a year as 366 days.
SEVEN_YEARS = timedelta(days=7 * 366)
ORDERS_EACH = 9


@pytest.fixture
async def till(servers: RunningServers) -> AsyncIterator[Till]:
    async with opened_till(servers) as opened:
        yield opened
        assert await opened.differences() == ()


async def lines(till: Till, *subjects: SubjectRef) -> int:
    sql = "SELECT count(*) FROM transfers JOIN subjects USING (wallet_id) WHERE subject_ref = ANY($1::text[])"
    return int(await till.database.pool.fetchval(sql, subjects))


async def lived(till: Till) -> list[SubjectRef]:
    """Accounts with more lines than a sweep takes at once."""
    subjects = [await till.open_account() for _ in range(3)]
    for subject in subjects * ORDERS_EACH:
        await till.complete(subject, await till.hold(subject))
    return subjects


async def test_a_line_is_there_the_second_before_seven_years_and_gone_at_their_end(till: Till) -> None:
    subjects = await lived(till)
    kept, money = await lines(till, *subjects), [await till.money(subject) for subject in subjects]
    till.clock.advance(days=SEVEN_YEARS.days, seconds=-1)
    await till.sweep()
    assert await lines(till, *subjects) == kept > 50

    till.clock.advance(seconds=1)
    await till.sweep()

    assert await lines(till, *subjects) == 0
    assert [await till.money(subject) for subject in subjects] == money
    assert await till.differences() == ()


async def test_a_line_with_a_longest_period_only_goes_in_time_for_it(till: Till, tmp_path: Path) -> None:
    written(tmp_path, ("keep: {from: created, at_least: P7Y}", "keep: {from: created, at_most: P7Y}"))
    expiries, subject = till.expiries_by(load_book(tmp_path)), await till.open_account()
    till.clock.advance(days=7 * 365 - 30)
    await expiries.prune(till.clock.now())
    before = await lines(till, subject)

    till.clock.advance(days=30)
    await expiries.prune(till.clock.now())

    assert (before, await lines(till, subject)) == (1, 0)


async def test_credits_outlive_the_lines_that_gave_them(till: Till) -> None:
    subject = await till.open_account()
    before = await till.money(subject)
    till.clock.advance(days=SEVEN_YEARS.days)
    await till.sweep()
    assert await lines(till, subject) == 0

    generation = await till.hold(subject)
    await till.complete(subject, generation)

    available, held, owed = await till.money(subject)
    assert (available, held, owed) == (before[0] - 60, 0, 0)
    till.clock.advance(days=SEVEN_YEARS.days)
    await till.sweep()
    assert await till.money(subject) == (available, held, owed)


async def test_younger_lines_stay_when_older_ones_go(till: Till) -> None:
    subject = await till.open_account()
    till.clock.advance(days=365)
    await till.complete(subject, await till.hold(subject))
    till.clock.advance(days=SEVEN_YEARS.days - 365)
    assert await lines(till, subject) == 3

    await till.sweep()

    assert await lines(till, subject) == 2


async def test_the_wallet_of_somebody_erased_goes_with_its_last_line(till: Till) -> None:
    subject, stays = await till.open_account(), await till.open_account()
    wallet = await till.database.pool.fetchval("SELECT wallet_id FROM subjects WHERE subject_ref = $1", subject)
    await till.erase(subject, ErasureId.new())
    there = "SELECT count(*) FROM wallets WHERE wallet_id = $1"
    assert await till.database.pool.fetchval(there, wallet) == 1
    till.clock.advance(days=SEVEN_YEARS.days)

    await till.sweep()

    assert await till.database.pool.fetchval(there, wallet) == 0
    assert await till.database.pool.fetchval("SELECT count(*) FROM carried WHERE wallet_id = $1", wallet) == 0
    assert (await till.money(stays))[0] > 0
