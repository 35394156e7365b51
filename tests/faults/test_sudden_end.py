"""kill -9 of `lethe up` itself, with runs in flight: nothing is left of it, and the next start goes on."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from lethe_common.clock import monotonic_seconds
from tests.faults.crowd import Crowd
from tests.faults.reckoning import in_flight, is_in_order, rendering, wait_until_all_is_done
from tests.faults.stage import QUICK, fault_profile
from tests.servers import temporary_data_folder
from tests.suite import running_suite, until

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = [pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"), pytest.mark.timeout(240)]

IN_FLIGHT = 25
GONE_SECONDS = 5.0


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_after_a_kill_of_the_whole_suite_nothing_is_left_and_the_next_start_finishes_what_was_accepted() -> None:
    with fault_profile() as profile, temporary_data_folder() as data:
        with running_suite(data, "--profile", str(profile), settings=QUICK, is_forked=False) as first:
            crowd = Crowd(first)
            for order in crowd.order(IN_FLIGHT + 10):
                order.result(60)
            until(lambda: rendering(first) >= IN_FLIGHT, "runs in flight")
            before = in_flight(first)
            crowd.close()
            own = _using(data)
            assert set(first.runtime.pids.values()) <= own
            os.kill(first.runtime.pid, signal.SIGKILL)
            gone = _seconds_until_gone(data)

        began = monotonic_seconds()
        with running_suite(data, "--profile", str(profile), settings=QUICK, is_forked=False) as second:
            ready = monotonic_seconds() - began
            wait_until_all_is_done(second)
            done = monotonic_seconds() - began
            total = is_in_order(second, crowd)
    print(
        f"kill -9 lethe up: {before} in flight, {len(own)} processes gone after {gone:.1f} s, ready again after "
        f"{ready:.1f} s, everything done after {done:.1f} s ({total} generations)"
    )
    assert before >= IN_FLIGHT
    assert gone <= GONE_SECONDS


def _seconds_until_gone(data: Path) -> float:
    began = monotonic_seconds()
    while _using(data) and monotonic_seconds() < began + 2 * GONE_SECONDS:
        time.sleep(0.05)
    assert not _using(data)
    return monotonic_seconds() - began


def _using(data: Path) -> set[int]:
    """Processes, this one aside, whose arguments or environment name the data folder."""
    name, found = str(data).encode(), set()
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        try:
            known = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if name in known:
            found.add(int(folder.name))
    return found
