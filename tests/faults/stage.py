"""Where faults happen: the whole suite, with a second model that takes its time without taking the machine's.

`PATIENT` is made by the no-op provider: a run is under way for some seconds and
its output is stored like any other, so that dozens of runs are in flight on two
cores. The model that really draws stays beside it.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers import temporary_data_folder
from tests.suite import RunningSuite, running_suite

PATIENT: dict[str, Any] = {"model": "patient-1", "size": "640x360", "seconds": "4"}
PATIENT_CREDITS = 4
DRAWN: dict[str, Any] = {"model": "lethe-local-1", "size": "640x360", "seconds": "4"}
DRAWN_CREDITS = 20
PATIENT_SECONDS = 5.0
OBJECT_BYTES = 100_000

QUICK: Mapping[str, str] = {
    "PROVIDERS_NOOP_BESIDE": "true",
    "PROVIDERS_NOOP_SECONDS": str(PATIENT_SECONDS),
    "PROVIDERS_NOOP_OBJECT_BYTES": str(OBJECT_BYTES),
    "LEASE_SECONDS": "3",
    "HEARTBEAT_SECONDS": "0.5",
    "CONSUMER_ACK_WAIT_SECONDS": "3",
    "ERASURE_LEASE_SECONDS": "2",
    "CONSUMER_RETRY_MOST_SECONDS": "2",
}
"""Leases and acknowledgements that tests can wait for."""

_POLICY = Path(__file__).resolve().parents[2] / "deploy" / "profiles" / "aisora2" / "policy.yaml"
_CATALOGUE = """
models:
  - id: lethe-local-1
    label: procedural, no AI model
    provider: local
    default: true
    lifecycle: live
    sizes: [640x360, 1792x1024]
    seconds: [4, 12]
  - id: patient-1
    label: waits and answers with noise
    provider: noop
    lifecycle: live
    sizes: [640x360]
    seconds: [4]
prices:
  - version: 2026-11.1
    effective: 2026-11-01
    credits_per_second:
      lethe-local-1: {640x360: 5, 1792x1024: 30}
      patient-1: {640x360: 1}
plans:
  - {id: free, credits: 6000, granted: opening, concurrency: 16, priority: 0, retention: free}
  - {id: basic, credits: 2000, granted: period, concurrency: 16, priority: 1, retention: basic}
  - {id: standard, credits: 6000, granted: period, concurrency: 16, priority: 2, retention: standard}
  - {id: pro, credits: 15000, granted: period, concurrency: 16, priority: 3, retention: pro}
"""


@contextmanager
def fault_profile() -> Iterator[Path]:
    """The published policy with a catalogue of our own."""
    folder = Path(tempfile.mkdtemp(prefix="lethe-faults-"))
    try:
        shutil.copy(_POLICY, folder)
        (folder / "catalogue.yaml").write_text(_CATALOGUE)
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def fault_suite(**settings: str) -> Iterator[RunningSuite]:
    """A suite to break, gone afterwards. `settings` go over `QUICK`."""
    with (
        fault_profile() as profile,
        temporary_data_folder() as data,
        running_suite(data, "--profile", str(profile), settings={**QUICK, **settings}) as running,
    ):
        yield running


@contextmanager
def paused(suite: RunningSuite, name: str) -> Iterator[None]:
    """While inside, a program stands still: it answers nobody, keeps its connections and loses nothing."""
    pid = suite.pid(name)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
