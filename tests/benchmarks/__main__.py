"""`make bench`: ours and theirs side by side, in one run on one machine.

`--quick` takes one short run of each, to see that it works; its numbers mean little.
"""

import argparse
import asyncio
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvloop

from lethe_common import logging
from tests.benchmarks import (
    baseline,
    erasing,
    expiring,
    giving,
    multiplying,
    relaying,
    removing,
    report,
    rotating,
    seeding,
    submitting,
)
from tests.benchmarks.living import Living
from tests.benchmarks.report import Measured
from tests.servers import running_servers, temporary_data_folder
from tests.suite import RunningSuite, running_suite

_ROOT = Path(__file__).parents[2]
_POLICY = _ROOT / "deploy" / "profiles" / "aisora2" / "policy.yaml"
BENCHES = ("relay", "expiry", "items", "erasure", "rotation", "sealing", "lease", "rate")
_SETTINGS = {"PROVIDERS_NOOP": "1", "LOG_LEVEL": "warning"}
_LEAST_OBJECTS = 2000
_LIVING = 40
"""Accounts that use the service while the items of others go."""
_SEALING_ACCOUNTS, _SEALING_SECONDS = 2_000, 20.0
_VACUUM_LOOK_SECONDS = 1
_VACUUMING = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'"
_began = time.monotonic()


class Plan(argparse.Namespace):
    """How long everything takes."""

    accounts: int = 10_000
    runs: int = 3
    seconds: float = 30.0
    warm_seconds: float = 3.0
    relay_rows: int = 40_000
    expired_rows: int = 1_000_000
    due_items: int = 1_000_000
    items: int = 50_000
    subjects: int = 50_000
    people: int = 1_000_000
    only: Sequence[str] = BENCHES
    quick: bool = False
    write: bool = True


def main() -> int:
    """Measure, print, write docs/benchmarks.md; 0 even where a goal is missed: the table says so."""
    plan = _plan()
    measured = Measured()
    logging.configure("benchmark", "warning")
    if "relay" in plan.only:
        uvloop.run(_relay(plan, measured))
    if "expiry" in plan.only:
        uvloop.run(_expiry(plan, measured))
    if "items" in plan.only:
        uvloop.run(_items(plan, measured))
    if "erasure" in plan.only:
        with _suite() as suite:
            uvloop.run(_erasure(plan, measured, suite))
    if "rotation" in plan.only:
        uvloop.run(_rotation(plan, measured))
    if "sealing" in plan.only:
        with _suite() as sealed, _suite(settings={"SEALING": "off"}) as clear:
            uvloop.run(_sealing(plan, measured, sealed, clear))
    if "lease" in plan.only or "rate" in plan.only:
        with _suite() as suite:
            uvloop.run(_whole_way(plan, measured, suite))
    sys.stdout.write("\n" + report.table(measured, plan.accounts))
    if not plan.quick and set(plan.only) == set(BENCHES):
        report.write(_ROOT / "docs" / "benchmarks.md", measured, plan.accounts, plan.seconds)
    return 0


