"""The table of what was measured, for the terminal and for docs/benchmarks.md."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median

_LEASE_GOAL_MS = 10.0
_RATE_GOAL = 1000.0
_DEFER_GOAL = 1.0
_RELAY_GOAL = 6.0
_EXPIRY_GOAL = 10.0
_ITEMS_GOAL = 0.6
_MEANWHILE_GOAL = 2.0
_ERASURE_GOAL_SECONDS, _ERASURE_GOAL = 2.0, 1.0
_SEALING_GOAL = 1.3


@dataclass(slots=True)
class Measured:
    """Every run's numbers, in the order of the runs."""

    lease_p50: list[float] = field(default_factory=list)
    lease_p99: list[float] = field(default_factory=list)
    finished: list[float] = field(default_factory=list)
    http_p50: list[float] = field(default_factory=list)
    http_p99: list[float] = field(default_factory=list)
    deferred: list[float] = field(default_factory=list)
    relay: list[float] = field(default_factory=list)
    singly: list[float] = field(default_factory=list)
    dropped: list[float] = field(default_factory=list)
    deleted: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    told_mib: list[float] = field(default_factory=list)
    removed: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    bare_asked: list[float] = field(default_factory=list)
    before_p50: list[float] = field(default_factory=list)
    before_p95: list[float] = field(default_factory=list)
    erased: list[float] = field(default_factory=list)
    set_based: list[float] = field(default_factory=list)
    sealed: list[float] = field(default_factory=list)
    clear: list[float] = field(default_factory=list)
    ungated: list[float] = field(default_factory=list)
    people: int = 0
    """Among how many somebody was erased."""
    rotated_subjects: int = 0
    rotated_seconds: list[float] = field(default_factory=list)
    rotated_mib: list[float] = field(default_factory=list)
    rotated_postgres_mib: list[float] = field(default_factory=list)
    rotated_waits: list[float] = field(default_factory=list)
    meanwhile_p50: list[float] = field(default_factory=list)
    meanwhile_p95: list[float] = field(default_factory=list)
    load_before: float = field(default_factory=lambda: os.getloadavg()[0])
    """The machine's load average before the first bench: what others were doing meanwhile."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table."""

    what: str
    ours: str
    theirs: str
    ratio: str
    goal: str
    is_met: bool | None

    def cells(self) -> tuple[str, ...]:
        """The line's words; a goal that is missed says so."""
        verdict = "" if self.is_met is None else "pass" if self.is_met else "SHORT"
        return self.what, self.ours, self.theirs, self.ratio, self.goal, verdict


_HEAD = ("what", "Lethe", "against", "ratio", "goal", "")


def lines(measured: Measured) -> list[Line]:
    """The table's lines, as far as they were measured."""
    made: list[Line] = []
    if measured.lease_p50:
        p50 = median(measured.lease_p50)
        made += [
            Line(
                "submit → lease committed, 20/s, p50",
                _span(measured.lease_p50, "ms", 1),
                "",
                "",
                "< 10 ms",
                p50 < _LEASE_GOAL_MS,
            ),
            Line("submit → lease committed, 20/s, p99", _span(measured.lease_p99, "ms", 1), "", "", "", None),
        ]
    if measured.finished:
        ours = median(measured.finished)
        made.append(
            Line(
                "accepted = finished submissions",
                _span(measured.finished, "/s"),
                "",
                "",
                "≥ 1,000/s",
                ours >= _RATE_GOAL,
            )
        )
        made.append(Line("their HTTP answers, p50", _span(measured.http_p50, "ms"), "", "", "", None))
        made.append(Line("their HTTP answers, p99", _span(measured.http_p99, "ms"), "", "", "", None))
    if measured.deferred:
        ratio = median(measured.finished) / median(measured.deferred)
        made.append(
            Line(
                "the same, against FastAPI + procrastinate defer alone", _span(measured.finished, "/s"),
                _span(measured.deferred, "/s"), f"{ratio:.2f}x", "≥ 1x", ratio >= _DEFER_GOAL,
            )
        )  # fmt: skip
    if measured.relay:
        ratio = median(measured.relay) / median(measured.singly)
        made.append(
            Line(
                "outbox → JetStream, marked, sync always; against single publishes", _span(measured.relay, "rows/s"),
                _span(measured.singly, "rows/s"), f"{ratio:.1f}x", "≥ 6x", ratio >= _RELAY_GOAL,
            )
        )  # fmt: skip
    return [*made, *_expiry_lines(measured)]


