"""Erasing one subject reads what is that subject's: no statement of an erasure has to go through a whole table."""

import re
from collections.abc import Mapping, Sequence

import pytest

from lethe_billing import account_queries as billing_accounts
from lethe_billing import queries as billing
from lethe_common.database import connect
from lethe_gateway import account_queries, export_queries, outcome_queries
from lethe_jobs.queries import erasures as jobs
from lethe_privacy import fact_queries, key_queries
from lethe_privacy import queries as privacy
from lethe_privacy.verification import PLACES, Place
from lethe_retention import hold_queries
from lethe_retention import queries as retention
from tests.integration.migrated import migrate_all
from tests.servers import RunningServers

STATEMENTS: Mapping[str, Sequence[str]] = {
    "gateway": (
        outcome_queries.SET_CLOSING, outcome_queries.LOCK_SUBJECT, outcome_queries.UPLOAD_KEYS,
        account_queries.DELETE_KEYS, account_queries.DELETE_SESSIONS, export_queries.CLOSE_ALL, export_queries.IS_WORKED_ON,
        outcome_queries.ERASE_ACCOUNT, outcome_queries.LEFT_OF_ACCOUNT,
    ),
    "jobs": (
        jobs.REQUEST, jobs.TAKE, jobs.COUNT, jobs.NOTE_BEFORE, jobs.REMOVE, jobs.REPORTED, jobs.DEFER, jobs.FORGET,
    ),
    "billing": (
        billing_accounts.FENCE, billing_accounts.FENCE_DONE, billing.LOCK_WALLETS_OF_SUBJECTS, billing.CLOSE_WALLET,
        billing.GRANTS_OF_WALLETS, billing.OPEN_HOLDS_OF_WALLET, billing_accounts.COUNT_OF_WALLET,
        billing_accounts.FORGET_WALLET,
    ),
    "retention": (
        retention.FENCE, retention.FENCE_DONE, retention.COUNT_OF_SUBJECT, retention.FORGET_SUBJECT, hold_queries.OF_SUBJECT,
        hold_queries.WITHDRAW_OF_SUBJECT, hold_queries.FORGET_SUBJECT,
    ),
    "privacy": (
        privacy.OPEN, privacy.OF_SUBJECT, privacy.LOCK, privacy.TAKE_DUE, privacy.MOVE, privacy.COMPLETE,
        privacy.KEYS_DESTROYED, privacy.CLAIMED, privacy.ADD_CLAIM, privacy.BY_CLAIM, privacy.STEPS, privacy.PUT_STEP,
        privacy.ASK_AGAIN, privacy.AT_FENCE, privacy.CALL_IN, privacy.CALL, privacy.IS_FACT, fact_queries.ERASED,
        privacy.FORGET_SUBJECT, privacy.LET_GO,
    ),
    "keys": (
        key_queries.SUBJECT_STATE, key_queries.FENCE_AND_COUNT, key_queries.DESTROY_SUBJECT,
        key_queries.FORGET_LOSS,
    ),
}  # fmt: skip


@pytest.fixture
async def migrated(servers: RunningServers) -> RunningServers:
    await migrate_all(servers)
    return servers


async def whole_tables_read(
    servers: RunningServers, role: str, schema: str, statement: str, database: str | None
) -> str:
    """The plan for any value of the parameters if it reads a whole table, which it does only without an index; else nothing."""
    connection = await connect(servers.dsn(role, database), schema)
    values = ", ".join(["NULL"] * len(set(re.findall(r"\$\d+", statement))))
    try:
        await connection.execute(f"SET plan_cache_mode = force_generic_plan; PREPARE looked_at AS {statement}")
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE looked_at({values})"))
    finally:
        await connection.close()
    return plan if "Seq Scan" in plan else ""


@pytest.mark.parametrize("schema", STATEMENTS)
async def test_an_owner_finds_what_is_a_subjects_by_an_index(migrated: RunningServers, schema: str) -> None:
    role, database = ("privacy", "lethe_keys") if schema == "keys" else (schema, None)
    plans = [await whole_tables_read(migrated, role, schema, one, database) for one in STATEMENTS[schema]]

    assert "\n\n".join(plan for plan in plans if plan) == ""


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.table)
async def test_the_verifier_looks_by_an_index(migrated: RunningServers, place: Place) -> None:
    assert await whole_tables_read(migrated, "verifier", "pg_catalog", place.count, place.cluster.value) == ""
