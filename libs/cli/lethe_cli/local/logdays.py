"""How long the log stays: as the policy says of what stands in it, a day at a time."""

import asyncio
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

from lethe_cli.local.logbook import Logbook
from lethe_common.policy import Policy, PolicyError, load_book

_LOOK_SECONDS = 1.0
_STORE = "log"


def first_day_kept(policy: Policy, now: datetime) -> date | None:
    """The oldest day of which any line may stay; None where the policy sets no end to what stands in a log.

    A day goes when its youngest line is over. The policy's margins leave its oldest one room for that.
    """
    timer = policy.shortest_timer(_STORE)
    return None if timer is None else (now - timer).date()


async def keep_days(log: Logbook, profile: Path, now: Callable[[], datetime]) -> None:
    """Drop days that are over, for ever, by the version of the policy in force. `now` is policy time."""
    try:
        book = await asyncio.to_thread(load_book, profile)
    except PolicyError:
        return  # the services refuse the same file and say why
    while True:
        at = now()
        first = first_day_kept(book.governing(at), at)
        if first is not None and (dropped := log.drop_before(first)):
            log.say(f"{dropped} files of the log from before {first} were removed, as the policy says")
        await asyncio.sleep(_LOOK_SECONDS)
