"""Two benches of the whole way, through all five services: the wait for a lease, and finished submissions a second."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from tests.benchmarks.load import Order, Result, drive
from tests.suite import RunningSuite

_LOOK_SECONDS = 0.1
_FINISH_SECONDS = 120.0
_LOW_RATE_PER_SECOND = 20.0
CONNECTIONS = 256

# attempts is append only, so xmin of a row is the transaction that claimed the run.
_LEASED_AT = """
    SELECT generation_id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8
      FROM jobs.attempts
     WHERE to_state = 'leased' AND generation_id = ANY($1::text[])
"""
_UNFINISHED = """
    SELECT (SELECT count(*) FROM gateway.outbox WHERE stream_seq IS NULL)
         + (SELECT count(*) FROM jobs.outbox WHERE stream_seq IS NULL)
         + (SELECT count(*) FROM billing.outbox WHERE stream_seq IS NULL)
         + (SELECT count(*) FROM retention.outbox WHERE stream_seq IS NULL)
         + (SELECT count(*) FROM gateway.generations
             WHERE state <> 'completed' OR credits_charged IS NULL OR expires_at IS NULL)
"""
# When the last row was written that made it so; the outbox rows are marked after they were published.
_FINISHED_AT = """
    SELECT extract(epoch FROM greatest(
               (SELECT max(pg_xact_commit_timestamp(xmin)) FROM gateway.generations),
               (SELECT max(pg_xact_commit_timestamp(xmin)) FROM gateway.outbox),
               (SELECT max(pg_xact_commit_timestamp(xmin)) FROM jobs.outbox),
               (SELECT max(pg_xact_commit_timestamp(xmin)) FROM billing.outbox),
               (SELECT max(pg_xact_commit_timestamp(xmin)) FROM retention.outbox)))::float8
"""
_COUNTS = """
    SELECT (SELECT count(*) FROM gateway.generations) AS generations,
           (SELECT count(*) FROM gateway.generations WHERE state = 'completed') AS completed,
           (SELECT count(*) FROM billing.holds) AS holds,
           (SELECT count(*) FROM billing.holds WHERE state = 'posted') AS posted,
           (SELECT count(*) FROM jobs.runs WHERE state = 'completed') AS runs,
           (SELECT count(*) FROM jobs.assets) AS assets,
           (SELECT count(*) FROM retention.deadlines) AS deadlines
"""
_KEYS = "SELECT count(*) FROM keys.item_keys WHERE key_class = 'content'"


class NotConserved(Exception):
    """What was accepted and what came of it differ; a rate of such a run means nothing."""


@dataclass(frozen=True, slots=True)
class LeaseWait:
    """Milliseconds from the client's send to the commit of the run's lease."""

    p50_ms: float
    p99_ms: float
    count: int


@dataclass(frozen=True, slots=True)
class Finished:
    """One run of the load: accepted, and all of it finished, per second until the last was finished."""

    per_second: float
    accepted_per_second: float
    p50_ms: float
    p99_ms: float
    count: int


async def lease_wait(suite: RunningSuite, keys: Sequence[str], seconds: float) -> LeaseWait:
    """Submit at 20 a second and look up, in PostgreSQL's commit timestamps, when each run's lease was committed.

    Both times are of this machine's one clock.
    """
    order = Order(
        port=_port(suite), keys=list(keys), connections=16, seconds=seconds, rate_per_second=_LOW_RATE_PER_SECOND
    )
    result = await asyncio.to_thread(drive, order)
    _all_accepted(result)
    await _all_finished(suite)
    sent_at = {one.id: one.sent_at for one in result.sent}
    rows = await suite.fetch(_LEASED_AT, list(sent_at))
    if len(rows) != len(sent_at):
        raise NotConserved(f"{len(sent_at)} were accepted and {len(rows)} leases were committed")
    waits = [(row[1] - sent_at[row[0]]) * 1e3 for row in rows]
    return LeaseWait(median(waits), _p99(waits), len(waits))


async def finished(suite: RunningSuite, keys: Sequence[str], seconds: float, *, has_keys: bool = True) -> Finished:
    """Submit from 256 connections, wait until everything is finished, and count; `has_keys`: each has one in the key store.

    Raises:
        NotConserved: something was lost, doubled or left over.
    """
    order = Order(port=_port(suite), keys=list(keys), connections=CONNECTIONS, seconds=seconds)
    result = await asyncio.to_thread(drive, order)
    await _all_finished(suite)
    ended_at = (await suite.fetch(_FINISHED_AT))[0][0]
    _all_accepted(result)
    await check_conserved(suite, has_keys=has_keys)
    waits = result.latencies_ms()
    return Finished(len(waits) / (ended_at - result.began_at), result.rate(), median(waits), _p99(waits), len(waits))


def accepted(port: int, keys: Sequence[str], seconds: float) -> Finished:
    """The same load on an application that only accepts."""
    result = drive(Order(port=port, keys=list(keys), connections=CONNECTIONS, seconds=seconds))
    _all_accepted(result)
    waits = result.latencies_ms()
    return Finished(result.rate(), result.rate(), median(waits), _p99(waits), len(waits))


async def check_conserved(suite: RunningSuite, *, has_keys: bool = True) -> None:
    """Holds, posts, completed runs, deadlines and content keys are as many as generations, and the books balance.

    Raises:
        NotConserved: they are not.
    """
    counts = dict((await suite.fetch(_COUNTS))[0])
    if has_keys:
        counts["content keys"] = (await suite.fetch(_KEYS, database="lethe_keys"))[0][0]
    if len(set(counts.values())) != 1:
        raise NotConserved(", ".join(f"{name} {count}" for name, count in counts.items()))
    books = await asyncio.to_thread(suite.books)
    if not books["is_balanced"] or books["open_holds"]:
        raise NotConserved(f"the books do not balance: {books}")


async def _all_finished(suite: RunningSuite) -> None:
    """Wait until no outbox row waits and every generation is completed, charged and scheduled."""
    give_up_at = time.time() + _FINISH_SECONDS
    while (left := (await suite.fetch(_UNFINISHED))[0][0]) > 0:
        if time.time() > give_up_at:
            raise NotConserved(f"{left} rows were unfinished after {_FINISH_SECONDS:.0f} s")
        await asyncio.sleep(_LOOK_SECONDS)


def _all_accepted(result: Result) -> None:
    if result.refused or not result.sent:
        raise NotConserved(f"{result.refused} requests were refused, {len(result.sent)} accepted")


def _port(suite: RunningSuite) -> int:
    return int(suite.url.rpartition(":")[2])


def _p99(values: Sequence[float]) -> float:
    return quantiles(values, n=100)[98]


Say = Callable[[str], None]
