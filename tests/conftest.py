"""What all tests share: how hypothesis behaves, and real servers."""

import os

from hypothesis import settings

from tests.servers import servers
from tests.suite import suite

__all__ = ["servers", "suite"]

# No deadline per example: two shared cores make any such number a coin toss; the timeout of the test holds.
# In CI the examples are the same in every run, so that a red run is the change's fault.
settings.register_profile("lethe", deadline=None, derandomize=bool(os.environ.get("CI")), print_blob=True)
settings.load_profile("lethe")
