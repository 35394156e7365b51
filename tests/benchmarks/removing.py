"""How quickly items with objects go, from their deadline until retention has seen that nothing is left.

The whole suite runs as it is: retention tells what is due, jobs removes objects, rows
and keys and reports, retention looks with its own credentials. Against it: a bare loop
that lists and deletes objects of the same store, a thousand a request, and looks at
nothing. Items are written into the tables by hand; what they cost to make is another
benchmark's. During both a few living accounts go on asking the API.
"""

import asyncio
import os
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import asyncpg
from minio import Minio
from minio.deleteobjects import DeleteObject

from lethe_common.clock import monotonic_seconds
from lethe_common.database.roles import KEYS_DATABASE
from lethe_common.identifiers import AssetId, GenerationId, RunId, SealKeyId, SubjectRef
from lethe_common.policy import load_profile
from lethe_common.storage import Storage, nested_prefix, new_object_prefix, new_subject_random
from lethe_jobs.models import OUTPUT_PREFIX
from tests.benchmarks.living import Answers, Living
from tests.benchmarks.seeding import PLAN
from tests.suite import RunningSuite

_SUBJECTS = 100
_OBJECT = b"\0" * 1024
_WRITERS = 16
_PAGE = 1000
_GIVE_UP_SECONDS = 1800.0
_LOOK_SECONDS = 0.25
_QUIET_SECONDS = 15.0
_WAIT = timedelta(days=2)

_RUNS = """
    INSERT INTO jobs.runs (generation_id, run_id, subject_ref, hold_id, model, provider, width_px, height_px, seconds,
                           state, priority, object_prefix)
    SELECT g, r, s, 'hold', 'noop', 'noop', 64, 36, 4, 'completed', 0, p
      FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS t(g, r, s, p)
"""
_ASSETS = """
    INSERT INTO jobs.assets (generation_id, variant, asset_id, subject_ref, object_key, media_type, size_bytes,
                             sealed_size_bytes, sha256, key_id, width_px, height_px, frames, duration_seconds)
    SELECT g, 'video', a, s, k, 'video/mp4', 1024, 1024, repeat('0', 64), 'seal', 64, 36, 96, 4
      FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS t(g, a, s, k)
"""
_SUBJECT_ROWS = """
    INSERT INTO jobs.subjects (subject_ref, object_random, plan)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
"""
_DEADLINES = """
    INSERT INTO retention.deadlines (item_id, subject_ref, category, started_at, due_at, stored_bytes, policy_version)
    SELECT g, s, 'output.video', $3::timestamptz - interval '6 days', $3::timestamptz + interval '1 day', 1024, $4
      FROM unnest($1::text[], $2::text[]) AS t(g, s)
"""
_KEYS = """
    INSERT INTO keys.item_keys (item_id, subject_ref, key_class, key_id, wrapped, created_at)
    SELECT g, s, 'content', k, decode(repeat('00', 60), 'hex'), now() FROM unnest($1::text[], $2::text[], $3::text[]) AS t(g, s, k)
"""
_LEFT = """
    SELECT EXISTS (SELECT 1 FROM retention.deadlines
                    WHERE state IN ('due', 'removed') OR state = 'open' AND due_at <= $1)
"""
_TRACES = """
    SELECT (SELECT count(*) FROM jobs.runs WHERE subject_ref = ANY($1::text[]))
         + (SELECT count(*) FROM jobs.assets WHERE subject_ref = ANY($1::text[]))
"""


@dataclass(frozen=True, slots=True)
class Removed:
    """How many go a second, and how long the API's answers took meanwhile."""

    per_second: float
    meanwhile: Answers


@dataclass(frozen=True, slots=True)
class Written:
    """Items, their owners, and when all of them are due."""

    items: int
    refs: list[SubjectRef]
    due: datetime


async def answers_at_rest(living: Living) -> Answers:
    """How long they take while nothing else happens."""
    return await living.answers(asyncio.ensure_future(asyncio.sleep(_QUIET_SECONDS)))


async def removed(suite: RunningSuite, written: Written, living: Living) -> Removed:
    """Let these items fall due all at once: from then until all are seen to be gone."""
    removal = asyncio.create_task(_remove(suite, written.due))
    meanwhile = await living.answers(removal)
    assert (await suite.fetch(_TRACES, written.refs))[0][0] == 0
    return Removed(written.items / await removal, meanwhile)


