"""No certificate while anything is left: each owner's removal is disabled in turn, table by table and in the object store."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import asyncpg
import pytest

from lethe_common.database.roles import DATABASE, FACTS_DATABASE, KEYS_DATABASE
from lethe_common.services import Service
from tests.faults.hiding_store import HidingStore, hiding_suite
from tests.faults.stage import PATIENT, QUICK, fault_profile
from tests.flows.outside import objects, places_of
from tests.flows.steps import picture, trained_with
from tests.suite import Account, RunningSuite, answered, until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]

# What still knows the reference of somebody erased, on purpose: the record of it, and fences against what is told late.
LEFT_ON_PURPOSE = {"privacy.facts", "keys.subjects", "billing.fences", "jobs.erasures", "jobs.removals"}
# A fence too, until the certificate is there: nothing in it but what the other one keeps.
GOES_AFTERWARDS = {"jobs.subjects"}
_QUICK = {
    **QUICK,
    "PROVIDERS_NOOP_SECONDS": "0.1",
    "ERASURE_STEP_RETRY_SECONDS": "3",
    "ERASURE_RETRY_FIRST_SECONDS": "1",
    "ERASURE_RETRY_MOST_SECONDS": "3",
}
_KEEP = """
    CREATE OR REPLACE FUNCTION {schema}.kept() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER kept_{number} BEFORE {deed} ON {table} FOR EACH ROW
        WHEN (strpos(OLD::text, '{subject}') + strpos(OLD::text, '{account}') > 0) EXECUTE FUNCTION {schema}.kept()
"""
_EMPTIED = {"privacy.access_bodies"}
"""Rows that stay, without what was in them."""
_DATABASES = {"keys": KEYS_DATABASE, "privacy": FACTS_DATABASE}
_LET_GO = "DROP TRIGGER kept_{number} ON {table}"
_ASKED = """
    SELECT 1 FROM privacy.outbox
     WHERE type = 'privacy.erasure.step_requested.v1' AND strpos(convert_from(data, 'UTF8'), $1) > 0
