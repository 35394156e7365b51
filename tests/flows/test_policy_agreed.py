"""On a running suite: whoever dies and comes back with a new version in the folder waits until all can agree on it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from lethe_common.services import Service
from tests.suite import RunningSuite, answered, fresh_suite, until
from tests.unit.common.policy_files import PROFILES, written

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "catalogue.yaml").write_bytes((PROFILES / "aisora2/catalogue.yaml").read_bytes())
    written(tmp_path)
    return tmp_path


@pytest.fixture
def published(folder: Path) -> Iterator[RunningSuite]:
    with fresh_suite("--profile", str(folder)) as suite:
        suite.open_account()
        yield suite


def test_no_service_comes_back_with_a_version_that_is_too_late_and_all_agree_on_one_in_time(
    published: RunningSuite, folder: Path
) -> None:
    suite, now = published, datetime.fromtimestamp(published.policy_unix(), UTC)
    file = _publish(folder, now + timedelta(days=13))
    suite.kill("retention")
    until(lambda: "Version 2 takes effect at" in suite.output.read_text(), "the refusal", timeout_seconds=120)
    file.unlink()
    until(lambda: _standing(suite) == dict.fromkeys(Service, (1, None)), "retention", timeout_seconds=120)

    _publish(folder, now + timedelta(days=15))
    suite.kill("billing")
    until(lambda: "announcement_awaited" in suite.output.read_text(), "billing to wait", timeout_seconds=120)
    for name in ("gateway", "jobs", "retention", "privacy"):
        suite.kill(name)
    until(lambda: _standing(suite) == dict.fromkeys(Service, (1, 2)), "all to know of version 2", timeout_seconds=180)
    suite.advance("P16D")
    assert _standing(suite) == dict.fromkeys(Service, (2, None))


def _publish(folder: Path, effective: datetime) -> Path:
    dated = ("version: 1\n", "version: 2\n"), ("effective: 2026-11-01", f"effective: {effective.isoformat()}")
    return written(folder, *dated, ("free: P7D", "free: P8D"), name="policy-2.yaml")


def _standing(suite: RunningSuite) -> dict[Service, tuple[int, int | None]]:
    """Which version each service decides by, and which one it knows to come, as the console shows it."""
    with suite.console() as console:
        try:
            services = answered(console.get("/api/health"))["services"]
        except (httpx2.TransportError, AssertionError):
            return {}
    return {Service(one["service"]): _versions(one) for one in services if one["is_answering"]}


def _versions(one: dict[str, Any]) -> tuple[int, int | None]:
    coming = one["policy_next"]
    return one["policy_version"], None if coming is None else coming["version"]
