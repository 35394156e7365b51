"""What all tests share: how hypothesis behaves, what the garbage collector leaves alone, and real servers."""

import gc
import os
from collections.abc import Generator

import pytest
from hypothesis import settings

from tests.servers import servers
from tests.suite import suite

__all__ = ["servers", "suite"]

# No deadline per example: two shared cores make any such number a coin toss; the timeout of the test holds.
# In CI the examples are the same in every run, so that a red run is the change's fault.
settings.register_profile("lethe", deadline=None, derandomize=bool(os.environ.get("CI")), print_blob=True)
settings.load_profile("lethe")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is there once tests are collected stays; what tests make is looked through far less often than by default.

    Looking through thousands of tests and modules again and again was a tenth of a process's time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        gc.enable()
