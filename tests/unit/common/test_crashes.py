"""Crash points do nothing but where a suite on a virtual clock asks for it; that they kill is seen in tests/faults."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lethe_common import crashes
from lethe_common.bus import dispatcher
from lethe_common.errors import ConfigurationError
from lethe_common.services import Service


@pytest.fixture
def point() -> Iterator[crashes.CrashPoint]:
    yield crashes.point("test.here", Service.JOBS)
    crashes._points.pop("test.here")
    crashes.arm(None, Service.JOBS, is_virtual=False)


def test_nothing_happens_where_nothing_is_armed(point: crashes.CrashPoint) -> None:
    point.reached()


def test_what_is_armed_for_another_service_stays(point: crashes.CrashPoint, tmp_path: Path) -> None:
    (tmp_path / "billing.test.here").touch()
    crashes.arm(tmp_path, Service.JOBS, is_virtual=True)

    point.reached()

    assert (tmp_path / "billing.test.here").exists()


def test_a_real_clock_refuses_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="virtual clock"):
        crashes.arm(tmp_path, Service.JOBS, is_virtual=False)


def test_a_name_is_given_once(point: crashes.CrashPoint) -> None:
    assert point.marks == ("jobs.test.here",)
    with pytest.raises(ValueError, match=r"two crash points test\.here"):
        crashes.point("test.here")


def test_a_point_of_the_frame_is_one_of_each_service(point: crashes.CrashPoint) -> None:
    assert {point, dispatcher._HANDLED} <= set(crashes.registry())
    assert len(dispatcher._HANDLED.marks) == len(Service)
