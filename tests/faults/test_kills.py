"""kill -9 of each program in turn, with at least 25 generations in flight and people who go on ordering."""

from collections.abc import Iterator

import pytest

from lethe_common.clock import monotonic_seconds
from tests.faults.crowd import Crowd
from tests.faults.reckoning import in_flight, is_in_order, rendering, wait_until_all_is_done
from tests.faults.stage import fault_suite
from tests.suite import RunningSuite, until

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = [pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"), pytest.mark.timeout(240)]

IN_FLIGHT = 25
RENDERING = 15
PROGRAMS = ("nats", "postgres", "s3", "gateway", "jobs", "billing", "retention", "privacy")


@pytest.fixture(scope="module")
def broken() -> Iterator[RunningSuite]:
    with fault_suite() as running:
        yield running


@pytest.fixture(scope="module")
def crowd(broken: RunningSuite) -> Iterator[Crowd]:
    people = Crowd(broken)
    yield people
    people.close()


@pytest.mark.parametrize("program", PROGRAMS)
def test_whatever_is_killed_every_accepted_generation_completes_once_and_is_charged_once(
    broken: RunningSuite, crowd: Crowd, program: str
) -> None:
    orders = crowd.order(IN_FLIGHT + 10)
    until(lambda: in_flight(broken) >= IN_FLIGHT and rendering(broken) >= RENDERING, "runs in flight")
    orders += crowd.order(8, pause_seconds=0.2)
    at_kill = in_flight(broken)

    began = monotonic_seconds()
    broken.kill(program)
    broken.wait_for(program)
    back = monotonic_seconds() - began
    for order in orders:
        order.result(90)
    answered = monotonic_seconds() - began
    until(lambda: not in_flight(broken), "all to complete", timeout_seconds=90)
    completed = monotonic_seconds() - began
    wait_until_all_is_done(broken)
    done = monotonic_seconds() - began

    total = is_in_order(broken, crowd)
    print(
        f"kill -9 {program}: {at_kill} in flight, serving again after {back:.1f} s, all orders answered after "
        f"{answered:.1f} s, all completed after {completed:.1f} s, charged, dated and told after {done:.1f} s "
        f"({total} generations so far)"
    )
    assert at_kill >= IN_FLIGHT
