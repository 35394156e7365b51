"""kill -9 at every name in the registry of crash points: what was begun ends, once, and nothing of a person comes back."""

import ast
import asyncio
import importlib
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from lethe_common import crashes
from lethe_common.services import Service
from tests.faults.stage import PATIENT, PATIENT_CREDITS, fault_suite
from tests.flows.outside import objects, places_beyond_frame, places_of
from tests.flows.steps import picture
from tests.suite import Account, RunningSuite, answered, until
from tests.tree import code, dotted

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]

for _service in Service:
    importlib.import_module(f"lethe_{_service}.wiring")
MARKS = frozenset(mark for point in crashes.registry() for mark in point.marks)
OF_ERASURES = ("frame.handled", "frame.committed", "relay.published", "erasure.")
OF_REMOVALS, OF_ORDERS, OF_ROTATIONS = ("removal.",), ("submission.", "run."), ("rotation.",)
LEFT_ON_PURPOSE = {
    "privacy.facts",
    "keys.subjects",
    "billing.fences",
    "jobs.erasures",
    "jobs.removals",
    "jobs.subjects",
}
QUICK = {"PROVIDERS_NOOP_SECONDS": "1", "ERASURE_STEP_RETRY_SECONDS": "2", "REMOVAL_LEASE_SECONDS": "2"}
_BEGIN_ROTATION = "UPDATE keys.generation SET began_at = began_at - interval '1 day' RETURNING number, epoch_id"
_ROTATED = "SELECT 1 FROM keys.generation WHERE number = $1 AND phase = 'resting'"
_ERASURES = "SELECT count(*), count(*) FILTER (WHERE state = 'completed') FROM privacy.erasures"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a file arms a crash point."""
    return tmp_path_factory.mktemp("crashes")


@pytest.fixture(scope="module")
def suite(folder: Path) -> Iterator[RunningSuite]:
    with fault_suite(CRASH_FOLDER=str(folder), **QUICK) as running:
        yield running


def test_every_crash_point_in_the_code_is_registered() -> None:
    written = {
        node.args[0].value
        for source in code()
        for node in source.nodes
        if isinstance(node, ast.Call)
        and dotted(node.func) == "crashes.point"
        and isinstance(node.args[0], ast.Constant)
    }

    assert written
    assert written <= {point.name for point in crashes.registry()}


def test_every_crash_point_is_of_one_of_these_scenarios() -> None:
    scenarios = (*OF_ERASURES, *OF_REMOVALS, *OF_ORDERS, *OF_ROTATIONS)
    assert MARKS
    assert {mark for kind in scenarios for mark in _marks(kind)} == MARKS
    assert all(_marks(kind) for kind in scenarios)


@pytest.mark.parametrize("kind", OF_ERASURES)
def test_an_erasure_ends_whoever_dies_in_it_and_wherever(suite: RunningSuite, folder: Path, kind: str) -> None:
    account = suite.open_account()
    _order(account, with_picture=True)
    until(lambda: _is_completed(account), "a finished video")
    _order(account)
    kept = [one.name for one in objects(suite)]
    ((earlier, _),) = suite.look(_ERASURES)
    armed = _arm(folder, kind)

    _leave(account)

    number = earlier + 1
    until(lambda: tuple(suite.look(_ERASURES)[0]) == (number, number), "the certificate", timeout_seconds=90)
    _all_have_crashed(suite, folder, armed)
    until(lambda: _is_forgotten(suite, account), "everything to be gone")
    assert not [one.name for one in objects(suite) if one.name in kept]
    until(lambda: suite.books()["is_balanced"], "the books")


def test_a_deletion_ends_wherever_its_worker_dies(suite: RunningSuite, folder: Path) -> None:
    account = suite.open_account()
    video = _order(account)
    until(lambda: _is_completed(account), "a finished video")
    armed = _arm(folder, *OF_REMOVALS)

    with account.http() as http:
        answered(http.delete(f"/v1/videos/{video}"))
        _all_have_crashed(suite, folder, armed)
        removed = "SELECT 1 FROM retention.deadlines WHERE item_id = $1 AND state = 'closed'"
        until(lambda: suite.look(removed, video), "the verified removal", timeout_seconds=60)
        assert http.get(f"/v1/videos/{video}").status_code == 410
    assert not suite.look("SELECT 1 FROM jobs.assets WHERE generation_id = $1", video)
    assert not suite.look_at_keys("SELECT 1 FROM keys.item_keys WHERE item_id = $1", video)


def test_an_order_is_made_and_charged_once_wherever_somebody_dies(suite: RunningSuite, folder: Path) -> None:
    account = suite.open_account()
    before = account.balance()["available"]
    armed = _arm(folder, *OF_ORDERS)

    video = until(lambda: _try_to_order(account), "the order to be taken", timeout_seconds=60)

    until(lambda: _is_completed(account), "the finished video", timeout_seconds=60)
    _all_have_crashed(suite, folder, armed)
    with account.http() as http:
        assert [one["id"] for one in answered(http.get("/v1/videos"))["data"]] == [video]
    until(lambda: account.balance()["available"] == before - PATIENT_CREDITS, "one charge")
    assert account.balance()["held"] == 0


def test_a_rotation_ends_wherever_its_process_dies_and_no_key_is_lost(suite: RunningSuite, folder: Path) -> None:
    account = suite.open_account()
    video, other = _order(account, with_picture=True), _order(account)
    until(lambda: _is_completed(account), "the finished videos")
    with account.http() as http:
        answered(http.delete(f"/v1/videos/{other}"))
    armed = _arm(folder, *OF_ROTATIONS)

    ((number, epoch_id),) = suite.look_at_keys(_BEGIN_ROTATION)

    until(lambda: suite.look_at_keys(_ROTATED, number + 1), "the next generation", timeout_seconds=120)
    _all_have_crashed(suite, folder, armed)
    assert not suite.look_at_keys("SELECT 1 FROM keys.class_keys WHERE epoch_id = $1", epoch_id)
    assert len(list((suite.data / "keyring").glob("*.epoch"))) == 1
    with account.http() as http:
        assert answered(http.get(f"/v1/videos/{video}"))["status"] == "completed"
        assert answered(http.get("/v1/account"))["email"] == account.email


def _marks(*kinds: str) -> list[str]:
    return [mark for mark in sorted(MARKS) if mark.partition(".")[2].startswith(kinds)]


def _arm(folder: Path, *kinds: str) -> list[str]:
    armed = _marks(*kinds)
    for mark in armed:
        (folder / mark).touch()
    return armed


def _all_have_crashed(suite: RunningSuite, folder: Path, armed: list[str]) -> None:
    until(lambda: not [mark for mark in armed if (folder / mark).exists()], f"each of {armed}", timeout_seconds=60)
    for service in {mark.partition(".")[0] for mark in armed}:
        suite.wait_for(service)


def _order(account: Account, *, with_picture: bool = False) -> str:
    order = {**PATIENT, "prompt": "a boat"}
    upload = {"input_reference": ("x.png", picture(), "image/png")}
    with account.http() as http:
        posted = (
            http.post("/v1/videos", data=order, files=upload) if with_picture else http.post("/v1/videos", json=order)
        )
    return str(answered(posted)["id"])


def _try_to_order(account: Account) -> str | None:
    """The video's id, once a gateway lives long enough to say it."""
    try:
        with account.http() as http:
            answer = http.post("/v1/videos", json={**PATIENT, "prompt": "a boat"}, headers={"Idempotency-Key": "one"})
    except httpx2.TransportError:
        return None
    return str(answer.json()["id"]) if answer.is_success else None


def _is_completed(account: Account) -> bool:
    with account.http() as http:
        videos = answered(http.get("/v1/videos"))["data"]
    return bool(videos) and all(video["status"] == "completed" for video in videos)


def _leave(account: Account) -> None:
    """Ask to be forgotten until it was heard: a fence may be up although nobody lived to say so."""

    def is_heard() -> bool:
        try:
            with account.http() as http:
                answer = http.delete("/v1/account")
        except httpx2.TransportError:
            return False
        return answer.is_success or answer.status_code == httpx2.codes.UNAUTHORIZED

    until(is_heard, "the wish to be heard", timeout_seconds=60)


def _is_forgotten(suite: RunningSuite, account: Account) -> bool:
    by_account = asyncio.run(places_of(suite, account.account_id)).keys()
    by_subject = asyncio.run(places_beyond_frame(suite, account.subject_ref)).keys()
    return not by_account and by_subject <= LEFT_ON_PURPOSE
