"""Owners see when each of their things goes and why; operators see how much goes on which day."""

import json
import subprocess
import sys
from datetime import datetime, timedelta

import pytest

from tests.flows.steps import made, picture
from tests.suite import Account, RunningSuite, answered, until

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = [pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"), pytest.mark.timeout(300)]
WEEK_SECONDS = 7 * 24 * 3600


@pytest.fixture(scope="module")
def owner(suite: RunningSuite) -> Account:
    """Somebody with one finished video that is scheduled."""
    account = suite.open_account()
    with account.openai() as client:
        video = made(client, input_reference=("boat.png", picture(), "image/png"))
    until(lambda: suite.look("SELECT 1 FROM retention.deadlines WHERE item_id = $1", video.id), "its deadline")
    return account


def test_an_owner_sees_what_goes_when_and_by_which_rule(suite: RunningSuite, owner: Account) -> None:
    with owner.http() as http:
        (item,) = (
            one for one in answered(http.get("/v1/privacy/calendar"))["data"] if one["category"] == "output.video"
        )

    rule = item["rule"]
    assert (item["state"], rule["from_event"], rule["plan"]) == ("open", "completed", "free")
    assert item["deletes_at"] == rule["from"] + WEEK_SECONDS
    assert item["stored_bytes"] > 1000


def test_nobody_sees_the_calendar_of_others(suite: RunningSuite, owner: Account) -> None:
    with suite.open_account().http() as http:
        assert answered(http.get("/v1/privacy/calendar"))["data"] == []
    with suite.anonymous() as http:
        assert http.get("/v1/privacy/calendar").status_code == 401
        assert http.get("/v1/privacy/calendar?limit=0").status_code in (400, 401)


def test_operators_see_how_much_goes_on_which_day(suite: RunningSuite, owner: Account) -> None:
    with suite.console() as console:
        calendar = answered(console.get("/api/retention/calendar?days=30"))
        overdue = answered(console.get("/api/retention/overdue"))

    assert sum(day["count"] for day in calendar["days"]) >= 1
    assert calendar["summary"]["open"] >= 1
    assert overdue == {"counts": [], "items": []}


def test_the_command_line_shows_both_calendars(suite: RunningSuite, owner: Account) -> None:
    def lethe(*arguments: str) -> list[dict[str, object]]:
        command = [sys.executable, "-m", "lethe_cli", "calendar", *arguments, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    mine = lethe("--url", suite.url, "--api-key", owner.key)
    everybodys = lethe("--all", "--days", "90", "--data", str(suite.data))

    assert [item["category"] for item in mine if item["category"] == "output.video"] == ["output.video"]
    assert everybodys[0].keys() == {"day", "category", "count", "stored_bytes"}


def test_the_command_line_moves_the_clock_and_shows_it(suite: RunningSuite) -> None:
    def lethe(*arguments: str) -> str:
        command = [sys.executable, "-m", "lethe_cli", "clock", *arguments, "--data", str(suite.data)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    before = datetime.fromisoformat(lethe("show"))
    said = lethe("advance", "PT1S")

    after = lethe("show")
    assert datetime.fromisoformat(after) - before == timedelta(seconds=1)
    assert said == f"Policy time is {after}; every service has done what was due."
