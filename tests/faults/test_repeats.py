"""Every message of a whole life told again, under its own id and under a new one: not a row changes."""

import asyncio
import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import asyncpg
import httpx2
import pytest

from lethe_common.clock import monotonic_seconds
from lethe_common.database.roles import DATABASES
from lethe_common.events.catalogue import EVENTS
from tests.faults.messages import Bus, Said, on_the_bus
from tests.faults.reckoning import parked, unsent, wait_until_all_is_done
from tests.faults.stage import DRAWN, PATIENT, fault_suite
from tests.flows.holds import hold, lethe
from tests.flows.steps import completed, picture
from tests.suite import Account, RunningSuite, answered, until

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = [pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"), pytest.mark.timeout(240)]

# Told where notices are on, see tests/flows/test_notices_mailed.py. Under a new id it is a new notice: its mail goes out.
ON_DEMAND = {"retention.notice.due.v1"}
STORED = {kind.type for kind in EVENTS.values() if kind.is_stored}
SETTLE_SECONDS = 10.0
TABLES = """
    SELECT format('%I.%I', n.nspname, c.relname) AS name
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
       AND n.nspname IN ('gateway', 'jobs', 'billing', 'retention', 'privacy', 'keys')
       AND c.relname NOT IN ('outbox', 'inbox', 'parked')
     ORDER BY 1
"""
# When somebody looked last, or will look next: not what happened.
LOOKS = {
    "retention.deadlines": {"told_at", "look_at", "closed_at"},  # what is reported gone again is looked at again
    "jobs.erasures": {"next_attempt_at", "reported_at"},
    "jobs.removals": {"next_attempt_at"},
    "privacy.erasures": {"due_at"},
    "gateway.api_keys": {"last_used_on"},  # noted by a sweep some time after the use
}


@dataclass(frozen=True, slots=True)
class Content:
    """All rows of all services, hashed table by table."""

    rows: Mapping[str, tuple[str, ...]]

    @property
    def digest(self) -> str:
        """One hash for everything."""
        return hashlib.sha256(json.dumps(self.rows, sort_keys=True).encode()).hexdigest()

    def differences(self, later: "Content") -> list[str]:
        """What is in one and not in the other, for the reader of a failed test."""
        lines = []
        for table in sorted({*self.rows, *later.rows}):
            before, after = set(self.rows.get(table, ())), set(later.rows.get(table, ()))
            lines += [f"{table} - {row}" for row in sorted(before - after)]
            lines += [f"{table} + {row}" for row in sorted(after - before)]
        return lines


@pytest.fixture(scope="module")
def lived() -> Iterator[RunningSuite]:
    """A suite in which everything that is told has been told, and heard."""
    with fault_suite(PROVIDERS_NOOP_SECONDS="0.3", REMOVAL_LEASE_SECONDS="2") as running:
        _live(running)
        # The last word of an erasure is heard by its owners when nothing waits for it any more.
        on_the_bus(running, lambda bus: bus.wait_until_heard())
        wait_until_all_is_done(running)
        yield running


@pytest.mark.parametrize("form", ["again", "anew"])
def test_everything_told_once_more_changes_nothing(lived: RunningSuite, form: str) -> None:
    before = _content(lived)
    told: list[Said] = []

    async def tell(bus: Bus) -> None:
        told.extend(await bus.everything())
        await bus.publish([message.again() if form == "again" else message.anew() for message in told])
        await bus.wait_until_heard()

    on_the_bus(lived, tell)
    until(lambda: not unsent(lived), "the outboxes to drain")
    on_the_bus(lived, lambda bus: bus.wait_until_heard())
    wait_until_all_is_done(lived)

    after = _settled(lived, before)
    types = {message.type for message in told}
    print(
        f"{len(told)} messages of {len(types)} types told {form}: rows before {before.digest[:16]}, {after.digest[:16]} after"
    )
    assert not (changed := before.differences(after)), "\n".join(changed)
    assert parked(lived) == []
    assert types == STORED - ON_DEMAND


def _settled(suite: RunningSuite, wanted: Content) -> Content:
    """The rows once they are as before, or what they are after some seconds: removals are worked off by and by."""
    give_up_at = monotonic_seconds() + SETTLE_SECONDS
    while True:
        found = _content(suite)
        if found.digest == wanted.digest or monotonic_seconds() > give_up_at:
            return found
        time.sleep(0.2)


def _live(suite: RunningSuite) -> None:
    """Sign-up, plans, videos of every ending, mail, expiry, copies, a restriction, a legal hold, erasure."""
    stays, leaves = suite.open_account(), suite.open_account()
    with stays.openai() as client, stays.http() as http:
        drawn = {**DRAWN, "input_reference": ("b.png", picture(), "image/png")}
        reference = client.videos.create(prompt="a drawn boat", **drawn)
        expires, deleted = (client.videos.create(prompt=f"boat {number}", **PATIENT) for number in range(2))
        for video in (reference, expires, deleted):
            completed(client, video.id)
        client.videos.delete(deleted.id)
        _cancel_one(suite, http)
        _fail_one(suite, http)
        answered(http.post("/v1/password-resets", json={"email": stays.email}))
        wait_until_all_is_done(suite)
        _take_a_copy(http)
        suite.advance("P7D")
        assert http.delete(f"/v1/account/export/{_take_a_copy(http)}").is_success
        for plan in ("pro", "basic"):
            suite.change_plan(stays, plan)
            suite.advance("PT1S")  # no two plans begin at the same moment
        kept = completed(client, client.videos.create(prompt="a boat that stays", **PATIENT).id)
        restriction = answered(http.post("/v1/privacy/requests", json={"kind": "restrict"}))["id"]
        answered(http.post(f"/v1/privacy/requests/{restriction}/lift"))
    lethe(suite, "lift", hold(suite, kept.id), "--operator", "A. Clerk")
    _erase_one(suite, leaves)
    wait_until_all_is_done(suite)


def _take_a_copy(http: httpx2.Client) -> str:
    copy = str(answered(http.post("/v1/account/export"))["id"])
    until(lambda: answered(http.get(f"/v1/account/export/{copy}"))["state"] == "ready", "the copy", timeout_seconds=60)
    return copy


def _cancel_one(suite: RunningSuite, http: httpx2.Client) -> None:
    suite.stop("jobs")
    video = answered(http.post("/v1/videos", json=_order("not wanted")))
    answered(http.post(f"/v1/videos/{video['id']}/cancel"))
    suite.start("jobs")
    until(lambda: _ended(suite, video["id"]) == "cancelled", "the cancellation")


def _fail_one(suite: RunningSuite, http: httpx2.Client) -> None:
    """A generation whose prompt does not open any more can never be made."""
    suite.stop("jobs")
    video = answered(http.post("/v1/videos", json=_order("cannot be made")))
    damage = "UPDATE gateway.generations SET prompt_sealed = set_byte(prompt_sealed, 40, 255 - get_byte(prompt_sealed, 40)) WHERE generation_id = $1"
    suite.look(damage, video["id"])
    suite.start("jobs")
    until(lambda: _ended(suite, video["id"]) == "failed", "the failure")


def _erase_one(suite: RunningSuite, account: Account) -> None:
    with account.openai() as client, account.http() as http:
        completed(client, client.videos.create(prompt="a boat that leaves", **PATIENT).id)
        wait_until_all_is_done(suite)
        claim = answered(http.delete("/v1/account"))["claim"]
    with suite.anonymous() as http:
        status = "/v1/erasures/status"
        until(lambda: answered(http.post(status, json={"claim": claim}))["certificate"], "the certificate", 60)


def _order(prompt: str) -> dict[str, object]:
    return {**PATIENT, "seconds": 4, "prompt": prompt}


def _ended(suite: RunningSuite, video_id: str) -> str:
    sql = "SELECT state FROM gateway.generations WHERE generation_id = $1"
    return str(suite.look(sql, video_id)[0]["state"])


def _content(suite: RunningSuite) -> Content:
    return Content(asyncio.run(_rows(suite)))


async def _rows(suite: RunningSuite) -> dict[str, tuple[str, ...]]:
    found = {}
    for database in DATABASES:
        connection = await asyncpg.connect(suite.superuser_dsn(database))
        try:
            for (table,) in await connection.fetch(TABLES):
                left_out = sorted(LOOKS.get(table, ()))
                sql = f"SELECT (to_jsonb(t) - $1::text[])::text AS row FROM {table} t ORDER BY 1"
                found[table] = tuple(row["row"] for row in await connection.fetch(sql, left_out))
        finally:
            await connection.close()
    return found
