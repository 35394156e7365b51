"""Where planted strings rest in clear, place by place, so that each can be compared with what the place says it holds."""

import json
import re
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from lethe_common.catalogue import Holding, Kind
from tests import plain
from tests.flows.outside import objects
from tests.flows.scanner import Canaries
from tests.places.declared import columns, declarations
from tests.places.live import live_rows
from tests.suite import RunningSuite

Place = tuple[Kind, str]
Content = tuple[Place, str]
_MESSAGE = re.compile(rb"NATS/1\.0\r\n((?:[!-9;-~]+: ?[^\r\n]*\r\n)+)\r\n")


async def places_in_clear(
    suite: RunningSuite, canaries: Canaries, answers: Iterable[httpx2.Response], harmless: Iterable[str]
) -> dict[Place, set[str]]:
    """Each place in which something planted stands in clear, with what stands there."""
    found: dict[Place, set[str]] = {}
    contents = [
        *[each async for each in _columns(suite)],
        *_object_names(suite), *_logs(suite), *_metrics(suite), *_messages(suite), *_answers(answers),
        *(((Kind.TEMPORARY_FILE, "*"), entry.name) for entry in (suite.data / "tmp").iterdir()),
    ]  # fmt: skip
    for place, content in contents:
        if seen := canaries.in_bytes(content.encode(errors="surrogateescape")) - set(harmless):
            found.setdefault(place, set()).update(seen)
    return found


def misdeclared(in_clear: Mapping[Place, Collection[str]]) -> list[str]:
    """A sentence for each place that holds something planted and says that it is not personal, or says nothing."""
    return sorted(
        f"The {kind} {name!r} is not declared to be personal, yet holds: {', '.join(sorted(planted))}. "
        "Declare it with held('<category of policy.yaml>'), or keep that out of it."
        for (kind, name), planted in in_clear.items()
        if (holding := holding_of_place((kind, name))) is None or holding.category is None
    )


def holding_of_place(place: Place) -> Holding | None:
    """What a place says it holds."""
    kind, name = place
    if kind in {Kind.COLUMN, Kind.JSON_KEY}:
        column, _, key = name.partition(": ")
        holding = next((each.holding for each in columns() if each.place == column), None)
        return holding.keys.get(key) if key and holding is not None else holding
    declared = {each.name.lower(): each.holding for each in declarations() if each.kind is kind}
    return declared.get(name.lower())


async def _columns(suite: RunningSuite) -> AsyncIterator[Content]:
    async for schema, table, row in live_rows(suite):
        for column, value in row.items():
            place = f"{schema}.{table}.{column}"
            text = value.hex() if isinstance(value, bytes) else str(value)
            yield (Kind.COLUMN, place), text


def _object_names(suite: RunningSuite) -> Iterator[Content]:
    for one in objects(suite):
        yield (Kind.BUCKET_PREFIX, one.name.partition("/")[0]), one.name


def _logs(suite: RunningSuite) -> Iterator[Content]:
    for service in suite.runtime.services:
        files = (suite.data / "logs").glob(f"{service}-*.log*")
        for line in (line for file in files for line in file.read_text().splitlines()):
            if line.startswith("{"):
                for name, value in json.loads(line).items():
                    yield (Kind.LOG_FIELD, name), str(value)


def _metrics(suite: RunningSuite) -> Iterator[Content]:
    for port in suite.runtime.health_ports.values():
        page = plain.page(f"http://127.0.0.1:{port}/metrics")
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                for label, value in sample.labels.items():
                    yield (Kind.METRIC_LABEL, f"{family.name.removesuffix('_created')}.{label}"), value


def _messages(suite: RunningSuite) -> Iterator[Content]:
    for file in (suite.data / "nats").rglob("*.blk"):
        for block in _MESSAGE.findall(file.read_bytes()):
            for line in block.decode("latin-1").splitlines():
                name, _, value = line.partition(":")
                yield (Kind.HEADER, name), value


def _answers(answers: Iterable[httpx2.Response]) -> Iterator[Content]:
    for answer in answers:
        for name, value in answer.headers.multi_items():
            if name == "set-cookie":
                cookie, _, rest = value.partition("=")
                yield (Kind.COOKIE, cookie), rest
            else:
                yield (Kind.HEADER, name), value
