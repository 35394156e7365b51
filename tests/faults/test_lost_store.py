"""The NATS store deleted, or put back from an older copy, under load: Postgres has the truth, nothing is lost or doubled."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lethe_cli.local.folder import DataFolder
from lethe_common.clock import monotonic_seconds
from tests.faults.crowd import Crowd
from tests.faults.newcomers import Newcomers
from tests.faults.reckoning import in_flight, is_in_order, rendering, wait_until_all_is_done
from tests.faults.stage import fault_suite
from tests.suite import RunningSuite, until

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = [pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"), pytest.mark.timeout(240)]

IN_FLIGHT = 25
RENDERING = 15


@pytest.fixture(scope="module")
def broken() -> Iterator[RunningSuite]:
    with fault_suite() as running:
        yield running


@pytest.fixture(scope="module")
def crowd(broken: RunningSuite) -> Iterator[Crowd]:
    people = Crowd(broken)
    yield people
    people.close()


@pytest.fixture(scope="module")
def newcomers(broken: RunningSuite) -> Iterator[Newcomers]:
    people = Newcomers(broken)
    yield people
    people.close()


def test_a_store_deleted_while_stopped_loses_and_doubles_nothing(
    broken: RunningSuite, crowd: Crowd, newcomers: Newcomers
) -> None:
    _break_store(broken, crowd, newcomers, "deleted", shutil.rmtree)


def test_a_store_put_back_from_an_older_copy_loses_and_doubles_nothing(
    broken: RunningSuite, crowd: Crowd, newcomers: Newcomers, tmp_path: Path
) -> None:
    _copy_store(broken, tmp_path / "older")
    for order in crowd.order(4):
        order.result(60)
    for joined in newcomers.join(2):
        joined.result(60)
    wait_until_all_is_done(broken)

    def put_back(store: Path) -> None:
        shutil.rmtree(store)
        shutil.copytree(tmp_path / "older", store)

    _break_store(broken, crowd, newcomers, "replaced by an older copy", put_back)


def _break_store(
    broken: RunningSuite, crowd: Crowd, newcomers: Newcomers, what: str, deed: Callable[[Path], None]
) -> None:
    orders = crowd.order(IN_FLIGHT + 10)
    until(lambda: in_flight(broken) >= IN_FLIGHT and rendering(broken) >= RENDERING, "runs in flight")
    at_stop = in_flight(broken)
    broken.stop("nats")
    # From here on jobs completes runs, and everybody goes on trying.
    orders += crowd.order(8)
    joining = newcomers.join(4)
    deed(_store(broken))
    began = monotonic_seconds()
    broken.start("nats")
    for order in orders:
        order.result(90)
    for joined in joining:
        joined.result(90)
    answered = monotonic_seconds() - began
    until(lambda: not in_flight(broken), "all to complete", timeout_seconds=90)
    wait_until_all_is_done(broken)
    done = monotonic_seconds() - began

    total = is_in_order(broken, crowd)
    accounts = newcomers.are_known_everywhere()
    print(
        f"NATS store {what}: {at_stop} in flight, all orders and sign-ups answered after {answered:.1f} s, "
        f"everything done after {done:.1f} s ({total} generations, {accounts} accounts so far)"
    )
    assert at_stop >= IN_FLIGHT


def _store(broken: RunningSuite) -> Path:
    return DataFolder(broken.data).nats / "store"


def _copy_store(broken: RunningSuite, aside: Path) -> None:
    broken.stop("nats")
    shutil.copytree(_store(broken), aside)
    broken.start("nats")