def _expiry_lines(measured: Measured) -> list[Line]:
    made: list[Line] = []
    if measured.dropped:
        ratio = median(measured.dropped) / median(measured.deleted)
        made.append(
            Line(
                "expiry of a log in day partitions; against DELETE by 5000", _span(measured.dropped, "rows/s"),
                _span(measured.deleted, "rows/s"), f"{ratio:.0f}x", "≥ 10x", ratio >= _EXPIRY_GOAL,
            )
        )  # fmt: skip
    if measured.told:
        what = f"due items told, at most {median(measured.told_mib):.0f} MiB more in memory"
        made.append(Line(what, _span(measured.told, "/s"), "", "", "", None))
    if measured.removed:
        ratio = median(measured.removed) / median(measured.bare_asked)
        made.append(
            Line(
                "items due → removed → verified; against a bare loop of DeleteObjects, both while the API is asked",
                _span(measured.removed, "/s"), _span(measured.bare_asked, "/s"), f"{ratio:.2f}x", "≥ 0.6x",
                ratio >= _ITEMS_GOAL,
            )
        )  # fmt: skip
        ratio = median(measured.removed) / median(measured.bare)
        what = "the same, against the loop while nobody asks"
        made.append(Line(what, _span(measured.removed, "/s"), _span(measured.bare, "/s"), f"{ratio:.2f}x", "", None))
        made.append(_meanwhile("p50", measured.meanwhile_p50, measured.before_p50))
        made.append(_meanwhile("p95", measured.meanwhile_p95, measured.before_p95))
    return [*made, *_erasure_lines(measured), *_rotation_lines(measured), *_sealing_lines(measured)]


def _erasure_lines(measured: Measured) -> list[Line]:
    if not measured.erased:
        return []
    seconds = median(measured.erased)
    ratio = median(measured.set_based) / seconds
    among = f"one person of {measured.people:,} erased, from the request to the certificate"
    ours, theirs = ([1e3 * one for one in those] for those in (measured.erased, measured.set_based))
    return [
        Line(among, _span(ours, "ms"), "", "", "< 2 s", seconds < _ERASURE_GOAL_SECONDS),
        Line(
            "the same, against a set-based DELETE per table with the same counts and looks", _span(ours, "ms"),
            _span(theirs, "ms"), f"{ratio:.2f}x", "≥ 1x", ratio >= _ERASURE_GOAL,
        ),
    ]  # fmt: skip


def _sealing_lines(measured: Measured) -> list[Line]:
    """How many times as long a submission takes: by pairs of runs side by side, as what others do changes both."""
    made = []
    for what, others, goal in (
        ("finished submissions, sealed and gated; against one key for all, in clear", measured.ungated, _SEALING_GOAL),
        ("the same, against keys of their own, in clear", measured.clear, None),
    ):
        if others:
            cost = median(other / one for one, other in zip(measured.sealed, others, strict=True))
            made.append(
                Line(
                    what, _span(measured.sealed, "/s"), _span(others, "/s"), f"{cost:.2f}x as long",
                    "" if goal is None else f"≤ {goal}x", None if goal is None else cost <= goal,
                )
            )  # fmt: skip
    return made


def _rotation_lines(measured: Measured) -> list[Line]:
    if not measured.rotated_seconds:
        return []
    keys = f"{measured.rotated_subjects:,} subjects with ten item keys each rotated"
    grown = f"the same, more in memory at the peak; PostgreSQL {median(measured.rotated_postgres_mib):.0f} MiB"
    slowest = "the same, the slowest key issued and leased meanwhile"
    return [
        Line(keys, _span(measured.rotated_seconds, "s"), "", "", "", None),
        Line(grown, _span(measured.rotated_mib, "MiB"), "", "", "", None),
        Line(slowest, _span(measured.rotated_waits, "ms"), "", "", "", None),
    ]


