"""Workers end although a cancellation of theirs was lost."""

import asyncio
import contextlib

from lethe_common.process import end


async def _loses(cancellations: int) -> None:
    """As `asyncio.wait_for` before Python 3.12 may, when what it waits for comes at that moment."""
    for _ in range(cancellations):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    await asyncio.Event().wait()


async def test_a_lost_cancellation_is_said_again() -> None:
    tasks = [asyncio.create_task(_loses(number)) for number in (0, 1)]
    await asyncio.sleep(0)

    assert not await end(tasks, 10)
    assert all(task.cancelled() for task in tasks)


async def test_whoever_does_not_end_in_time_is_told() -> None:
    quick, slow = (asyncio.create_task(_loses(number)) for number in (0, 1))
    await asyncio.sleep(0)

    assert list(await end([quick, slow], 0.1)) == [slow]
    assert not await end([slow], 10)


async def test_nobody_to_end_takes_no_time() -> None:
    assert not await end([], 0.1)
