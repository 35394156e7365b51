"""After a withdrawal's answer nothing begins for its purpose, on any replica: not with warm keys, and not by who is cut off.

Here the whole service rests on consent: ordering, making, showing, downloading.
"""

import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from lethe_common.clock import monotonic_seconds
from lethe_common.services import Service
from tests.faults.cable import Cable, Strand, cabled_suite
from tests.faults.stage import PATIENT, paused
from tests.flows.steps import picture
from tests.suite import Account, RunningSuite, answered, until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]

LIMIT_SECONDS = 5.0
"""How long after the answer something may still begin."""
ORDERS, WARM_ORDERS = 80, 8
_SERVICE = 'ru: "оказание услуги, о которой вы попросили"}\n    default: '
_CONSENTED = (f"{_SERVICE}always", f"{_SERVICE}opt_in\n    ask: sign_up")
_REPLICAS = ("--replicas", "gateway=2", "--replicas", "jobs=2")
_NOW = "SELECT clock_timestamp() AS now"
_RUNS = "SELECT generation_id, state, leased_by FROM jobs.runs WHERE subject_ref = $1"
_ARROWS = """
    SELECT a.at, a.cause FROM jobs.attempts a JOIN jobs.runs r USING (generation_id)
     WHERE r.subject_ref = $1 AND a.cause IN ('started', 'rendered') ORDER BY a.at
"""
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Town:
    """A suite of two gateways and two workers, and the cable."""

    suite: RunningSuite
    cable: Cable

    def seconds(self) -> float:
        """The database's clock, by which runs are dated."""
        return float(self.suite.look(_NOW)[0]["now"].timestamp())

    def arrows(self, account: Account) -> list[tuple[float, str]]:
        """When runs were started, and rendered."""
        return [(row["at"].timestamp(), row["cause"]) for row in self.suite.look(_ARROWS, account.subject_ref)]

    def workers(self, account: Account) -> set[str]:
        """Who makes somebody's runs at this moment."""
        return {row["leased_by"] for row in self.suite.look(_RUNS, account.subject_ref)} - {None}

    def states(self, account: Account) -> list[str]:
        """The states of somebody's runs."""
        return [row["state"] for row in self.suite.look(_RUNS, account.subject_ref)]


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    # A worker that has nothing looks often, so that the other one does not always get there first. What is ordered
    # takes 15 seconds, of a plan that has 16 made at once: some of it has not begun at the withdrawal.
    settings = {"PROVIDERS_NOOP_SECONDS": "3", "CLAIM_IDLE_SECONDS": "0.02"}
    with cabled_suite(settings, *_REPLICAS, policy=_CONSENTED) as (suite, cable):
        yield Town(suite, cable)


def test_on_two_gateways_and_two_workers_nothing_begins_later_than_five_seconds_after_the_answer(town: Town) -> None:
    account = town.suite.open_account(consents={"service": True})
    with account.http() as http:
        first = _order(account)
        until(lambda: answered(http.get(f"/v1/videos/{first}"))["status"] == "completed", "a finished video", 60)
    with _asked_for(town.suite, account, f"/v1/videos/{first}/content") as downloads:
        until(
            lambda: {url for url, _, status in downloads if status == 200} == set(town.suite.runtime.urls), "downloads"
        )
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: _order(account), range(ORDERS)))
        # Both at some moment: one may have all of the few that are made at once.
        workers: set[str] = set()

        def have_both_begun() -> bool:
            workers.update(town.workers(account))
            return len(workers) > 1

        until(have_both_begun, "two workers")
        assert "queued" in town.states(account)
        _withdraw(account)
        answered_at, at = monotonic_seconds(), town.seconds()
        until(lambda: set(town.states(account)) <= {"completed", "cancelled"}, "all runs to end", 90)
        _wait_for(answered_at + LIMIT_SECONDS + 1)

    assert "cancelled" in town.states(account)
    assert [when - at for when, cause in town.arrows(account) if cause == "started" and when > at + LIMIT_SECONDS] == []
    for url in town.suite.runtime.urls:
        mine = [(began, status) for asked, began, status in downloads if asked == url]
        assert [began for began, status in mine if status == 200 and began > answered_at + LIMIT_SECONDS] == []
        assert {status for began, status in mine if began > answered_at + LIMIT_SECONDS} == {403}


