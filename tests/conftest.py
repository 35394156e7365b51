"""What all tests share: how hypothesis behaves, what the garbage collector leaves alone, and real servers."""

import gc
import os

from hypothesis import settings

from tests.servers import servers
from tests.suite import suite

__all__ = ["servers", "suite"]

# No deadline per example: two shared cores make any such number a coin toss; the timeout of the test holds.
# In CI the examples are the same in every run, so that a red run is the change's fault.
settings.register_profile("lethe", deadline=None, derandomize=bool(os.environ.get("CI")), print_blob=True)
settings.load_profile("lethe")

# Thousands of tests and modules stay until the end: looking through them again and again was a tenth of a process's time.
gc.disable()


def pytest_collection_finish() -> None:
    """What there is now stays; what tests make is collected, seventy times less often than by default."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()
