"""Forgotten while a service is cut off, a vendor is late, or everything is on its way; then all that was told is told again."""

import asyncio
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx2
import pytest

from lethe_common.certificates import render
from lethe_common.services import Service
from lethe_privacy.erasures import OWNERS
from tests.faults.cable import Cable, cabled_suite
from tests.faults.forgotten import Leaving, certificates_issued
from tests.faults.late_vendor import LateVendor, jobs_with
from tests.faults.messages import on_the_bus
from tests.faults.older import copied
from tests.faults.reckoning import wait_until_all_is_done
from tests.faults.restored import digest_of
from tests.faults.stage import PATIENT, paused
from tests.flows.outside import objects, places_beyond_frame
from tests.flows.steps import picture
from tests.suite import Account, RunningSuite, answered, until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]

QUICK = {"PROVIDERS_NOOP_SECONDS": "2", "ERASURE_STEP_RETRY_SECONDS": "2", "EXPORT_POLL_SECONDS": "0.2"}
MORE_THAN_AT_ONCE = 40
"""Orders of one person; the plan has 16 of them made at the same time."""
_REPORTED = """
    SELECT s.owner FROM privacy.steps s JOIN privacy.erasures e USING (erasure_id)
     WHERE e.subject_ref = $1 AND s.is_reported
"""
_HAS_KEYS = "SELECT 1 FROM jobs.runs WHERE subject_ref = $1 AND state = 'rendering'"
_LET_GO = """
    SELECT 1 FROM privacy.called_in c JOIN privacy.erasures e USING (erasure_id)
     WHERE e.subject_ref = $1 AND c.service = 'gateway' AND c.is_let_go
"""
_IS_FENCED = "SELECT 1 FROM jobs.subjects WHERE subject_ref = $1 AND fenced_at IS NOT NULL"
_STARTED = """
    SELECT max(a.at) FROM jobs.attempts a JOIN jobs.runs r USING (generation_id)
     WHERE r.subject_ref = $1 AND a.cause = 'started'
"""
_LEASED = "SELECT 1 FROM jobs.runs WHERE subject_ref = $1 AND leased_until IS NOT NULL"
_WAITING = "SELECT 1 FROM jobs.runs WHERE subject_ref = $1 AND state = 'queued' AND slot IS NOT NULL"
_REMOVED = "SELECT 1 FROM jobs.removals WHERE generation_id = $1 AND removed_at IS NOT NULL"


@dataclass
class Town:
    """A suite, the cable of its services, and everybody who was forgotten in it with their certificates."""

    suite: RunningSuite
    cable: Cable
    gone: list[tuple[Leaving, bytes]] = field(default_factory=list)

    def forget(self, leaving: Leaving) -> None:
        """Wait for the certificate, and look that nothing is left."""
        certificate = leaving.certificate(self.suite)
        leaving.is_nowhere(self.suite)
        self.gone.append((leaving, render(certificate)))


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with cabled_suite(QUICK) as (suite, cable):
        yield Town(suite, cable)


@pytest.mark.parametrize("service", sorted(OWNERS))
def test_an_erasure_waits_for_an_owner_that_is_cut_off_and_nothing_of_what_it_did_meanwhile_stays(
    town: Town, service: Service
) -> None:
    suite, account = town.suite, town.suite.open_account()
    with account.http() as http:
        finished = _order(http)
        until(partial(_is_completed, http, finished), "a finished video")
        for _ in range(MORE_THAN_AT_ONCE if service is Service.JOBS else 1):
            _order(http)
        leaving = Leaving.of(suite, account)
        with town.cable.cut(service):
            leaving.leave(suite)
            _until_it_waits(suite, leaving, service)
            if service is Service.JOBS:
                # What was finished and told before the cut is charged; billing has done its part of the erasure by now.
                leaving = leaving.as_charged_now(suite)
                _nothing_begins(suite, account)
            if service is Service.GATEWAY:
                assert http.get(f"/v1/videos/{finished}/content").status_code in (401, 503)
            waits_as = "quiet" if service is Service.RETENTION else "erasing"
            until(lambda: leaving.state(suite) == waits_as, waits_as)
    town.forget(leaving)