@pytest.mark.parametrize("is_cut_off", [False, True], ids=["connected", "cut off"])
def test_a_worker_that_holds_keys_of_before_begins_nothing_with_them(town: Town, *, is_cut_off: bool) -> None:
    account = town.suite.open_account(consents={"service": True})
    with ExitStack() as cut:
        with _holding_keys(town, account) as first:
            (second,) = town.workers(account)
            if is_cut_off:
                cut.enter_context(town.cable.cut(Service.JOBS, first))
            _withdraw(account)
            _wait_for(monotonic_seconds() + LIMIT_SECONDS + 1)
            assert set(town.states(account)) == {"rendering"}
        until(lambda: "rendering" not in town.states(account), "the second worker to give them up", 90)
        workers = _workers_until_cancelled(town, account)
    assert not is_cut_off or second not in workers
    assert [cause for _, cause in town.arrows(account) if cause == "rendered"] == []


def _workers_until_cancelled(town: Town, account: Account) -> set[str]:
    """Who was seen with runs until nobody is to make them."""
    seen: set[str] = set()

    def are_cancelled() -> bool:
        seen.update(town.workers(account))
        return set(town.states(account)) == {"cancelled"}

    until(are_cancelled, "nobody to make them", 90)
    return seen


@contextmanager
def _holding_keys(town: Town, account: Account) -> Iterator[frozenset[Strand]]:
    """While inside, the second worker has the keys of runs and cannot read their pictures: the store stands still.

    Gives the first worker's connections. It is stopped meanwhile: standing still, it would be sent the runs again and again.
    """
    suite = town.suite
    with ExitStack() as store:
        suite.stop("jobs")
        of_second = town.cable.strands(Service.JOBS)
        with paused(suite, "jobs-2"), ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: _order(account, with_picture=True), range(WARM_ORDERS)))
            store.enter_context(paused(suite, "s3"))
        until(lambda: town.states(account) == ["rendering"] * WARM_ORDERS, "the second worker to take all", 60)
        suite.start("jobs")
        yield frozenset(town.cable.strands(Service.JOBS) - of_second)


@contextmanager
def _asked_for(suite: RunningSuite, account: Account, path: str) -> Iterator[list[tuple[str, float, int]]]:
    """While inside, every gateway is asked for this again and again: which one, when, and with what answer."""
    answers: list[tuple[str, float, int]] = []
    over = threading.Event()

    def ask(url: str) -> None:
        with account.http(url=url) as http:
            while not over.wait(_LOOK_SECONDS):
                began = monotonic_seconds()
                answers.append((url, began, http.get(path).status_code))

    with ThreadPoolExecutor(len(suite.runtime.urls)) as threads:
        asking = [threads.submit(ask, url) for url in suite.runtime.urls]
        try:
            yield answers
        finally:
            over.set()
            for one in asking:
                one.result(60)


def _order(account: Account, *, with_picture: bool = False) -> str:
    body = {**PATIENT, "prompt": f"a boat {secrets.token_hex(8)}"}
    with account.http() as http:
        if with_picture:
            answer = http.post("/v1/videos", data=body, files={"input_reference": ("x.png", picture(), "image/png")})
        else:
            answer = http.post("/v1/videos", json=body)
    return str(answered(answer)["id"])


def _withdraw(account: Account) -> None:
    with account.http() as http:
        answered(http.put("/v1/privacy/consents", json={"consents": {"service": False}}))


def _wait_for(moment: float) -> None:
    until(lambda: monotonic_seconds() > moment, "some seconds to pass")