def _meanwhile(which: str, meanwhile: Sequence[float], before: Sequence[float]) -> Line:
    """Of runs side by side: what others do on the machine changes both."""
    ratio = median(one / other for one, other in zip(meanwhile, before, strict=True))
    return Line(
        f"the API's answers meanwhile, 20/s, {which}; against the same before", _span(meanwhile, "ms", 1),
        _span(before, "ms", 1), f"{ratio:.1f}x", "≤ 2x", ratio <= _MEANWHILE_GOAL,
    )  # fmt: skip


def conditions(measured: Measured, accounts: int) -> str:
    """What was switched on."""
    return (
        f"Switched on: sealing, key grants, retention, fsync of PostgreSQL and of NATS (sync_interval: always). "
        f"{accounts:,} accounts; no key is kept in anybody's memory between two requests. Everything, the load client "
        f"included, shares {os.cpu_count()} cores, "
        f"whose load average was {measured.load_before:.1f} before the start."
    )


def table(measured: Measured, accounts: int) -> str:
    """For the terminal: medians, with the lowest and the highest run in brackets."""
    rows = [_HEAD, *(line.cells() for line in lines(measured))]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    text = "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
    return f"{text}\n\nMedians [lowest, highest]. {conditions(measured, accounts)}\n"


def write(file: Path, measured: Measured, accounts: int, seconds: float) -> None:
    """Keep the results with the machine they are from. What is told by hand of other calls stays at the page's end."""
    _, mark, other_calls = file.read_text().partition(_OTHER_CALLS)
    rows = [_HEAD, ("---",) * len(_HEAD), *(line.cells() for line in lines(measured))]
    text = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    file.write_text(
        _PAGE.format(
            table=text,
            conditions=conditions(measured, accounts),
            machine=_machine(),
            runs=len(measured.finished),
            seconds=seconds,
            accounts=accounts,
        )
        + mark
        + other_calls
    )


def _span(values: Sequence[float], unit: str, digits: int = 0) -> str:
    low, high = (f"{value:,.{digits}f}" for value in (min(values), max(values)))
    return f"{median(values):,.{digits}f} {unit} [{low}, {high}]"


def _machine() -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    parts = " ".join(
        f"{name} {version(name)}," for name in ("nats-py", "asyncpg", "fastapi", "uvicorn", "procrastinate", "psycopg")
    )
    return f"{os.cpu_count()} cores of {model}, {memory_gib:.0f} GiB, Python {platform.python_version()}, {parts.rstrip(',')}"


