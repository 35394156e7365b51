"""Billing and retention as processes on real servers, with the gateway's and jobs' seats taken by the test."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest

from lethe_common.clock import wall
from lethe_common.events.identity import AccountOpened
from lethe_common.events.jobs import Delivered, GenerationCompleted
from lethe_common.identifiers import AssetId, GenerationId, SubjectRef
from lethe_common.rpc.billing import (
    BalanceGet,
    BalanceQuestion,
    HoldOutcome,
    HoldPlace,
    HoldPlaceQuestion,
    HoldRelease,
    HoldReleaseQuestion,
    LedgerVerify,
    LedgerVerifyQuestion,
)
from lethe_common.rpc.envelope import NoAnswer, Refused
from lethe_common.rpc.operators import EgressRefusalsQuestion, egress_refusals
from lethe_common.rpc.retention import DeadlineSummary, DeadlineSummaryQuestion
from lethe_common.services import Service
from tests.integration.members import Member, members, until
from tests.integration.nothing_recorded import NOTHING_RECORDED
from tests.integration.till import request
from tests.servers import RunningServers
from tests.tree import ROOT


@dataclass
class Seats:
    """Who talks to billing and retention."""

    gateway: Member
    jobs: Member
    servers: RunningServers

    async def has_credits(self, subject: SubjectRef, available: int, *, held: int) -> bool:
        balance = await self.gateway.bus.ask(BalanceGet, BalanceQuestion(subject_ref=subject))
        return (balance.available, balance.held) == (available, held)

    async def has_answered(self, call: Any, question: Any) -> bool:
        try:
            await self.gateway.bus.ask(call, question, 1)
        except (NoAnswer, Refused):
            return False
        return True

    async def look(self, sql: str, *args: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.servers.superuser_dsn())
        try:
            return list(await connection.fetch(sql, *args))
        finally:
            await connection.close()


@contextmanager
def running(servers: RunningServers, *services: Service) -> Iterator[None]:
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", f"lethe_{service}"],
            env=servers.environment(service) | {"LETHE_PROFILE": str(ROOT / "deploy/profiles/aisora2")},
            stdout=subprocess.DEVNULL,
        )
        for service in services
    ]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        codes = [process.wait(timeout=30) for process in processes]
    assert codes == [0] * len(services)


@pytest.fixture
async def seats(servers: RunningServers) -> AsyncIterator[Seats]:
    async with members(servers, Service.GATEWAY, Service.JOBS, Service.PRIVACY) as seated:
        await seated[Service.PRIVACY].bus.answer(NOTHING_RECORDED, "0.1.0")
        gateway, jobs = seated[Service.GATEWAY], seated[Service.JOBS]
        for member in (gateway, jobs):
            member.work(member.bus.relay.run)
        with running(servers, Service.BILLING, Service.RETENTION):
            yield Seats(gateway, jobs, servers)


async def test_credits_are_held_and_charged_and_the_video_gets_its_deadline(seats: Seats) -> None:
    subject, now = SubjectRef.new(), wall()
    await until(lambda: seats.has_answered(LedgerVerify, LedgerVerifyQuestion()))
    await until(lambda: seats.has_answered(DeadlineSummary, DeadlineSummaryQuestion()))
    await seats.gateway.tell(AccountOpened(subject_ref=subject, plan="basic", opened_at=now))
    await seats.gateway.tell(AccountOpened(subject_ref=(rich := SubjectRef.new()), plan="free", opened_at=now))
    await until(lambda: seats.has_answered(BalanceGet, BalanceQuestion(subject_ref=rich)))
    await until(lambda: seats.has_answered(BalanceGet, BalanceQuestion(subject_ref=subject)))

    question = HoldPlaceQuestion(holds=(request(rich), request(subject), request(rich)))
    answers = (await seats.gateway.bus.ask(HoldPlace, question)).answers
    again = (await seats.gateway.bus.ask(HoldPlace, question)).answers

    assert [answer.outcome for answer in answers] == [
        HoldOutcome.PLACED, HoldOutcome.INSUFFICIENT, HoldOutcome.PLACED,
    ]  # fmt: skip
    assert [answer.hold_id for answer in again] == [answer.hold_id for answer in answers]
    generation = answers[0].generation_id
    assert generation is not None
    await seats.jobs.tell(made(rich, generation, now))

    await until(lambda: seats.has_credits(rich, 480, held=60))
    # What the gateway did not accept after all is given back, to its owner only, and charged if it is made all the same.
    other = answers[2].generation_id
    assert other is not None
    for asking, is_released in ((subject, False), (rich, True), (rich, False)):
        released = HoldReleaseQuestion(subject_ref=asking, generation_id=other)
        assert (await seats.gateway.bus.ask(HoldRelease, released)).is_released is is_released
    assert await seats.has_credits(rich, 540, held=0)
    await seats.jobs.tell(made(rich, other, now))
    await until(lambda: seats.has_credits(rich, 480, held=0))
    await until(lambda: has_rows(seats, "SELECT FROM retention.deadlines WHERE item_id = $1", generation))
    (row,) = await seats.look("SELECT due_at, state FROM retention.deadlines WHERE item_id = $1", generation)
    assert (row["due_at"], row["state"]) == (now + timedelta(days=7), "open")
    assert (await seats.gateway.bus.ask(LedgerVerify, LedgerVerifyQuestion())).is_balanced
    summary = await seats.gateway.bus.ask(DeadlineSummary, DeadlineSummaryQuestion())
    assert (summary.open, summary.overdue, summary.next_due_at) == (2, 0, row["due_at"])


async def test_every_service_tells_operators_what_it_was_refused_to_send(seats: Seats) -> None:
    for service in (Service.BILLING, Service.RETENTION):
        call = egress_refusals(service)
        await until(partial(seats.has_answered, call, EgressRefusalsQuestion()))

        assert (await seats.gateway.bus.ask(call, EgressRefusalsQuestion())).refusals == ()


def test_a_service_does_not_start_with_a_store_that_the_policy_does_not_know(servers: RunningServers) -> None:
    environment = servers.environment(Service.BILLING) | {
        "LETHE_PROFILE": str(ROOT / "deploy/profiles/aisora2"),
        "LETHE_S3_ENDPOINT": "store.example.org:9000",
    }

    done = subprocess.run(
        [sys.executable, "-m", "lethe_billing"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode != 0
    assert "LETHE_S3_ENDPOINT: the host is no recipient's in policy.yaml" in done.stderr
    assert "store.example.org" not in done.stderr


async def has_rows(seats: Seats, sql: str, *args: object) -> bool:
    return bool(await seats.look(sql, *args))


def made(subject: SubjectRef, generation: GenerationId, at: datetime) -> GenerationCompleted:
    return GenerationCompleted(
        generation_id=generation,
        subject_ref=subject,
        asset_ids=(AssetId.new(),),
        delivered=Delivered(width_px=1280, height_px=720, duration_seconds=4),
        completed_at=at,
    )
