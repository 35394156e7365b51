"""`lethe policy simulate` foretells what a version does; then it takes effect on the same suite, and does exactly that."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.flows.steps import made
from tests.servers import temporary_data_folder
from tests.suite import Account, RunningSuite, answered, running_suite, until
from tests.unit.common.policy_files import PROFILES, written

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = [pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"), pytest.mark.timeout(400)]
SHORTER = ("pro: P90D", "pro: P20D"), ("on_policy_change: longest", "on_policy_change: new")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A profile with one version so far."""
    (tmp_path / "catalogue.yaml").write_bytes((PROFILES / "aisora2/catalogue.yaml").read_bytes())
    written(tmp_path)
    return tmp_path


@pytest.fixture
def data() -> Iterator[Path]:
    """Where the suite keeps what it keeps, over its restart."""
    with temporary_data_folder() as place:
        yield place


def test_what_is_foretold_happens_and_simulating_changes_nothing(folder: Path, data: Path) -> None:
    with running_suite(data, "--profile", str(folder)) as suite:
        account = suite.open_account("pro")
        older = _made(account)
        suite.advance("P20D")
        newer = _made(account)
        effective = datetime.fromtimestamp(suite.policy_unix(), UTC).replace(microsecond=0) + timedelta(days=16)
        dated = ("version: 1\n", "version: 2\n"), ("effective: 2026-11-01", f"effective: {effective.isoformat()}")
        candidate = written(folder, *dated, *SHORTER, name="candidate.yaml")
        before = _deadlines(suite)

        (count,) = json.loads(_simulate(suite, candidate, "--json"))["counts"]
        table = _simulate(suite, candidate)

        assert (count["category"], count["plan"], count["is_held"]) == ("output.video", "pro", False)
        assert (count["open"], count["earlier"], count["passed"]) == (2, 2, 0)
        assert count["as_is"] == {"at_once": 0, "day": 0, "week": 0, "month": 0}
        assert count["simulated"] == {"at_once": 1, "day": 1, "week": 2, "month": 2}
        assert "Of what no hold keeps: 1 deleted at once; 2 earlier." in table
        assert _deadlines(suite) == before

    candidate.rename(folder / "policy-2.yaml")
    with running_suite(data, "--profile", str(folder)) as suite:
        suite.advance(f"PT{effective.timestamp() - suite.policy_unix() - 1:.6f}S")
        assert _statuses(account, suite, older, newer) == [200, 200]
        assert _deadlines(suite) == before
        suite.advance("PT1S")
        until(lambda: _statuses(account, suite, older, newer) == [410, 200], "the one that goes at once")
        suite.advance("P7D")
        assert _statuses(account, suite, older, newer) == [410, 410]


def _made(account: Account) -> str:
    with account.openai() as client:
        video_id = str(made(client).id)
    with account.http() as http:
        until(lambda: answered(http.get(f"/v1/videos/{video_id}"))["expires_at"], "its deadline")
    return video_id


def _deadlines(suite: RunningSuite) -> list[Any]:
    return [tuple(row) for row in suite.look("SELECT item_id, due_at FROM retention.deadlines ORDER BY item_id")]


def _statuses(account: Account, suite: RunningSuite, *videos: str) -> list[int]:
    with account.http(url=suite.url) as http:
        return [http.get(f"/v1/videos/{video}").status_code for video in videos]


def _simulate(suite: RunningSuite, file: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "lethe_cli", "policy", "simulate", str(file), "--data", str(suite.data)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
