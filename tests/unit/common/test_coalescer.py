import asyncio
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from lethe_common.coalescer import Coalescer, QueueFull
from lethe_common.errors import LetheError, Unavailable


class Sour(LetheError):
    code = "sour"


class Doubler:
    """Doubles numbers in batches, refuses sevens, and remembers the sizes of its batches."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.is_away = False

    async def __call__(self, numbers: Sequence[int]) -> Sequence[int]:
        self.sizes.append(len(numbers))
        await asyncio.sleep(0)
        if self.is_away:
            raise Unavailable("away")
        if 7 in numbers:
            raise Sour("no sevens")
        return [number * 2 for number in numbers]


async def test_what_waits_at_one_moment_goes_together_and_each_gets_its_own_answer() -> None:
    doubler = Doubler()
    group = Coalescer(doubler)
    waiting = [asyncio.create_task(group.put(number)) for number in range(6)]
    await asyncio.sleep(0)
    running = asyncio.create_task(group.run())

    assert await asyncio.gather(*waiting) == [0, 2, 4, 6, 8, 10]
    assert doubler.sizes == [6]
    running.cancel()


async def test_a_bad_item_fails_alone_and_the_failure_of_all_is_logged() -> None:
    group = Coalescer(Doubler())
    running = asyncio.create_task(group.run())

    with capture_logs() as logs:
        results = await asyncio.gather(*(group.put(number) for number in (1, 7, 3)), return_exceptions=True)

    assert results[0] == 2
    assert isinstance(results[1], Sour)
    assert results[2] == 6
    assert [(line["event"], line["count"], line["error"]) for line in logs] == [("tried_apart", 3, "Sour: no sevens")]
    running.cancel()


async def test_when_the_other_side_is_away_nobody_is_tried_again_one_by_one() -> None:
    doubler = Doubler()
    doubler.is_away = True
    group = Coalescer(doubler)
    waiting = [asyncio.create_task(group.put(number)) for number in range(5)]
    await asyncio.sleep(0)
    running = asyncio.create_task(group.run())

    results = await asyncio.gather(*waiting, return_exceptions=True)

    assert all(isinstance(result, Unavailable) for result in results)
    assert doubler.sizes == [5]
    running.cancel()


async def test_a_caller_who_left_is_not_served() -> None:
    doubler = Doubler()
    group = Coalescer(doubler)
    gone, stays = asyncio.create_task(group.put(1)), asyncio.create_task(group.put(2))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    running = asyncio.create_task(group.run())

    assert await stays == 4
    assert doubler.sizes == [1]
    running.cancel()


async def test_too_many_waiting_are_refused_at_once() -> None:
    group = Coalescer(Doubler(), max_waiting=1)
    first = asyncio.create_task(group.put(1))
    await asyncio.sleep(0)

    with pytest.raises(QueueFull):
        await group.put(2)
    first.cancel()


async def test_several_put_at_once_get_an_answer_or_an_error_each_in_their_order() -> None:
    doubler = Doubler()
    group = Coalescer(doubler)
    running = asyncio.create_task(group.run())

    answers = await group.put_all([1, 7, 3])

    assert answers[0] == 2
    assert isinstance(answers[1], Sour)
    assert answers[2] == 6
    assert doubler.sizes == [3, 1, 1, 1]
    running.cancel()


async def test_what_is_heavy_together_goes_in_several_batches_and_what_is_too_heavy_alone() -> None:
    doubler = Doubler()
    group = Coalescer(doubler, weigh=lambda number: number, max_weight=10)
    waiting = [asyncio.create_task(group.put(number)) for number in (4, 6, 1, 30, 2, 2)]
    await asyncio.sleep(0)
    running = asyncio.create_task(group.run())

    assert await asyncio.gather(*waiting) == [8, 12, 2, 60, 4, 4]
    assert doubler.sizes == [2, 1, 1, 2]
    running.cancel()
