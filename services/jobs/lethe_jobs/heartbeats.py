"""The process's heart: keeps all its leases with one statement, and learns which runs are to stop."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from lethe_common.bells import Bell
from lethe_common.bus import Bus
from lethe_common.database import Database
from lethe_common.errors import Unavailable
from lethe_common.events.jobs import GenerationProgressed
from lethe_common.identifiers import GenerationId
from lethe_jobs.leases import Run
from lethe_jobs.providers import Watch
from lethe_jobs.queries import runs as queries

log = structlog.get_logger()


@dataclass(slots=True)
class Held:
    """A run this process works on."""

    run: Run
    watch: Watch = field(default_factory=Watch)
    said_percent: int = -1
    is_fresh: bool = True
    """No beat came by since it was leased."""


class Heart:
    """Beats for every run that is held here."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        bell: Bell,
        *,
        lease: timedelta,
        beat_seconds: float,
        progress_seconds: float,
    ) -> None:
        self._database, self._bus, self._bell = database, bus, bell
        self._lease, self._beat_seconds, self._progress_seconds = lease, beat_seconds, progress_seconds
        self._held: dict[GenerationId, Held] = {}

    def hold(self, runs: Iterable[Run]) -> dict[GenerationId, Watch]:
        """Keep these runs' leases until they are let go."""
        fresh = {run.generation_id: Held(run) for run in runs}
        for generation_id in fresh.keys() & self._held.keys():
            # This process lost that lease while it could not beat, and has the run again: nothing could stop the old work later.
            self._held[generation_id].watch.stop()
        self._held.update(fresh)
        return {generation_id: held.watch for generation_id, held in fresh.items()}

    def let_go(self, run: Run) -> None:
        """This lease has ended, or may run out."""
        held = self._held.get(run.generation_id)
        if held is not None and held.run.lease == run.lease:
            del self._held[run.generation_id]

    def stop_all(self) -> None:
        """Ask every run of this process to stop."""
        for held in self._held.values():
            held.watch.stop()

    async def run(self) -> None:
        """Beat for ever, and at once when a run was asked to stop; a worker of the frame."""
        while True:
            was_rung = await self._bell.wait(self._beat_seconds)
            try:
                await self.beat(everyone=was_rung)
            except Unavailable as error:
                # Leases run out by themselves; tokens decide who may write afterwards.
                log.info("heartbeat_waits", cause=type(error).__name__, count=len(self._held))

    async def beat(self, *, everyone: bool) -> None:
        """Keep leases once; runs that are lost or cancelled are told to stop.

        A lease younger than a beat needs none yet, unless somebody rang: most runs of a quick provider never beat.
        """
        held = [one for one in self._held.values() if everyone or not one.is_fresh]
        for one in self._held.values():
            one.is_fresh = False
        if not held:
            return
        async with self._database.transaction() as tx:
            kept = await queries.beat(tx, [(one.run.lease, one.watch.percent) for one in held], self._lease)
        for one in held:
            if kept.get(one.run.generation_id, True):
                one.watch.stop()

    async def say_progress(self) -> None:
        """Say how far runs are, at most once per period each; a worker of the frame."""
        while True:
            await asyncio.sleep(self._progress_seconds)
            for one in list(self._held.values()):
                if one.watch.percent > max(one.said_percent, 0):
                    one.said_percent = one.watch.percent
                    event = GenerationProgressed(generation_id=one.run.generation_id, percent=one.said_percent)
                    await self._bus.say(event)