async def _relay(plan: Plan, measured: Measured) -> None:
    with temporary_data_folder(is_on_disk=True) as data, running_servers(data) as servers:
        await relaying.prepare(servers)
        for run in range(plan.runs):
            singly = await relaying.published_singly(servers, plan.relay_rows // 4)
            relay = await relaying.relayed(servers, plan.relay_rows)
            measured.relay.append(relay)
            measured.singly.append(singly)
            say(f"relay {run + 1}/{plan.runs}: {relay:,.0f} rows/s, single publishes {singly:,.0f} rows/s")


async def _expiry(plan: Plan, measured: Measured) -> None:
    with temporary_data_folder(is_on_disk=True) as data, running_servers(data) as servers:
        await expiring.prepare(servers)
        for run in range(plan.runs):
            deleted = await expiring.deleted(servers, plan.expired_rows)
            dropped = await expiring.dropped(servers, plan.expired_rows)
            measured.deleted.append(deleted)
            measured.dropped.append(dropped)
            say(f"expiry {run + 1}/{plan.runs}: dropped {dropped:,.0f} rows/s, deleted {deleted:,.0f} rows/s")
        told, grown_mib = await expiring.told(servers, plan.due_items)
        measured.told.append(told)
        measured.told_mib.append(grown_mib)
        say(f"{plan.due_items:,} due items told: {told:,.0f}/s, {grown_mib:.0f} MiB more at the peak")


async def _items(plan: Plan, measured: Measured) -> None:
    # A loop of requests of a thousand is as quick with fewer of them, and they need not be written.
    objects = max(plan.items // 5, _LEAST_OBJECTS)
    with _suite(is_virtual=True) as suite, removing.another_process() as process:
        keys = await seeding.open_accounts(suite, _LIVING, say)
        for run in range(plan.runs):
            living = await Living.begin(suite.url, keys)
            alone = await removing.bare(suite, objects, process)
            asked = await removing.bare_asked(suite, objects, process, living)
            written = await removing.write(suite, plan.items)
            before = await removing.answers_at_rest(living)
            ours = await removing.removed(suite, written, living)
            measured.bare.append(alone)
            measured.bare_asked.append(asked.per_second)
            measured.removed.append(ours.per_second)
            measured.before_p50.append(before.p50_ms)
            measured.before_p95.append(before.p95_ms)
            measured.meanwhile_p50.append(ours.meanwhile.p50_ms)
            measured.meanwhile_p95.append(ours.meanwhile.p95_ms)
            say(
                f"items {run + 1}/{plan.runs}: removed and verified {ours.per_second:,.0f}/s, "
                f"bare loop {asked.per_second:,.0f}/s, and {alone:,.0f}/s while nobody asks; "
                f"the API's p50 {before.p50_ms:.1f} ms, {ours.meanwhile.p50_ms:.1f} ms meanwhile "
                f"and {asked.meanwhile.p50_ms:.1f} ms during the loop, "
                f"p95 {before.p95_ms:.1f}, {ours.meanwhile.p95_ms:.1f} and {asked.meanwhile.p95_ms:.1f} ms"
            )


async def _erasure(plan: Plan, measured: Measured, suite: RunningSuite) -> None:
    original = await erasing.original(suite)
    people = await erasing.people(suite, 2 * plan.runs)
    each = await multiplying.multiply(suite, original, plan.people, say)
    measured.people = plan.people
    say(f"{plan.people:,} people with {each} rows each")
    await _settle(suite)
    while (await suite.fetch(_VACUUMING))[0][0]:
        await asyncio.sleep(_VACUUM_LOOK_SECONDS)
    await asyncio.to_thread(os.sync)
    say("settled")
    for run in range(plan.runs):
        ours = await erasing.erased(people[2 * run])
        theirs = await erasing.set_based(suite, people[2 * run + 1])
        measured.erased.append(ours.seconds)
        measured.set_based.append(theirs.seconds)
        say(
            f"erasure {run + 1}/{plan.runs}: {ours.records} rows and objects in {ours.seconds:.3f} s, "
            f"set-based DELETE of {theirs.records} in {theirs.seconds:.3f} s"
        )


async def _rotation(plan: Plan, measured: Measured) -> None:
    with temporary_data_folder(is_on_disk=True) as data, running_servers(data) as servers:
        for run in range(plan.runs):
            one = await rotating.rotated(servers, data.with_name(f"keyring-{run}"), plan.subjects, say)
            measured.rotated_subjects = plan.subjects
            measured.rotated_seconds.append(one.seconds)
            measured.rotated_mib.append(one.grown_mib)
            measured.rotated_postgres_mib.append(one.postgres_mib)
            measured.rotated_waits.append(one.longest_ms)
            say(
                f"rotation {run + 1}/{plan.runs}: {plan.subjects:,} subjects with {rotating.ITEMS_EACH} item keys each "
                f"in {one.seconds:.1f} s, {one.grown_mib:.0f} MiB more at the peak and {one.postgres_mib:.0f} MiB in "
                f"PostgreSQL; of {len(one.waits_ms)} keys issued and leased meanwhile the slowest took {one.longest_ms:.0f} ms"
            )


async def _sealing(plan: Plan, measured: Measured, sealed: RunningSuite, clear: RunningSuite) -> None:
    """The same load, in turn: as it is; with everything in clear; and with keys that nobody makes, keeps or refuses."""
    seconds = min(plan.seconds, _SEALING_SECONDS)
    for suite in (sealed, clear):
        await _note_commit_times(suite)
    keys = {suite.url: await seeding.open_accounts(suite, _SEALING_ACCOUNTS, say) for suite in (sealed, clear)}

    async def rate(suite: RunningSuite, other: RunningSuite, *, how_long: float = seconds) -> float:
        with baseline.standing_still(other):
            await _settle(suite)
            # After runs without keys there are fewer of them than generations.
            one = await submitting.finished(suite, keys[suite.url], how_long, has_keys=suite is sealed)
            return one.per_second

    for suite, other in ((sealed, clear), (clear, sealed)):
        await rate(suite, other, how_long=plan.warm_seconds)
    for run in range(plan.runs):
        measured.sealed.append(await rate(sealed, clear))
        measured.clear.append(await rate(clear, sealed))
        with giving.giving(clear):
            measured.ungated.append(await rate(clear, sealed))
        say(
            f"sealing {run + 1}/{plan.runs}: {measured.sealed[-1]:,.0f} finished/s, in clear {measured.clear[-1]:,.0f}/s, "
            f"and with one key for all {measured.ungated[-1]:,.0f}/s"
        )


async def _whole_way(plan: Plan, measured: Measured, suite: RunningSuite) -> None:
    say("suite is up")
    await _note_commit_times(suite)
    keys = await seeding.open_accounts(suite, plan.accounts, say)
    await _settle(suite)
    digests = await baseline.prepare(suite, keys)
    say("accounts are known everywhere")
    # Interpreters, connections and plans are warm after this; the keys of these accounts are not used again.
    await submitting.finished(suite, keys[len(keys) // 2 :], plan.warm_seconds)
    for run in range(plan.runs if "lease" in plan.only else 0):
        await _settle(suite)
        wait = await submitting.lease_wait(suite, keys, plan.seconds)
        measured.lease_p50.append(wait.p50_ms)
        measured.lease_p99.append(wait.p99_ms)
        say(f"lease {run + 1}/{plan.runs}: p50 {wait.p50_ms:.1f} ms, p99 {wait.p99_ms:.1f} ms of {wait.count}")
    for run in range(plan.runs if "rate" in plan.only else 0):
        await _settle(suite)
        await _rates(plan, measured, suite, keys, digests, run)


async def _rates(plan: Plan, measured: Measured, suite: RunningSuite, keys: list[str], digests: Path, run: int) -> None:
    ours = await submitting.finished(suite, keys, plan.seconds)
    measured.finished.append(ours.per_second)
    measured.http_p50.append(ours.p50_ms)
    measured.http_p99.append(ours.p99_ms)
    say(
        f"whole way {run + 1}/{plan.runs}: {ours.per_second:,.0f} finished/s of {ours.accepted_per_second:,.0f} "
        f"accepted/s, p50 {ours.p50_ms:.0f} ms, p99 {ours.p99_ms:.0f} ms, {ours.count} conserved"
    )
    with baseline.standing_still(suite), baseline.serving(suite, digests) as port:
        submitting.accepted(port, keys, plan.warm_seconds)
        theirs = submitting.accepted(port, keys, plan.seconds)
    measured.deferred.append(theirs.per_second)
    say(f"defer {run + 1}/{plan.runs}: {theirs.per_second:,.0f} accepted/s, p50 {theirs.p50_ms:.0f} ms")


async def _note_commit_times(suite: RunningSuite) -> None:
    """PostgreSQL notes when each transaction was committed; it has to be started again for that."""
    await suite.fetch("ALTER SYSTEM SET track_commit_timestamp = on")
    suite.stop("postgres")
    suite.start("postgres")
    for service in suite.runtime.services:
        suite.wait_for(service)


async def _settle(suite: RunningSuite) -> None:
    """What PostgreSQL does a minute later by itself: plans made for empty tables are made again, pages are on disk."""
    for database in ("lethe", "lethe_keys", "lethe_facts"):
        await suite.fetch("VACUUM ANALYZE", database=database)
    await suite.fetch("CHECKPOINT")


@contextmanager
def _suite(*, is_virtual: bool = False, settings: Mapping[str, str] | None = None) -> Iterator[RunningSuite]:
    with temporary_data_folder(is_on_disk=True) as data:
        profile = data.with_name("profile")
        profile.mkdir()
        shutil.copy(_POLICY, profile)
        shutil.copy(Path(__file__).with_name("profile") / "catalogue.yaml", profile)
        chosen = {**_SETTINGS, **(settings or {})}
        with running_suite(data, "--profile", str(profile), settings=chosen, is_virtual=is_virtual) as suite:
            yield suite


def _plan() -> Plan:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short run of each")
    parser.add_argument("--only", nargs="+", choices=BENCHES, default=BENCHES, help="these benches alone")
    parser.add_argument("--accounts", type=int, help="how many accounts; 10,000 unless told")
    parser.add_argument(
        "--subjects", type=int, help="how many subjects are rotated; 50,000 unless told, 1000000 is the goal's"
    )
    parser.add_argument("--people", type=int, help="among how many one is erased; a million unless told")
    parser.add_argument("--runs", type=int, help="how many runs of each")
    plan = parser.parse_args(namespace=Plan())
    if plan.quick:
        plan.runs, plan.seconds, plan.warm_seconds, plan.relay_rows = 1, 4.0, 1.0, 20_000
    if plan.quick:
        plan.expired_rows, plan.due_items, plan.items = 100_000, 20_000, 2_000
    plan.people = plan.people or (2_000 if plan.quick else 1_000_000)
    plan.subjects = plan.subjects or (2_000 if plan.quick else 50_000)
    plan.runs, plan.accounts = plan.runs or 3, plan.accounts or 10_000
    return plan


def say(text: str) -> None:
    """Progress, with the seconds since the start."""
    sys.stdout.write(f"{time.monotonic() - _began:6.1f} s  {text}\n")
    sys.stdout.flush()


Say = Callable[[str], None]

if __name__ == "__main__":
    sys.exit(main())
