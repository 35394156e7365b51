"""Places as a running suite has them: asked of the stores, read from the files, heard in answers."""

import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
from prometheus_client.parser import text_string_to_metric_families

from lethe_common.catalogue import Kind
from lethe_common.database.roles import PLACES
from tests import plain
from tests.flows.outside import objects
from tests.places.findings import Finding
from tests.places.schemas import paths_in
from tests.suite import RunningSuite

_PARTITION = re.compile(r"_(\d{8}|rest)$")
_TABLES = """
    SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname <> 'alembic_version'
"""
_MESSAGE_HEADERS = re.compile(rb"NATS/1\.0\r\n((?:[!-9;-~]+: ?[^\r\n]*\r\n)+)\r\n")
# Every histogram has it, and every counter's and histogram's birthday.
_BUCKET_LABEL, _BIRTHDAY = "le", "_created"


async def json_keys(suite: RunningSuite) -> list[Finding]:
    """The keys of all JSON that lies in any column: jsonb, text or bytes. Named `schema.table.column: key`."""
    found: set[Finding] = set()
    async for schema, table, row in live_rows(suite):
        for column, value in row.items():
            place = f"{schema}.{table}.{column}"
            found |= {Finding(Kind.JSON_KEY, f"{place}: {key}", f"table {schema}.{table}") for key in _keys(value)}
    return sorted(found)


def bucket_prefixes(suite: RunningSuite) -> list[Finding]:
    """What object names begin with, in all versions."""
    bucket = suite.runtime.s3_bucket
    return [Finding(Kind.BUCKET_PREFIX, one.name.partition("/")[0], f"bucket {bucket}") for one in objects(suite)]


def jetstream(suite: RunningSuite) -> list[Finding]:
    """Streams, consumers, KV buckets and object stores of all accounts, as the server's monitor tells."""
    url = f"{suite.runtime.nats_monitor_url}/jsz?accounts=true&streams=true&consumers=true&config=true"
    told = httpx2.get(url, trust_env=False, timeout=10).json()
    return [
        finding
        for account in told["account_details"]
        for stream in account.get("stream_detail") or ()
        for finding in _of_stream(stream, f"NATS account {account['name']}")
    ]


def log_fields(suite: RunningSuite) -> list[Finding]:
    """The fields of every line that a service wrote."""
    found: set[Finding] = set()
    for service in suite.runtime.services:
        for file in (suite.data / "logs").glob(f"{service}-*.log*"):
            for line in file.read_text().splitlines():
                if line.startswith("{"):
                    found |= {Finding(Kind.LOG_FIELD, name, f"log of {service}") for name in json.loads(line)}
    return sorted(found)


def metrics(suite: RunningSuite) -> list[Finding]:
    """Names and labels at every service's /metrics."""
    found: set[Finding] = set()
    for service, port in suite.runtime.health_ports.items():
        page = plain.page(f"http://127.0.0.1:{port}/metrics")
        for family in text_string_to_metric_families(page):
            name, place = family.name.removesuffix(_BIRTHDAY), f"/metrics of {service}"
            found.add(Finding(Kind.METRIC, name, place))
            labels = {label for sample in family.samples for label in sample.labels} - {_BUCKET_LABEL}
            found |= {Finding(Kind.METRIC_LABEL, f"{name}.{label}", place) for label in labels}
    return sorted(found)


def message_headers(suite: RunningSuite) -> list[Finding]:
    """The headers of all messages in the broker's own files."""
    found: set[Finding] = set()
    for file in (suite.data / "nats").rglob("*.blk"):
        for block in _MESSAGE_HEADERS.findall(file.read_bytes()):
            names = {line.partition(b":")[0].decode() for line in block.splitlines()}
            found |= {Finding(Kind.HEADER, name, "a stream's files") for name in names}
    return sorted(found)


def answer_headers(answers: Iterable[httpx2.Response]) -> list[Finding]:
    """The headers of answers, each with the path it was seen at; ids in paths are left out."""
    return sorted({Finding(Kind.HEADER, name, _route(answer)) for answer in answers for name in answer.headers})


def cookies(answers: Iterable[httpx2.Response]) -> list[Finding]:
    """The names in Set-Cookie."""
    return sorted({
        Finding(Kind.COOKIE, line.partition("=")[0], _route(answer))
        for answer in answers
        for line in answer.headers.get_list("set-cookie")
    })  # fmt: skip


def temporary_files(suite: RunningSuite, before: set[Path], after: set[Path]) -> list[Finding]:
    """What lies in the suite's temporary folder, and what is new in the machine's."""
    ours = [
        Finding(Kind.TEMPORARY_FILE, entry.name, "tmp of the data folder") for entry in (suite.data / "tmp").iterdir()
    ]
    return ours + [Finding(Kind.TEMPORARY_FILE, entry.name, str(entry.parent)) for entry in after - before]


async def live_rows(suite: RunningSuite) -> AsyncIterator[tuple[str, str, Mapping[str, Any]]]:
    """Every row of every service's tables, with its schema and its table, partitions under their parent's name."""
    for place in PLACES:
        connection = await asyncpg.connect(suite.superuser_dsn(place.database))
        try:
            for (name,) in await connection.fetch(_TABLES, place.schema):
                for row in await connection.fetch(f'SELECT * FROM "{place.schema}"."{name}"'):
                    yield place.schema, _PARTITION.sub("", name), row
        finally:
            await connection.close()


def _keys(value: object) -> frozenset[str]:
    """The keys in a value that is JSON, whatever the column's type calls it."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    if not isinstance(text, str) or not text.startswith(("{", "[")):
        return frozenset()
    try:
        return paths_in(json.loads(text))
    except ValueError:
        return frozenset()


def _of_stream(stream: dict[str, Any], place: str) -> Iterator[Finding]:
    name: str = stream["name"]
    if name.startswith(("KV_", "OBJ_")):
        yield Finding(Kind.KEY_VALUE, name.partition("_")[2], place)
        return
    yield Finding(Kind.STREAM, name, place)
    for consumer in stream.get("consumer_detail") or ():
        yield Finding(Kind.CONSUMER, consumer["name"], f"{place}, stream {name}")


def _route(answer: httpx2.Response) -> str:
    path = re.sub(r"/[a-z]+_[0-9a-f]{32}", "/{id}", answer.request.url.path)
    return f"{answer.request.method} {path}"