async def _remove(suite: RunningSuite, due: datetime) -> float:
    """Seconds that it takes."""
    began = monotonic_seconds()
    await asyncio.to_thread(suite.advance, f"P{_WAIT.days}D")
    while (await suite.fetch(_LEFT, due))[0][0]:
        assert monotonic_seconds() < began + _GIVE_UP_SECONDS, "items are left"
        await asyncio.sleep(_LOOK_SECONDS)
    return monotonic_seconds() - began


@contextmanager
def another_process() -> Iterator[Executor]:
    """For the bare loop, which would else share one interpreter with those who ask."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        process.submit(os.getpid).result()
        yield process


async def bare(suite: RunningSuite, objects: int, process: Executor) -> float:
    """Objects a second that a loop of listing and DeleteObjects removes, looking at nothing, while nobody asks."""
    return objects / await (await _loop(suite, objects, process))


async def bare_asked(suite: RunningSuite, objects: int, process: Executor, living: Living) -> Removed:
    """The same while the API is asked as it is during a removal of items."""
    loop = await _loop(suite, objects, process)
    meanwhile = await living.answers(loop)
    return Removed(objects / await loop, meanwhile)


async def _loop(suite: RunningSuite, objects: int, process: Executor) -> "asyncio.Future[float]":
    """Write the objects and start the loop; how many seconds it takes is still to come."""
    category, randoms = f"bare-{secrets.token_hex(16)}", [new_subject_random() for _ in range(_SUBJECTS)]
    await _put(suite, [_object(new_object_prefix(category, randoms[one % _SUBJECTS])) for one in range(objects)])
    key = suite.s3_key("admin")
    place = (suite.s3_endpoint, key.access_key, key.secret_key, suite.runtime.s3_bucket, f"{category}/")
    return asyncio.get_running_loop().run_in_executor(process, _delete_all, *place, objects)


def _delete_all(endpoint: str, access_key: str, secret_key: str, bucket: str, prefix: str, objects: int) -> float:
    """Seconds that it takes."""
    client = Minio(endpoint, access_key, secret_key, secure=False, region="us-east-1")
    gone, began = 0, time.monotonic()
    names = [found.object_name or "" for found in client.list_objects(bucket, prefix, recursive=True)]
    for start in range(0, len(names), _PAGE):
        page = [DeleteObject(name) for name in names[start : start + _PAGE]]
        gone += len(page) - len(list(client.remove_objects(bucket, page)))
    assert gone == objects
    return time.monotonic() - began


async def write(suite: RunningSuite, items: int) -> Written:
    """Runs, assets, objects, keys and deadlines of items that are due tomorrow."""
    refs = [SubjectRef.new() for _ in range(_SUBJECTS)]
    randoms = {ref: new_subject_random() for ref in refs}
    owners = [refs[number % _SUBJECTS] for number in range(items)]
    ids = [GenerationId.new() for _ in range(items)]
    prefixes = [new_object_prefix(OUTPUT_PREFIX, randoms[ref]) for ref in owners]
    objects = [_object(prefix) for prefix in prefixes]
    await _put(suite, objects)
    now = (await suite.fetch("SELECT to_timestamp($1)", suite.policy_unix()))[0][0]
    data, keys = await asyncpg.connect(suite.superuser_dsn()), await asyncpg.connect(suite.superuser_dsn(KEYS_DATABASE))
    try:
        await data.execute(_SUBJECT_ROWS, refs, [randoms[ref] for ref in refs], [PLAN] * _SUBJECTS)
        await data.execute(_RUNS, ids, [RunId.new() for _ in ids], owners, prefixes)
        await data.execute(_ASSETS, ids, [AssetId.new() for _ in ids], owners, objects)
        await keys.execute("SET session_replication_role = replica")
        await keys.execute(_KEYS, ids, owners, [SealKeyId.new() for _ in ids])
        await data.execute(
            _DEADLINES, ids, owners, now, load_profile(Path(suite.runtime.profile)).book.governing(now).version
        )
        await data.execute("ANALYZE")
    finally:
        await data.close()
        await keys.close()
    return Written(items, refs, now + _WAIT)


def _object(prefix: str) -> str:
    """A key as jobs makes them."""
    return f"{nested_prefix(prefix)}video"


async def _put(suite: RunningSuite, names: list[str]) -> None:
    key = suite.s3_key("admin")
    storage = Storage(suite.s3_endpoint, key.access_key, key.secret_key, suite.runtime.s3_bucket)
    waiting = iter(names)

    async def write() -> None:
        for name in waiting:
            await storage.put_bytes(name, _OBJECT)

    await asyncio.gather(*(write() for _ in range(_WRITERS)))
    await storage.close()
