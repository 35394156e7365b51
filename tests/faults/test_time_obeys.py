"""Time obeys the published policy: to the second, whatever plans people choose and whatever dies meanwhile."""

import os
import secrets
from collections.abc import Iterator

import pytest
from minio.commonconfig import ENABLED
from minio.versioningconfig import VersioningConfig

from tests.faults.history import History
from tests.faults.reckoning import parked, wait_until_all_is_done
from tests.faults.stage import fault_suite
from tests.flows.outside import store
from tests.suite import RunningSuite

pytestmark = [pytest.mark.timeout(900)]

SEED = os.environ.get("LETHE_TIME_SEED", "1")
"""`random` for another history each time; the seed is printed."""


@pytest.fixture(scope="module")
def living() -> Iterator[RunningSuite]:
    with fault_suite(PROVIDERS_NOOP_SECONDS="0.5", REMOVAL_LEASE_SECONDS="2") as running:
        # As operators may have set it: every overwriting and every deletion leaves something behind.
        store(running).set_bucket_versioning(running.runtime.s3_bucket, VersioningConfig(ENABLED))
        yield running


def test_videos_stay_to_the_second_and_are_gone_after_their_grace_in_a_random_history(living: RunningSuite) -> None:
    seed = secrets.randbelow(10**6) if SEED == "random" else int(SEED)
    print(f"LETHE_TIME_SEED={seed}")
    history = History(living, seed)
    try:
        history.live()
    finally:
        history.close()
    tally = history.tally
    print(f"{len(history.items)} videos: {tally.served} served at the last second, {tally.gone} gone; {tally.deeds}")
    wait_until_all_is_done(living)
    assert parked(living) == []
    assert living.books()["is_balanced"]
    assert min(tally.served, tally.refused, tally.gone) > 0