"""
_TIMES = 3
"""The owners have been asked so often while something was kept."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """Somebody who asked to be forgotten, and the claim to follow it by."""

    account: Account
    erasure_id: str
    claim: str

    def has_certificate(self, suite: RunningSuite) -> bool:
        with suite.anonymous() as http:
            status = answered(http.post("/v1/erasures/status", json={"claim": self.claim}))
        return status["certificate"] is not None


@pytest.fixture(scope="module")
def stage() -> Iterator[tuple[RunningSuite, HidingStore]]:
    with fault_profile() as profile, hiding_suite(Service.JOBS, "--profile", str(profile), **_QUICK) as running:
        yield running


def test_no_certificate_is_issued_while_a_table_or_an_object_of_the_person_is_left(
    stage: tuple[RunningSuite, HidingStore],
) -> None:
    suite, store = stage
    control = _somebody(suite)
    tables = sorted(_tables_of(suite, control) - LEFT_ON_PURPOSE - GOES_AFTERWARDS)
    print("kept in turn:", *tables)
    owners = {"gateway", "jobs", "billing", "retention", "privacy", "keys"}
    assert {table.partition(".")[0] for table in tables} == owners
    with ThreadPoolExecutor(4) as threads:
        people = dict(zip([*tables, "objects"], threads.map(lambda _: _somebody(suite), [*tables, ""]), strict=True))

    for number, table in enumerate(tables):
        _run(suite, table, _KEEP, number=number, account=people[table])
    store.hidden = _objects_part(suite, people["objects"])
    with ThreadPoolExecutor(len(people) + 1) as threads:
        leaving = dict(zip(people, threads.map(_leave, people.values()), strict=True))
        let_go = threads.submit(_leave, control).result()
        until(lambda: let_go.has_certificate(suite), "the certificate of whom nothing is kept of")
        for place, one in leaving.items():
            _until_asked_again(suite, place, one)
        # Asked is not done: jobs has many to remove, and looks for the objects of this one when it comes to them.
        until(lambda: store.hid > 0, "the objects to be looked for in vain", timeout_seconds=60)
    assert [place for place, one in leaving.items() if one.has_certificate(suite)] == []
    assert _objects_with(suite, store.hidden) > 0

    kept, store.hidden = store.hidden, ""
    for number, table in enumerate(tables):
        _run(suite, table, _LET_GO, number=number)
    for place, one in leaving.items():
        _until_certified(suite, place, one)
        assert _tables_of(suite, one.account) <= LEFT_ON_PURPOSE | GOES_AFTERWARDS, place
    assert _objects_with(suite, kept) == 0


def _until_asked_again(suite: RunningSuite, place: str, one: Leaving) -> None:
    def is_asked() -> bool:
        return len(suite.look(_ASKED, one.erasure_id)) >= _TIMES

    until(is_asked, f"the owners to be asked again, {place} being kept", timeout_seconds=60)


def _until_certified(suite: RunningSuite, place: str, one: Leaving) -> None:
    until(lambda: one.has_certificate(suite), f"the certificate once {place} is let go", timeout_seconds=90)


def _somebody(suite: RunningSuite) -> Account:
    """Somebody of whom every owner has something: a video, a session, a second key, a mail that waits, a record of training."""
    account = suite.open_account()
    with account.http() as http:
        upload = {"input_reference": ("x.png", picture(), "image/png")}
        ordered = http.post("/v1/videos", data={**PATIENT, "prompt": "a boat"}, files=upload)
        video = answered(ordered)["id"]
        until(lambda: answered(http.get(f"/v1/videos/{video}"))["expires_at"], "its deadline")
        answered(http.post("/v1/password-resets", json={"email": account.email}))
    trained_with(suite, account.account_id)
    login = {"email": account.email, "password": account.password}
    with suite.anonymous() as http:
        answered(http.post("/v1/sessions", json=login, headers={"Origin": suite.url}))
    sql = "SELECT 1 FROM gateway.uploads WHERE account_id = $1"
    until(lambda: not suite.look(sql, account.account_id), "the picture to go with its run")
    return account


def _leave(account: Account) -> Leaving:
    with account.http() as http:
        answer = answered(http.delete("/v1/account"))
    return Leaving(account, answer["id"], answer["claim"])


def _tables_of(suite: RunningSuite, account: Account) -> set[str]:
    """Where the person's references stand, messages aside: told, heard, and parked because they failed."""
    found = {
        table for value in (account.account_id, account.subject_ref) for table in asyncio.run(places_of(suite, value))
    }
    return {table for table in found if not table.endswith(("outbox", "inbox", "parked"))}


def _run(suite: RunningSuite, table: str, sql: str, number: int = 0, account: Account | None = None) -> None:
    """Run a statement about a table where it is, as its superuser."""
    schema = table.partition(".")[0]
    references = {"subject": account.subject_ref, "account": account.account_id} if account else {}

    async def run() -> None:
        connection = await asyncpg.connect(suite.superuser_dsn(_DATABASES.get(schema, DATABASE)))
        deed = "UPDATE" if table in _EMPTIED else "DELETE"
        try:
            await connection.execute(sql.format(schema=schema, table=table, number=number, deed=deed, **references))
        finally:
            await connection.close()

    asyncio.run(run())


def _objects_part(suite: RunningSuite, account: Account) -> str:
    """What the names of a person's objects have in common."""
    sql = "SELECT object_random FROM jobs.subjects WHERE subject_ref = $1"
    part: str = suite.look(sql, account.subject_ref)[0]["object_random"]
    assert _objects_with(suite, part) > 0
    return part


def _objects_with(suite: RunningSuite, part: str) -> int:
    return sum(part in one.name for one in objects(suite))
