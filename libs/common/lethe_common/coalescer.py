"""Group work: what waits at one moment is done together.

A flush starts whenever a writer is free and never waits on a timer: under load
batches grow by themselves, at rest each item goes alone at once.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import accumulate, islice
from typing import Generic, TypeVar

import structlog

from lethe_common.errors import LetheError, Unavailable
from lethe_common.logging import describe, places

log = structlog.get_logger()

Q = TypeVar("Q")
A = TypeVar("A")


class QueueFull(LetheError):
    """Too much waits already. Retrying a little later is safe."""

    code, status = "overloaded", 503


class Coalescer(Generic[Q, A]):
    """Turns many single calls into few batch calls, and gives each caller its own answer.

    When a batch fails, its items are tried one by one, so that a bad item
    fails alone and never fails its neighbours.

    Args:
        max_batch: how many go together at most.
        weigh: how much one counts towards `max_weight`; what is heavier than that goes alone.
    """

    def __init__(
        self,
        apply: Callable[[Sequence[Q]], Awaitable[Sequence[A]]],
        *,
        max_batch: int = 256,
        weigh: Callable[[Q], int] = lambda _item: 1,
        max_weight: int | None = None,
        max_waiting: int = 20_000,
        writers: int = 1,
    ) -> None:
        self._apply, self._max_batch, self._max_waiting, self._writers = apply, max_batch, max_waiting, writers
        self._weigh, self._max_weight = weigh, max_weight
        self._waiting: deque[tuple[Q, asyncio.Future[A]]] = deque()
        self._arrived = asyncio.Event()

    async def put(self, item: Q) -> A:
        """Wait for this item's answer, or raise what its own attempt raised.

        Raises:
            QueueFull: `max_waiting` items wait already.
        """
        return await self.start(item)

    def start(self, item: Q) -> asyncio.Future[A]:
        """The same, to be awaited later: the item waits from now on.

        Raises:
            QueueFull: `max_waiting` items wait already.
        """
        if len(self._waiting) >= self._max_waiting:
            raise QueueFull("The service is overloaded. Try again in a few seconds.")
        return self._enqueue(item)

    async def put_all(self, items: Sequence[Q]) -> list[A | Exception]:
        """The same for several at once: each one's answer, or what its own attempt raised, in their order.

        Raises:
            QueueFull: `max_waiting` items wait already.
        """
        if len(self._waiting) >= self._max_waiting:
            raise QueueFull("The service is overloaded. Try again in a few seconds.")
        waiting = [self._enqueue(item) for item in items]
        answers: list[A | Exception] = []
        for one in waiting:
            try:
                answers.append(await one)
            except Exception as error:  # noqa: BLE001  handed to the caller, whose item it was
                answers.append(error)
        return answers

    def _enqueue(self, item: Q) -> asyncio.Future[A]:
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        self._arrived.set()
        return answer

    async def run(self) -> None:
        """Serve for ever; a worker of the process frame."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._writers):
                group.create_task(self._write())

    async def _write(self) -> None:
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            # Not in a variable: what was answered, a key perhaps, would live here until the next one comes.
            await self._flush(self._taken())

    def _taken(self) -> list[tuple[Q, asyncio.Future[A]]]:
        """What goes together now, without those who wait no more."""
        taken = [self._waiting.popleft() for _ in range(self._count())]
        return [(item, answer) for item, answer in taken if not answer.done()]

    def _count(self) -> int:
        """How many of those that wait go together now."""
        count = min(len(self._waiting), self._max_batch)
        if self._max_weight is None:
            return count
        weights = accumulate(self._weigh(item) for item, _ in islice(self._waiting, count))
        return max(1, sum(weight <= self._max_weight for weight in weights))

    async def _flush(self, batch: list[tuple[Q, asyncio.Future[A]]]) -> None:
        if not batch:
            return
        try:
            answers = await self._apply([item for item, _ in batch])
        except asyncio.CancelledError:
            for _, answer in batch:
                answer.cancel()
            raise
        except Exception as error:  # noqa: BLE001  handed to the caller whose item it was
            if len(batch) == 1 or isinstance(error, Unavailable):
                for _, answer in batch:
                    _fail(answer, error)
                return
            log.warning("tried_apart", count=len(batch), error=describe(error), where=places(error))
            for one in batch:
                await self._flush([one])
            return
        for (_, waiting), result in zip(batch, answers, strict=True):
            if not waiting.done():
                waiting.set_result(result)


def _fail(waiting: asyncio.Future[A], error: Exception) -> None:
    if not waiting.done():
        waiting.set_exception(error)
