"""Seven days become eight: a new version of the policy takes effect at its second, and nothing but deadlines moves."""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from lethe_common.clock import wall
from tests.flows.steps import made
from tests.suite import Account, RunningSuite, answered, fresh_suite, until
from tests.unit.common.policy_files import in_two_versions

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = [pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"), pytest.mark.timeout(300)]

DAY = 24 * 3600


@pytest.fixture(scope="module")
def effective() -> datetime:
    """When the second version takes effect: the suite is up by then, and a first video's seven days end before it."""
    return (wall() + timedelta(days=7, minutes=10)).replace(microsecond=0)


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory, effective: datetime) -> Iterator[RunningSuite]:
    """A suite whose policy has a second version to come."""
    folder = in_two_versions(tmp_path_factory.mktemp("profile"), effective.isoformat(), ("free: P7D", "free: P8D"))
    with fresh_suite("--profile", str(folder)) as running:
        yield running


def test_a_longer_period_takes_effect_at_its_second_and_changes_nothing_else(
    changing: RunningSuite, effective: datetime
) -> None:
    account = changing.open_account()
    # The API tells whole seconds; so that its boundary can be stood on, so does the clock.
    _advance_to(changing, math.ceil(changing.policy_unix()) + 1)
    passing = _made(account)
    assert passing["expires_at"] == int(changing.policy_unix() + 7 * DAY)
    changing.advance("PT1H")
    near = _made(account)
    assert near["expires_at"] < effective.timestamp() + 2 * 3600

    _advance_to(changing, effective.timestamp() - 1)
    assert _status(account, passing) == 410
    before = _seen(account, near)
    assert before == near
    assert "7 days" in _policy_page(changing)
    changing.advance("PT1S")

    until(lambda: _seen(account, near) != before, "the new deadline in the API")
    assert _seen(account, near) == before | {"expires_at": before["expires_at"] + DAY}
    assert _status(account, passing) == 410
    assert "8 days" in _policy_page(changing)
    _advance_to(changing, before["expires_at"] + DAY - 1)
    assert _status(account, near) == 200
    changing.advance("PT1S")
    assert _status(account, near) == 410


def _made(account: Account) -> dict[str, Any]:
    with account.openai() as client:
        video_id = made(client).id

    def told() -> dict[str, Any] | None:
        # Billing's and retention's words on a completion come each in their own time.
        found = _seen(account, {"id": video_id})
        return found if found["expires_at"] and found["credits_charged"] else None

    return until(told, "its deadline and its charge")


def _seen(account: Account, video: dict[str, Any]) -> dict[str, Any]:
    with account.http() as http:
        return answered(http.get(f"/v1/videos/{video['id']}"))


def _status(account: Account, video: dict[str, Any]) -> int:
    with account.http() as http:
        return http.get(f"/v1/videos/{video['id']}").status_code


def _policy_page(suite: RunningSuite) -> str:
    with suite.anonymous() as http:
        return http.get("/privacy?lang=en").text


def _advance_to(suite: RunningSuite, moment: float) -> None:
    seconds = moment - suite.policy_unix()
    suite.advance(f"PT{seconds:.6f}S")
