"""A running service: a sweep that always fails stops no other one, neither of those that come often nor of the rare ones."""

import asyncio
import os
from collections import Counter
from dataclasses import replace
from datetime import datetime
from unittest.mock import patch

from lethe_common.process import Blueprint, Frame, Parts, Process
from lethe_common.services import Service
from lethe_jobs.models import Table
from lethe_jobs.settings import JobsSettings
from lethe_jobs.wiring import build
from tests.integration.jobs_stand import stand
from tests.integration.members import PROFILE
from tests.servers import RunningServers


class WrongForEver(Exception):
    """What the first sweep of each list raises."""


async def test_all_sweeps_run_in_every_round_beside_one_that_always_fails(servers: RunningServers) -> None:
    rounds, seen = Counter[str](), asyncio.Event()

    async def fails(_now: datetime) -> None:
        raise WrongForEver

    def counts(name: str) -> None:
        rounds[name] += 1
        if min(rounds["often"], rounds["rare"]) >= 2:
            seen.set()

    async def often(_now: datetime) -> None:
        counts("often")

    async def rare(_now: datetime) -> None:
        counts("rare")

    async def with_sweeps(frame: Frame, settings: JobsSettings) -> Parts:
        return replace(await build(frame, settings, []), sweeps=[fails, often], rare_sweeps=[fails, rare])

    async with stand(servers) as at:
        with patch.dict(os.environ, at.servers.environment(Service.JOBS)):
            settings = JobsSettings(profile=PROFILE, sweep_seconds=0.05, rare_sweep_seconds=0.05)
        process = Process(Blueprint(Service.JOBS, JobsSettings, with_sweeps, Table.metadata), settings)
        await process.start()
        try:
            async with asyncio.timeout(20):
                await seen.wait()
        finally:
            await process.stop()
