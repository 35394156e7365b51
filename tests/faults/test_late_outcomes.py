"""Completions that come too late: after the hold expired they are charged, after the owner's erasure they are not."""

import asyncio
import os
import secrets
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import asyncpg
import httpx2
import pytest

from lethe_common.clock import monotonic_seconds
from lethe_common.events.envelope import Envelope, Event
from lethe_common.events.jobs import Delivered, GenerationCompleted, GenerationFailed
from lethe_common.identifiers import AssetId, GenerationId, SubjectRef
from lethe_common.services import Service
from tests.faults.forgotten import TRACES
from tests.faults.messages import Bus, Said, on_the_bus
from tests.faults.reckoning import GENERATIONS, no_object_without_row, parked, wait_until_all_is_done
from tests.faults.stage import DRAWN, PATIENT, PATIENT_CREDITS, PATIENT_SECONDS, fault_suite
from tests.flows.outside import objects, places_beyond_frame
from tests.suite import Account, RunningSuite, answered, until

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = [pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"), pytest.mark.timeout(240)]

STARTER_CREDITS = 6000
IN_FLIGHT = 25
PAST_THE_HOLD = "PT16M"

HOLDS = "SELECT h.generation_id, h.state FROM billing.holds h JOIN billing.subjects s USING (wallet_id) WHERE s.subject_ref = $1"
WALLET = "SELECT wallet_id FROM billing.subjects WHERE subject_ref = $1"
OVERDUE = f"""
    SELECT count(*) FROM jobs.runs
     WHERE subject_ref = $1 AND state = 'rendering' AND updated_at < clock_timestamp() - interval '{PATIENT_SECONDS} s'
"""
SPENT = "SELECT count(*) FROM billing.transfers WHERE wallet_id = $1 AND kind IN ('post', 'late_post', 'owe')"


@pytest.fixture(scope="module")
def broken() -> Iterator[RunningSuite]:
    with fault_suite() as running:
        yield running


def test_a_request_that_is_repeated_after_its_hold_expired_is_held_for_anew_and_charged_once(
    broken: RunningSuite,
) -> None:
    account = broken.open_account()
    order: dict[str, Any] = {"headers": {"Idempotency-Key": "pressed, lost, pressed again"}, "json": _body()}
    with account.http() as http, ThreadPoolExecutor(1) as threads:
        with _held_before_commit(broken):
            lost = threads.submit(_post, http, order)
            until(lambda: _holds(broken, account), "the hold")
            broken.kill("gateway")
        assert lost.result(60) is None
        broken.wait_for("gateway")
        broken.advance(PAST_THE_HOLD)
        assert [row["state"] for row in _holds(broken, account)] == ["expired"]
        assert account.balance()["available"] == STARTER_CREDITS

        video = answered(http.post("/v1/videos", **order))
        assert answered(http.post("/v1/videos", **order))["id"] == video["id"]
    wait_until_all_is_done(broken)
    assert sorted(row["state"] for row in _holds(broken, account)) == ["expired", "posted"]
    assert account.balance()["available"] == STARTER_CREDITS - PATIENT_CREDITS
    assert broken.books()["is_balanced"]


def test_a_completion_whose_hold_expired_while_the_gateway_still_wrote_is_charged(broken: RunningSuite) -> None:
    account = broken.open_account()
    order: dict[str, Any] = {"headers": {"Idempotency-Key": "slow"}, "json": _body()}
    with account.http() as http, ThreadPoolExecutor(1) as threads:
        with _held_before_commit(broken):
            waiting = threads.submit(_post, http, order)
            until(lambda: _holds(broken, account), "the hold")
            broken.advance(PAST_THE_HOLD)
            assert [row["state"] for row in _holds(broken, account)] == ["expired"]
        video = waiting.result(60)
        assert video is not None
        assert answered(http.post("/v1/videos", **order))["id"] == video["id"], "its key is taken, if not at billing"
        assert account.balance()["held"] == 0, "what billing held for a second one is given back"
    _is_charged_late(broken, account, video["id"])


def test_an_accepted_generation_keeps_its_hold_however_long_it_runs(broken: RunningSuite) -> None:
    account = broken.open_account()
    broken.stop("jobs")
    try:
        with account.http() as http:
            video = answered(http.post("/v1/videos", json=_body()))
        broken.stop("gateway")  # it cannot be asked: nothing expires unasked
        broken.advance(PAST_THE_HOLD)
        assert [row["state"] for row in _holds(broken, account)] == ["held"]
        broken.start("gateway")
        broken.advance(PAST_THE_HOLD)
        assert [row["state"] for row in _holds(broken, account)] == ["held"]
    finally:
        broken.start("gateway")
        broken.start("jobs")
    wait_until_all_is_done(broken)
    assert [tuple(row) for row in _holds(broken, account)] == [(video["id"], "posted")]
    assert account.balance()["available"] == STARTER_CREDITS - PATIENT_CREDITS


def test_what_completes_after_its_owners_erasure_is_not_charged_and_nothing_of_it_stays(broken: RunningSuite) -> None:
    account = broken.open_account()
    wallet = broken.look(WALLET, account.subject_ref)[0]["wallet_id"]
    with account.http() as http, ThreadPoolExecutor(1) as threads:
        ids = [answered(http.post("/v1/videos", json=_body(number)))["id"] for number in range(IN_FLIGHT)]
        sql = "SELECT count(*) FROM jobs.runs WHERE subject_ref = $1 AND state = 'rendering'"
        until(lambda: broken.look(sql, account.subject_ref)[0][0] >= 16, "runs in flight")  # as many as the plan lets
        part = broken.look("SELECT object_random FROM jobs.subjects WHERE subject_ref = $1", account.subject_ref)[0][0]

        worker = broken.pid("jobs")
        assert worker is not None
        os.kill(worker, signal.SIGSTOP)
        began = monotonic_seconds()
        try:
            erasing = threads.submit(_erase, account)
            closed = "SELECT 1 FROM billing.wallets w WHERE w.wallet_id = $1 AND w.is_closed AND w.held = 0"
            until(lambda: broken.look(closed, wallet), "billing to give everything back")
            # Until the provider has long delivered: it is the first thing the worker meets when it wakes.
            until(lambda: broken.look(OVERDUE, account.subject_ref)[0][0] >= 16, "the provider to deliver")
            assert not erasing.done()
        finally:
            os.kill(worker, signal.SIGCONT)
        claim = erasing.result(60)["claim"]
    _certificate(broken, claim)
    print(f"erased {monotonic_seconds() - began:.1f} s after its worker froze with {len(ids)} accepted generations")

    _nothing_is_left(broken, account, wallet, part)
    late = [_completion(account, ids[0]), _failure(account, ids[1])]
    on_the_bus(broken, lambda bus: _tell(bus, late))
    _nothing_is_left(broken, account, wallet, part)


def _body(number: int = 0) -> dict[str, Any]:
    model = DRAWN if number % 10 == 1 else PATIENT
    return {**model, "seconds": 4, "prompt": f"boat {secrets.token_hex(8)}"}


def _post(http: httpx2.Client, order: dict[str, Any]) -> dict[str, Any] | None:
    """The video, or None where the answer was lost."""
    try:
        answer = http.post("/v1/videos", **order)
    except httpx2.TransportError:
        return None
    return answered(answer)


def _holds(suite: RunningSuite, account: Account) -> list[asyncpg.Record]:
    return suite.look(HOLDS, account.subject_ref)


def _is_charged_late(suite: RunningSuite, account: Account, video_id: str) -> None:
    wait_until_all_is_done(suite)
    (row,) = suite.look(GENERATIONS, [account.account_id])
    assert row["generation_id"] == video_id
    assert (row["state"], row["hold"], row["charged"], row["posts"]) == ("completed", "posted", PATIENT_CREDITS, 1)
    assert account.balance()["available"] == STARTER_CREDITS - PATIENT_CREDITS
    kinds = suite.look(
        "SELECT t.kind FROM billing.transfers t JOIN billing.holds h USING (cause_ref) WHERE h.generation_id = $1"
        " ORDER BY t.transfer_id",
        video_id,
    )
    assert [kind[0] for kind in kinds] == ["hold", "release", "late_post"]
    assert suite.books()["is_balanced"]
    assert parked(suite) == []


def _erase(account: Account) -> dict[str, Any]:
    with account.http() as http:
        return answered(http.delete("/v1/account"))


def _certificate(suite: RunningSuite, claim: str) -> dict[str, Any]:
    with suite.anonymous() as http:

        def ask() -> dict[str, Any] | None:
            answer = http.post("/v1/erasures/status", json={"claim": claim})
            return answered(answer)["certificate"] if answer.is_success else None

        return until(ask, "the certificate", timeout_seconds=90)


def _nothing_is_left(suite: RunningSuite, account: Account, wallet: str, part: str) -> None:
    wait_until_all_is_done(suite)
    assert asyncio.run(places_beyond_frame(suite, account.subject_ref)).keys() <= TRACES
    assert [stored for stored in objects(suite) if part in stored.name] == []
    assert suite.look(SPENT, wallet)[0][0] == 0
    assert suite.books()["is_balanced"]
    assert suite.books()["open_holds"] == 0
    assert parked(suite) == []
    no_object_without_row(suite)


def _completion(account: Account, video_id: str) -> GenerationCompleted:
    return GenerationCompleted(
        generation_id=GenerationId(video_id),
        subject_ref=SubjectRef(account.subject_ref),
        asset_ids=(AssetId.new(),),
        delivered=Delivered(width_px=640, height_px=360, duration_seconds=4.0),
        completed_at="2026-11-22T12:00:00Z",  # type: ignore[arg-type]  # parsed
    )


def _failure(account: Account, video_id: str) -> GenerationFailed:
    return GenerationFailed(
        generation_id=GenerationId(video_id),
        subject_ref=SubjectRef(account.subject_ref),
        code="timed_out",  # type: ignore[arg-type]  # parsed
        failed_at="2026-11-22T12:00:00Z",  # type: ignore[arg-type]  # parsed
    )


async def _tell(bus: Bus, events: Sequence[Event]) -> None:
    """As the jobs service would, if its relay had been slow for very long."""
    envelopes = [Envelope.around(event, Service.JOBS) for event in events]
    await bus.publish([Said("JOBS", each.type, each.headers(), each.data) for each in envelopes])
    await bus.wait_until_heard()


@contextmanager
def _held_before_commit(suite: RunningSuite) -> Iterator[None]:
    """While inside, the gateway's accepting statement waits: holds are placed, nothing is written."""
    is_locked, may_end = threading.Event(), threading.Event()

    async def lock() -> None:
        connection = await asyncpg.connect(suite.superuser_dsn())
        try:
            async with connection.transaction():
                await connection.execute("LOCK TABLE gateway.generations IN SHARE ROW EXCLUSIVE MODE")
                is_locked.set()
                await asyncio.to_thread(may_end.wait, 60)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as threads:
        locking = threads.submit(asyncio.run, lock())
        try:
            assert is_locked.wait(30)
            yield
        finally:
            may_end.set()
            locking.result(60)
