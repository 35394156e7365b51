"""A handler that really fails: retried, parked, seen by operators, and replayed from the page's route and the command line."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import pytest

from lethe_common.events.envelope import Envelope
from lethe_common.events.jobs import GenerationCancelled
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.services import Service
from tests.faults.messages import Bus, Said, on_the_bus
from tests.faults.reckoning import GENERATIONS, parked, wait_until_all_is_done
from tests.faults.stage import PATIENT, fault_suite
from tests.suite import RunningSuite, answered, until

pytestmark = pytest.mark.timeout(240)

DELIVERIES = 3
DEADLINES = "SELECT count(*) FROM retention.deadlines WHERE item_id = $1"
TOLD = """
    SELECT count(*) FROM retention.outbox, jsonb_path_query(convert_from(data, 'UTF8')::jsonb, '$.items[*]') item
     WHERE type = 'retention.items.scheduled.v1' AND item ->> 'generation_id' = $1
"""


@pytest.fixture(scope="module")
def broken() -> Iterator[RunningSuite]:
    quick = {
        "PROVIDERS_NOOP_SECONDS": "0.2",
        "CONSUMER_MAX_DELIVER": str(DELIVERIES),
        "CONSUMER_RETRY_FIRST_SECONDS": "0.1",
        "CONSUMER_RETRY_MOST_SECONDS": "0.5",
    }
    with fault_suite(**quick) as running:
        yield running


def test_what_a_broken_table_kept_from_being_done_is_done_once_by_a_replay(broken: RunningSuite) -> None:
    account = broken.open_account()
    with account.http() as http, _without_insert(broken, "retention.deadlines", Service.RETENTION):
        ids = []
        for number in range(2):
            body = {**PATIENT, "seconds": 4, "prompt": f"boat {number}"}
            ids.append(answered(http.post("/v1/videos", json=body))["id"])
            # One after the other, so that each is a message of its own on the page.
            _wait_until_shown(broken, number + 1)
        by_command, by_page = _shown(broken)[::-1]
        for message in (by_command, by_page):
            assert message["service"] == "retention"
            assert message["subject"] == "jobs.generation.completed.v1"
            assert message["deliveries"] == DELIVERIES
            assert "permission denied" in message["error"] or "InsufficientPrivilege" in message["error"]
        listing = _lethe(broken, "list")
        assert listing.returncode == 0, listing.stderr
        assert by_command["parked_id"] in listing.stdout

        refused = _lethe(broken, "replay", "retention", by_command["parked_id"])
        still = _replay_from_page(broken, by_page)
        assert refused.returncode == 1
        assert still["handled"] is False
        assert len(_shown(broken)) == 2
        assert [broken.look(DEADLINES, one)[0][0] for one in ids] == [0, 0]

    done = _lethe(broken, "replay", "retention", by_command["parked_id"])
    assert done.returncode == 0, done.stderr
    assert [broken.look(DEADLINES, one)[0][0] for one in ids] == [1, 0]
    assert _replay_from_page(broken, by_page)["handled"] is True
    assert _shown(broken) == []

    again = _lethe(broken, "replay", "retention", by_command["parked_id"])
    assert again.returncode == 1
    with broken.console() as console:
        path = f"/api/parked/retention/{by_page['parked_id']}/replay"
        assert console.post(path).status_code == 404
    wait_until_all_is_done(broken)
    for row in broken.look(GENERATIONS, [account.account_id]):
        assert row["expires_at"] == row["due_at"] is not None
        assert broken.look(DEADLINES, row["generation_id"])[0][0] == 1
        assert broken.look(TOLD, row["generation_id"])[0][0] == 1


def test_what_nobody_can_read_is_parked_by_everybody_who_hears_it_and_stays_after_a_replay(
    broken: RunningSuite,
) -> None:
    event = GenerationCancelled(
        generation_id=GenerationId.new(),
        subject_ref=SubjectRef.new(),
        cancelled_at="2026-11-22T12:00:00Z",  # type: ignore[arg-type]  # parsed
    )
    envelope = Envelope.around(event, Service.JOBS)

    async def tell(bus: Bus) -> None:
        await bus.publish([Said("JOBS", event.type, envelope.headers(), b'{"torn": ')])

    on_the_bus(broken, tell)
    listeners = {str(service) for service in GenerationCancelled.listeners}
    shown = until(lambda: _if_whole(_shown(broken), listeners), "everybody to park it")
    for message in shown:
        assert _replay_from_page(broken, message)["handled"] is False
    assert _shown(broken) == shown
    assert len(parked(broken)) == len(listeners)


def _if_whole(shown: list[dict[str, Any]], services: set[str]) -> list[dict[str, Any]] | None:
    return shown if {message["service"] for message in shown} == services else None


def _wait_until_shown(suite: RunningSuite, count: int) -> None:
    until(lambda: len(_shown(suite)) == count, "the message to be parked")


def _shown(suite: RunningSuite) -> list[dict[str, Any]]:
    """What the console's page shows, newest first."""
    with suite.console() as console:
        services = answered(console.get("/api/parked"))["services"]
    assert all(each["is_answering"] for each in services)
    rows = [{"service": each["service"], **row} for each in services for row in each["parked"]]
    return sorted(rows, key=lambda row: str(row["parked_at"]), reverse=True)


def _replay_from_page(suite: RunningSuite, message: dict[str, Any]) -> dict[str, Any]:
    """What the page's button sends."""
    with suite.console() as console:
        return answered(console.post(f"/api/parked/{message['service']}/{message['parked_id']}/replay"))


def _lethe(suite: RunningSuite, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "lethe_cli", "parked", *arguments, "--data", str(suite.data)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def _without_insert(suite: RunningSuite, table: str, role: str) -> Iterator[None]:
    """While inside, the service may not write its own table."""

    async def run(statement: str) -> None:
        connection = await asyncpg.connect(suite.superuser_dsn())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run(f"REVOKE INSERT ON {table} FROM {role}"))
    try:
        yield
    finally:
        asyncio.run(run(f"GRANT INSERT ON {table} TO {role}"))
