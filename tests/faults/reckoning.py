"""The reckoning after a fault: looked up in every service's own tables and in the object store, past every service."""

from collections.abc import Callable, Collection
from typing import Any

import asyncpg

from lethe_common.clock import monotonic_seconds
from lethe_common.services import Service
from tests.faults.crowd import Crowd
from tests.faults.stage import DRAWN_CREDITS, PATIENT, PATIENT_CREDITS
from tests.flows.outside import objects
from tests.suite import RunningSuite, until

_QUIET_SECONDS = 90.0

GENERATIONS = """
    SELECT g.generation_id, g.account_id, g.model, g.state, g.credits_charged, g.expires_at,
           r.state AS run, h.state AS hold, h.amount, h.charged, d.due_at,
           (SELECT count(*) FROM jobs.assets a
             WHERE a.generation_id = g.generation_id AND a.variant = 'video') AS videos,
           (SELECT count(*) FROM jobs.outbox o, jsonb_path_query(convert_from(o.data, 'UTF8')::jsonb, '$[*]') body
             WHERE o.type = 'jobs.generation.completed.v1' AND body ->> 'generation_id' = g.generation_id) AS completions,
           (SELECT count(*) FROM billing.transfers t
             WHERE t.cause_ref = h.cause_ref AND t.kind IN ('post', 'late_post')) AS posts,
           (SELECT coalesce(sum(t.amount), 0)::bigint FROM billing.transfers t
             WHERE t.cause_ref = h.cause_ref AND t.kind IN ('post', 'late_post', 'owe')) AS posted
      FROM gateway.generations g
      LEFT JOIN jobs.runs r USING (generation_id)
      LEFT JOIN billing.holds h USING (generation_id)
      LEFT JOIN retention.deadlines d ON d.item_id = g.generation_id
     WHERE g.account_id = ANY($1::text[])
"""
ACCEPTED_IN_FLIGHT = "SELECT count(*) FROM gateway.generations WHERE state IN ('queued', 'in_progress')"
RENDERING = "SELECT count(*) FROM jobs.runs WHERE state IN ('rendering', 'storing')"
OPEN = """
    SELECT (SELECT count(*) FROM gateway.generations
             WHERE state IN ('queued', 'in_progress')
                OR state = 'completed' AND (credits_charged IS NULL OR expires_at IS NULL))
           + (SELECT count(*) FROM billing.holds JOIN gateway.generations USING (generation_id)
               WHERE billing.holds.state = 'held') AS left_open
"""
UNUSED = """
    SELECT a.account_id
      FROM billing.holds h
      JOIN billing.subjects s USING (wallet_id)
      JOIN gateway.accounts a USING (subject_ref)
     WHERE h.state = 'held' AND NOT EXISTS (SELECT FROM gateway.generations g WHERE g.generation_id = h.generation_id)
"""
"""Holds of orders that were never accepted, by who ordered: each ends by itself, a while later."""
ASSET_KEYS = "SELECT object_key FROM jobs.assets WHERE object_key IS NOT NULL"


def in_flight(suite: RunningSuite) -> int:
    """How many generations are accepted and not finished."""
    return int(suite.look(ACCEPTED_IN_FLIGHT)[0][0])


def rendering(suite: RunningSuite) -> int:
    """How many of them are with a provider or being stored."""
    return int(suite.look(RENDERING)[0][0])


def timed(look: Callable[[], Any], what: str, timeout_seconds: float = _QUIET_SECONDS) -> float:
    """Seconds until `look` is true."""
    began = monotonic_seconds()
    until(look, what, timeout_seconds)
    return monotonic_seconds() - began


def wait_until_all_is_done(suite: RunningSuite, timeout_seconds: float = _QUIET_SECONDS) -> float:
    """Seconds until nothing is under way: no run, no open hold, no deadline to come, nothing in any outbox."""

    def is_done() -> bool:
        return not suite.look(OPEN)[0]["left_open"] and not unsent(suite)

    return timed(is_done, "everything accepted to be done, charged, dated and told", timeout_seconds)


def unsent(suite: RunningSuite) -> int:
    """Rows of all outboxes that wait for the relay."""
    waiting = (suite.look(f"SELECT count(*) FROM {name}.outbox WHERE stream_seq IS NULL") for name in Service)
    return sum(int(rows[0][0]) for rows in waiting)


def parked(suite: RunningSuite) -> list[str]:
    """What any service set aside, and why."""
    sql = "SELECT '{0}' AS service, subject, error, deliveries FROM {0}.parked"
    return [" ".join(map(str, row)) for name in Service for row in suite.look(sql.format(name))]


def is_in_order(suite: RunningSuite, crowd: Crowd) -> int:
    """Everything accepted happened once, is charged once, is there, and the books balance. Answers how much it was."""
    rows = suite.look(GENERATIONS, crowd.account_ids)
    for row in rows:
        _happened_once(row)
    _matches_the_answers(rows, crowd)
    unused = [str(row[0]) for row in suite.look(UNUSED)]
    for person in crowd.people:
        # Whoever gave up and ordered anew left a hold behind, if the gateway died just after it was placed.
        assert unused.count(person.account.account_id) <= (person.unanswered if person in crowd.sdk else 0)
    books = suite.books()
    assert books["is_balanced"], books["differences"]
    assert books["open_holds"] == len(unused)
    assert parked(suite) == []
    assert unsent(suite) == 0
    no_object_without_row(suite)
    return len(rows)


def no_object_without_row(suite: RunningSuite) -> None:
    """Outputs in the store and rows of assets are the same; a late result may take a moment to be dropped."""

    def is_same() -> bool:
        return output_objects(suite) == asset_keys(suite)

    until(is_same, "every object to have its row and every row its object", timeout_seconds=20)


def output_objects(suite: RunningSuite) -> list[str]:
    """All versions of all outputs."""
    return sorted(stored.name for stored in objects(suite, "outputs/") if not stored.is_marker)


def asset_keys(suite: RunningSuite) -> list[str]:
    """Where outputs lie, as jobs knows it."""
    return sorted(row["object_key"] for row in suite.look(ASSET_KEYS))


def _happened_once(row: asyncpg.Record) -> None:
    price = PATIENT_CREDITS if row["model"] == PATIENT["model"] else DRAWN_CREDITS
    wanted = {
        "state": "completed", "run": "completed", "videos": 1, "completions": 1, "hold": "posted", "posts": 1,
        "posted": price, "charged": price, "amount": price, "credits_charged": price,
    }  # fmt: skip
    found = {name: row[name] for name in wanted}
    assert found == wanted, row["generation_id"]
    assert row["expires_at"] is not None
    assert row["expires_at"] == row["due_at"]


def _matches_the_answers(rows: Collection[asyncpg.Record], crowd: Crowd) -> None:
    """One video for each answer; beyond those only what a client that gave up cannot know of."""
    for person in crowd.people:
        mine = {row["generation_id"] for row in rows if row["account_id"] == person.account.account_id}
        assert len(set(person.answered)) == len(person.answered)
        assert mine >= set(person.answered)
        beyond = len(mine) - len(person.answered)
        assert beyond <= (person.unanswered if person in crowd.sdk else 0)
