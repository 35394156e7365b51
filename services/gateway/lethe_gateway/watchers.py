"""Who waits for a generation to change: open streams, deletions. One table in memory per replica.

A hint says that a version is there or about to be committed; whoever waits looks
at the database. A lost hint costs at most the regular look.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import asyncpg

from lethe_common.bus import Bus
from lethe_common.events.gateway import GenerationChanged
from lethe_common.events.jobs import GenerationProgressed
from lethe_common.identifiers import GenerationId

_PROGRESS_MOST = 20_000
_CHANGES_MOST = 1000
GONE = 0


class Watch:
    """One waiting place."""

    def __init__(self) -> None:
        self._moved = asyncio.Event()
        self.hinted_version: int | None = None
        self.is_closed = False

    def move(self, version: int | None = None) -> None:
        """Wake whoever waits here."""
        if version is not None:
            known = self.hinted_version
            self.hinted_version = version if GONE in (version, known) or known is None else max(known, version)
        self._moved.set()

    def close(self) -> None:
        """Access ended: wake, and never wait again."""
        self.is_closed = True
        self._moved.set()

    async def wait(self, timeout_seconds: float) -> None:
        """Until something moved, or the timeout."""
        try:
            await asyncio.wait_for(self._moved.wait(), timeout_seconds)
        except TimeoutError:
            return
        finally:
            self._moved.clear()


class Watchers:
    """All waiting places of this replica, and how far running generations are."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._watches: dict[str, set[Watch]] = {}
        self._by_subject: dict[str, set[Watch]] = {}
        self._percent: OrderedDict[str, int] = OrderedDict()

    @contextmanager
    def watch(self, generation_id: str, subject_ref: str) -> Iterator[Watch]:
        """A waiting place for one generation, for as long as the block runs."""
        watch = Watch()
        places = ((self._watches, generation_id), (self._by_subject, subject_ref))
        for table, key in places:
            table.setdefault(key, set()).add(watch)
        try:
            yield watch
        finally:
            for table, key in places:
                table[key].discard(watch)
                if not table[key]:
                    del table[key]

    def count(self, subject_ref: str) -> int:
        """How many places a subject has here."""
        return len(self._by_subject.get(subject_ref, ()))

    def percent(self, generation_id: str) -> int:
        """How far a running generation is, as far as it was heard."""
        return self._percent.get(generation_id, 0)

    def close_all_of(self, subject_ref: str) -> None:
        """A subject's access was revoked: end what it has open."""
        for watch in self._by_subject.get(subject_ref, ()):
            watch.close()

    async def tell(self, changes: Iterable[tuple[str, int]]) -> None:
        """Hint all replicas, this one included, at new versions."""
        # Our own database's values, by the thousand: not checked again.
        change = GenerationChanged.Change.model_construct
        parts = [change(generation_id=GenerationId.trusted(key), state_version=version) for key, version in changes]
        for start in range(0, len(parts), _CHANGES_MOST):
            await self._bus.say(GenerationChanged(changes=tuple(parts[start : start + _CHANGES_MOST])))

    async def tell_rows(self, rows: Iterable[asyncpg.Record]) -> None:
        """The same, from rows of `generation_id, state_version`."""
        await self.tell([(row["generation_id"], row["state_version"]) for row in rows])

    async def on_changed(self, event: GenerationChanged) -> None:
        """A replica's hint arrived."""
        for change in event.changes:
            for watch in self._watches.get(change.generation_id, ()):
                watch.move(change.state_version)

    async def on_progressed(self, event: GenerationProgressed) -> None:
        """A run moved on. The newest frame replaces the others."""
        self._percent[event.generation_id] = event.percent
        self._percent.move_to_end(event.generation_id)
        if len(self._percent) > _PROGRESS_MOST:
            self._percent.popitem(last=False)
        for watch in self._watches.get(event.generation_id, ()):
            watch.move()
