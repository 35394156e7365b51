"""Whoever waits for a bell is woken once, however often and however early it was rung."""

import asyncio

from lethe_common.bells import Bell


async def test_a_bell_that_was_rung_before_wakes_at_once_and_only_once() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()

    assert await bell.wait(60)
    assert not await bell.wait(0.01)


async def test_a_bell_wakes_who_waits() -> None:
    bell = Bell()
    waiting = asyncio.create_task(bell.wait(60))
    await asyncio.sleep(0)
    bell.ring()

    assert await waiting


async def test_nobody_waits_longer_than_the_time_out() -> None:
    assert not await Bell().wait(0.01)