def test_a_worker_that_stands_still_is_waited_for_and_the_certificate_says_that_it_did_not_let_go(town: Town) -> None:
    suite, account = town.suite, town.suite.open_account()
    with account.http() as http:
        answered(http.get(f"/v1/videos/{_order(http)}"))
        until(lambda: suite.look(_HAS_KEYS, account.subject_ref), "the worker to have keys")
        leaving = Leaving.of(suite, account)
        with paused(suite, "jobs"):
            leaving.leave(suite)
            until(lambda: suite.look(_LET_GO, account.subject_ref), "the gateway to let go")
            assert leaving.state(suite) == "fenced"
            until(lambda: leaving.state(suite) == "erasing", "its time to be over")
    quiesced = leaving.certificate(suite)["payload"]["quiesced"]
    assert quiesced["services"] == [
        {"service": "gateway", "processes": 1, "let_go": 1, "time_over": 0},
        {"service": "jobs", "processes": 1, "let_go": 0, "time_over": 1},
    ]
    town.forget(leaving)


def test_a_vendor_that_answers_a_day_after_brings_nothing_back(town: Town) -> None:
    suite, vendor = town.suite, LateVendor()
    account, keeper = suite.open_account(), suite.open_account()
    before = keeper.balance()["available"]
    with jobs_with(suite, vendor), account.http() as leaver, keeper.http() as http:
        _order(leaver, with_picture=True)
        unwanted = _order(http)
        until(lambda: len(vendor.ordered) == len((leaver, http)), "the vendor to take the orders")
        leaving = Leaving.of(suite, account)
        leaving.leave(suite)
        assert http.delete(f"/v1/videos/{unwanted}").status_code in (200, 202)

        leaving.certificate(suite)
        until(lambda: suite.look(_REMOVED, unwanted), "the deleted video's removal")
        suite.advance("P1D")
        assert vendor.delivered == []
        kept = [one.name for one in objects(suite)]
        vendor.may_deliver.set()
        until(lambda: sorted(vendor.delivered) == sorted(vendor.ordered), "the vendor to deliver")
    town.forget(leaving)
    with keeper.http() as http:
        assert http.get(f"/v1/videos/{unwanted}").status_code == httpx2.codes.GONE
    assert keeper.balance() == {**keeper.balance(), "available": before, "held": 0}
    assert {one.name for one in objects(suite)} <= set(kept)
    assert not suite.look_at_keys("SELECT 1 FROM keys.item_keys WHERE item_id = $1", unwanted)


def test_whoever_goes_while_all_of_theirs_is_on_its_way_is_gone_when_it_arrives(town: Town) -> None:
    """An upload, an export and an output hang in the store, and plans change all the time."""
    suite, account = town.suite, town.suite.open_account()
    with account.http() as http, ThreadPoolExecutor(2) as threads:
        finished = _order(http)
        until(partial(_is_completed, http, finished), "a finished video")
        with paused(suite, "s3"):
            _order(http)
            uploading = threads.submit(partial(_post, account, with_picture=True))
            answered(http.post("/v1/account/export"))
            for waits in (
                "SELECT 1 FROM gateway.uploads WHERE subject_ref = $1",
                "SELECT 1 FROM gateway.exports WHERE subject_ref = $1",
                "SELECT 1 FROM jobs.runs WHERE subject_ref = $1 AND state = 'storing'",
            ):
                until(lambda sql=waits: suite.look(sql, account.subject_ref), waits)  # type: ignore[misc]  # a default binds
            leaving = Leaving.of(suite, account)
            with _changing_plans(suite, account):
                leaving.leave(suite)
                until(lambda: leaving.state(suite) == "erasing", "the owners to be asked")
        assert not uploading.result(90).is_success
    town.forget(leaving)