_OTHER_CALLS = "\n## Other calls\n"
_PAGE = """# Benchmarks

Ours and theirs, side by side, in one run on one machine: `make bench`, which takes about twenty minutes and writes
this page. `make bench ARGS=--quick` takes one short run of each, to see that it works.

{table}

Medians of {runs} runs; the lowest and the highest run in brackets. A goal that is missed says SHORT and keeps its true
number. {conditions}

Measured on {machine}.

## How

**Accounts.** {accounts:,} accounts are opened as the gateway opens them: subject and keys from the privacy service, a
sealed address and password hash, an API key, and `AccountOpened` through the outbox to billing, jobs and retention. One
password is hashed for all of them (argon2id takes a sixth of a second by design). Then, and before
each run, PostgreSQL is told to `VACUUM ANALYZE` and `CHECKPOINT`, which it does a while later by itself, so that no
run pays for the one before it.

**Load.** A client in a process of its own on the same cores, with keep-alive connections. Each request is another
account's and has an Idempotency-Key of its own; its body is a JSON order of a 4-second clip with a prompt of 62
letters. So each one authenticates, holds credits, gets a fresh item key, seals its prompt and is written; its run is
queued, leased, its sealed prompt and key fetched, the no-op provider delivers one asset row without an object, the
hold is posted, and its deletion date is set and shown.

**Submit → lease.** Before the runs under load: twenty requests a second at random moments, for {seconds:.0f} s a run.
From the client's clock just before it writes the request to PostgreSQL's commit timestamp of the transaction that leased the run (`track_commit_timestamp`); both read this
machine's one clock. A p99 is about the sixth-worst of a run.

**Accepted = finished.** 256 connections, each sending its next request when the last was answered, for {seconds:.0f} s
a run. The rate is what was accepted, divided by the time from the first request until the last of them was finished:
every outbox empty, every generation completed, charged and scheduled, by the latest commit timestamp of those rows. A run counts only if holds, posted holds,
completed runs, assets, deadlines and content keys are exactly as many as generations, nothing was refused, and the
ledger's own check finds the books balanced; else the benchmark fails.

**Defer.** FastAPI with an in-memory key check and one `defer_async` of procrastinate for each request, on the same
PostgreSQL, under the same load, while Lethe's processes stand still (SIGSTOP). It accepts only: no hold, no outbox, no
sealed input, and its jobs are never run. It is quoted as a floor that is easy to know, not as a like for like.

**Relay.** Rows wait in an outbox; the relay as every service runs it takes them to JetStream in atomic batches of 500
and marks them, at `sync_interval: always`. Against it: the same rows with 64 acknowledged publishes in flight, marked
per 500. Servers of their own, no service running.

**Expiry of a log.** A million rows of an inbox, ten days of a hundred thousand, all over: the partitions are dropped as
every service drops them each hour. Against it: the same rows deleted in batches of 5000, a transaction each, which
leaves the space to be vacuumed later. Then a million items are told due; the memory is the process's peak beyond what
it took before.

**Rotation.** A key store is filled by hand: a class key and ten item keys for each subject, an item key of each subject after
one of every other, so that a subject's lie as scattered as a living store's; one subject in a hundred with a loss, whose keys
are all wrapped anew. It is rotated once, without a key backup, on PostgreSQL of its own, from the new epoch to the destroyed
old one, while one caller issues and leases keys. The memory is the process's peak beyond what it took before, and what
PostgreSQL's processes have of their own at the most, beyond what they had at the start, looked at five times a second.
`make bench ARGS="--only rotation --subjects 1000000 --runs 1"` is the form of a million with ten million item keys.

**Expiry of items.** Items with an object of 1 KiB each, of a hundred owners, written into the tables by hand; all of them
go, so that they lie together in the store, as the bare loop's do. Policy time is moved past their deadline, and the clock
runs until retention has closed the last: told, checked for legal holds, objects, rows and keys removed, reported, and looked
at in both databases and in the store with read-only credentials, in five processes. Against it: one loop that lists a fifth
as many objects of the same store, under keys of the same form, removes them a thousand a request, and looks at nothing, in a
process of its own. The bucket has no versions, as in `make run`. Forty accounts with nothing that is due list, retrieve and
submit in turn, twenty requests a second at random moments, for 15 s before and during all of the removal and of the loop;
another loop goes while nobody asks ([decision 126](decisions/0126-a-loop-and-a-removal-are-asked-alike.md)). Answers are timed
in the benchmark's process.

**Erasure.** People sign up, sign in and make ten videos each through the API, and are given an object of 1 KiB for each, since the
no-op provider stores none. Then one more person with one video, whose rows in every table that has any are copied a million
times with ids of the copies' own: 26 rows for each in 21 tables of gateway, jobs, billing, retention and the key store. PostgreSQL is told
to `VACUUM ANALYZE` and `CHECKPOINT`, and its own vacuuming and the machine's writing are waited for. Measured is `DELETE /v1/account` until its answer with the certificate, in the
client: fence, legal holds, the counts and removals of four services, keys, the verifier's look into three databases and the
store, signature, log. Against it, in turn: for another such person, one set-based DELETE per table with the same
counts before and after, a transaction for each database, the same removal of objects under the three prefixes where a person's may lie, and
the very same look of the verifier. It tells nobody, survives no crash, keeps no record and signs nothing; it is one process on connections that are
open already, the verifier's among them, where an erasure is five processes that tell one another what was committed. The first erasure of a run is
its slowest: no statement is prepared yet. An erasure works on both cores at once and the script on one, so that whatever else works costs the
erasure more. `make bench ARGS="--only erasure"`; `--people` says among how many.

**Sealing.** Two suites stand side by side, one as it is, one with `SEALING=off`; the one that is not measured stands still (SIGSTOP). The
load is that of accepted = finished, for 20 s a run, of 2,000 accounts, in turn: sealed; in clear; and in clear while in place
of the privacy service a process answers that gives everybody the same key at once, and asks no store, no policy and nobody's
choice. The last is what the whole of sealing and gating is measured against; that two questions travel for each submission remains
in it. The figure is how many times as long a submission takes, the median of the pairs. `make bench ARGS="--only sealing"`.
"""
