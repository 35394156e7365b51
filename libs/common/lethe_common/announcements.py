"""At each start: no service runs on a version of the policy that people were not told of in time.

The gateway announces and the privacy service keeps the record. Whoever starts reads it:
a version that came too late is refused, one that is still to be announced is waited for.
So all versions that a running service knows are announced ones, and nothing is left to
be asked at the instant at which one takes effect.
"""

import asyncio
from typing import TypeVar

import structlog

from lethe_common.bus import Bus
from lethe_common.clock import Clock
from lethe_common.errors import Unavailable
from lethe_common.policy import PolicyBook
from lethe_common.policy.diff import Announced, unannounced
from lethe_common.rpc.announcements import (
    Announcement,
    PolicyAnnounce,
    PolicyAnnounced,
    PolicyAnnouncedAnswer,
    PolicyAnnouncedQuestion,
    PolicyAnnounceQuestion,
)
from lethe_common.rpc.envelope import Call, Message, Refused

log = structlog.get_logger()

Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)
_AGAIN_SECONDS, _AGAIN_MOST_SECONDS = 0.1, 2.0


class Record:
    """The record, as every service reads it and the gateway writes it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def noted(self) -> PolicyAnnouncedAnswer:
        """What was announced; waits for the privacy service."""
        return await self._surely(PolicyAnnounced, PolicyAnnouncedQuestion())

    async def enter(self, announcements: tuple[Announcement, ...]) -> None:
        """Have announcements recorded; on disk when this returns. Waits for the privacy service."""
        await self._surely(PolicyAnnounce, PolicyAnnounceQuestion(announcements=announcements))

    async def _surely(self, call: type[Call[Q, A]], question: Q) -> A:
        delay = _AGAIN_SECONDS
        while True:
            try:
                return await self._bus.ask(call, question)
            except Unavailable as error:
                log.info("announcements_wait", cause=type(error).__name__, delay_seconds=delay)
            except Refused as error:
                log.warning("announcements_wait", cause=error.refusal_code, delay_seconds=delay)
            await asyncio.sleep(delay)
            delay = min(delay * 2, _AGAIN_MOST_SECONDS)


async def until_announced(record: Record, book: PolicyBook, clock: Clock) -> None:
    """Return when people were told of every version in the book.

    Raises:
        NoticeTooLate, AnnouncedOtherwise, HistoryMissing: that is not going to happen; as in `unannounced`.
    """
    delay = _AGAIN_SECONDS
    while True:
        noted = await record.noted()
        hashes = {one.version: one.hash for one in noted.announcements}
        fresh = unannounced(book, Announced(hashes, noted.has_audience), clock.now())
        # The first version changes nothing for anybody, and no start needs to wait for its note.
        waiting = [newer.version for older, newer in fresh if older is not None]
        if not waiting:
            return
        log.warning("announcement_awaited", version=waiting[0], delay_seconds=delay)
        await asyncio.sleep(delay)
        delay = min(delay * 2, _AGAIN_MOST_SECONDS)