def test_after_all_of_this_an_older_copy_of_everything_that_was_told_brings_nothing_back(
    town: Town, tmp_path: Path
) -> None:
    suite, account = town.suite, town.suite.open_account()
    keeper, neighbour = suite.open_account("basic"), suite.open_account("standard")
    with account.http() as http, keeper.http() as other, neighbour.http() as third:
        ids = [_order(each, with_picture=True) for each in (http, other, third)]
        for each, video in zip((http, other, third), ids, strict=True):
            until(partial(_is_completed, each, video), "a finished video")
        answered(http.post("/v1/password-resets", json={"email": account.email}))
        answered(http.post("/v1/account/export"))
        until(lambda: answered(http.get("/v1/account/export"))["data"][0]["state"] == "ready", "the copy", 60)
        suite.change_plan(account, "pro")
        _order(http)
        older = copied(suite, tmp_path / "older")
        wait_until_all_is_done(suite)
        leaving = Leaving.of(suite, account)
        leaving.leave(suite)
        assert other.delete(f"/v1/videos/{ids[1]}").is_success
        until(lambda: suite.look(_REMOVED, ids[1]), "the deleted video's removal")
    town.forget(leaving)
    before = _standing(town, ids[1], neighbour)

    for put_back in (older.put_back, older.tell_anew):
        put_back(suite)
        _until_all_is_heard(suite)
        assert _standing(town, ids[1], neighbour) == before, put_back.__name__
        leaving.is_nowhere(suite)
    for one, certificate in town.gone:
        one.is_nowhere(suite)
        assert render(one.certificate(suite)) == certificate


def _standing(town: Town, deleted: str, neighbour: Account) -> dict[str, object]:
    """What an older copy must not change: where a deleted video is known, all of a neighbour's, how much is certified."""
    suite = town.suite
    return {
        "deleted": asyncio.run(places_beyond_frame(suite, deleted)),
        "its key": suite.look_at_keys("SELECT 1 FROM keys.item_keys WHERE item_id = $1", deleted),
        "objects": sorted(one.name for one in objects(suite)),
        "neighbour": digest_of(suite, neighbour),
        "certificates": certificates_issued(suite),
    }


def _until_all_is_heard(suite: RunningSuite) -> None:
    """What is heard may be told on, which is heard in turn."""
    for _ in range(2):
        wait_until_all_is_done(suite)
        on_the_bus(suite, lambda bus: bus.wait_until_heard())


def _until_it_waits(suite: RunningSuite, leaving: Leaving, service: Service) -> None:
    """Everybody else has done what can be done without this one."""
    ref = leaving.account.subject_ref
    if service is Service.RETENTION:
        until(lambda: suite.look(_IS_FENCED, ref), "jobs to be fenced")
        return
    others = {owner.value for owner in OWNERS - {service}}
    until(lambda: {row["owner"] for row in suite.look(_REPORTED, ref)} >= others, "all others to report", 60)


def _nothing_begins(suite: RunningSuite, account: Account) -> None:
    """Who is cut off ends what it has begun, and takes none of the runs that wait."""
    ((last,),) = suite.look(_STARTED, account.subject_ref)
    until(lambda: not suite.look(_LEASED, account.subject_ref), "what was begun to end", 60)
    assert suite.look(_WAITING, account.subject_ref)
    assert suite.look(_STARTED, account.subject_ref) == [(last,)]


def _post(account: Account, *, with_picture: bool) -> httpx2.Response:
    with account.http() as http:
        return _sent(http, with_picture=with_picture)


def _sent(http: httpx2.Client, *, with_picture: bool) -> httpx2.Response:
    body = {**PATIENT, "prompt": f"a boat {secrets.token_hex(8)}"}
    if not with_picture:
        return http.post("/v1/videos", json=body)
    return http.post("/v1/videos", data=body, files={"input_reference": ("x.png", picture(), "image/png")})


def _order(http: httpx2.Client, *, with_picture: bool = False) -> str:
    return str(answered(_sent(http, with_picture=with_picture))["id"])


def _is_completed(http: httpx2.Client, video: str) -> bool:
    return bool(answered(http.get(f"/v1/videos/{video}"))["status"] == "completed")


@contextmanager
def _changing_plans(suite: RunningSuite, account: Account) -> Iterator[None]:
    """While inside, the operator puts an account on one plan after the other, as often as the console answers."""
    over, path = threading.Event(), f"/api/accounts/{account.account_id}/plan"

    def change() -> None:
        with suite.console() as console:
            while not over.is_set():
                for plan in ("basic", "standard", "pro"):
                    console.post(path, json={"plan": plan})

    with ThreadPoolExecutor(1) as threads:
        changing = threads.submit(change)
        try:
            yield
        finally:
            over.set()
            changing.result(60)
