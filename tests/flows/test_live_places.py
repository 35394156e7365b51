"""The places of a suite that was used in every way are the declared ones: stores, bus, logs, metrics, answers, files."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from lethe_common.bus.permissions import durables
from lethe_common.catalogue import Kind
from lethe_common.events.catalogue import STREAMS, heard_by
from lethe_common.services import Service
from lethe_gateway.browser import (
    EXTERNAL_COOKIE,
    GUEST_COOKIE,
    SECURE_EXTERNAL_COOKIE,
    SECURE_GUEST_COOKIE,
    SECURE_SESSION_COOKIE,
)
from tests.flows.persona import Persona, mail_sink
from tests.flows.scanner import Canaries, machine_folders
from tests.flows.steps import created, made, picture
from tests.places import live, visit
from tests.places.declared import columns, declarations, names
from tests.places.findings import Finding, undeclared, unused
from tests.suite import RunningSuite, answered, fresh_suite, until

pytestmark = [
    pytest.mark.timeout(300),
    # The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
]

# The machine's folders are everybody's: only what bears a name of ours or of our servers is looked at there. All else
# that a suite makes goes by TMPDIR into its own folder, of which every entry is.
OURS = ("lethe-", "seaweedfs", "PostgreSQL", "nats", "minio")
OF_THE_TESTS = ("lethe-test-", "lethe-faults-", "lethe-store-")
# Written only when something went wrong that this test does not bring about.
RARELY_WRITTEN = {"privacy.erasures.residue", "privacy.access_checkpoints.document", "privacy.acts.document"}


@dataclass(frozen=True, slots=True)
class Used:
    """A suite after everything was done in it, and what it answered."""

    suite: RunningSuite
    answers: list[httpx2.Response]
    before: set[Path]
    prefixes: list[Finding]
    """Seen while an upload still waited for its run."""


@pytest.fixture(scope="module")
def used() -> Iterator[Used]:
    before = machine_folders()
    with mail_sink() as (sink, address), fresh_suite(settings={"SMTP_URL": address}) as suite:
        Persona(suite, Canaries(), sink).live()
        answers = visit.look_at_pages(suite)
        account = suite.open_account()
        with account.openai() as client, account.http() as http, visit.recorded(http) as told:
            created(client, "a long look at a picture", seconds="12", input_reference=("a.png", picture(), "image/png"))
            prefixes = live.bucket_prefixes(suite)
            video = made(client, "a lantern on the river")
            answers += visit.watch_a_video(account, video.id)
            answers += visit.sign_in_and_out(suite, account)
            _take_a_copy(http)
            prefixes += live.bucket_prefixes(suite)
            claim = answered(http.delete("/v1/account"))["claim"]
        answers += told
        until(lambda: _certificate(suite, claim), "the certificate", timeout_seconds=60)
        # The first certificate of a log needs no proof of its place; a second one has one.
        with suite.open_account().http() as http:
            claim = answered(http.delete("/v1/account"))["claim"]
        until(lambda: _certificate(suite, claim), "a second certificate", timeout_seconds=60)
        visit.park_a_message(suite)
        suite.advance("P4D")
        until(lambda: _certificate(suite, claim, "final_certificate"), "the final certificate", timeout_seconds=60)
        yield Used(suite, answers, before, prefixes)


def test_json_in_columns_has_the_declared_keys_and_no_others(used: Used) -> None:
    found = asyncio.run(live.json_keys(used.suite))
    declared = {
        f"{column.place}: {key}" for column in columns() if column.holding is not None for key in column.holding.keys
    }
    seen = {finding.name.partition(":")[0] for finding in found}

    none(undeclared([one for one in found if one.name not in declared], declarations()))
    keyed = {column.place for column in columns() if column.holding is not None and column.holding.keys}
    rows = {one for one in keyed - seen - RARELY_WRITTEN if not one.rpartition(".")[0].endswith(("parked", "outbox"))}
    assert rows == set(), "nothing was ever written there: the test no longer does all there is to do"
    assert {one for one in seen if one.endswith("parked.headers")}
    certificates = {one.name for one in found if one.name.startswith("privacy.certificates.document: ")}
    assert certificates == {one for one in declared if one.startswith("privacy.certificates.document: ")}


def test_the_bucket_has_the_declared_prefixes(used: Used) -> None:
    found = [*used.prefixes, *live.bucket_prefixes(used.suite)]

    none([*undeclared(found, declarations()), *unused(Kind.BUCKET_PREFIX, found, declarations())])


def test_the_broker_has_the_declared_streams_and_consumers_and_no_buckets(used: Used) -> None:
    found = live.jetstream(used.suite)

    none(undeclared(found, declarations()))
    none([message for kind in (Kind.STREAM, Kind.CONSUMER) for message in unused(kind, found, declarations())])
    assert {one.name for one in found if one.kind is Kind.STREAM} == set(STREAMS)
    expected = {
        (name, f"stream {stream}") for service in Service for stream in heard_by(service) for name in durables(service)
    }
    assert {(one.name, one.place.partition(", ")[2]) for one in found if one.kind is Kind.CONSUMER} == expected


def test_log_lines_have_the_declared_fields_and_nothing_was_redacted(used: Used) -> None:
    found = live.log_fields(used.suite)

    none(undeclared(found, declarations()))
    frame = {each.name for each in declarations() if each.variable == "FRAME_FIELDS"}
    assert frame <= {one.name for one in found}
    written = [file.read_text() for file in (used.suite.data / "logs").glob("*.log")]
    assert not [text for text in written if "[redacted]" in text]


def test_metrics_are_the_declared_ones_with_the_declared_labels(used: Used) -> None:
    found = live.metrics(used.suite)

    none([*undeclared(found, declarations()), *unused(Kind.METRIC, found, declarations())])


def test_messages_carry_the_declared_headers(used: Used) -> None:
    found = live.message_headers(used.suite)

    assert {"ce-id", "Nats-Msg-Id", "Nats-Batch-Id"} <= {one.name for one in found}
    none(undeclared(found, declarations()))


def test_answers_carry_the_declared_headers_and_cookies(used: Used) -> None:
    found = [*live.answer_headers(used.answers), *live.cookies(used.answers)]
    seen = {one.name for one in found}

    none(undeclared(found, declarations()))
    frame = {each.name for each in declarations() if each.variable == "FRAME_HEADERS"}
    assert frame <= seen
    # The names with __Host- are for https, which no local suite speaks; this profile lets in no guests, and nobody by a provider.
    https = {SECURE_SESSION_COOKIE, SECURE_GUEST_COOKIE, SECURE_EXTERNAL_COOKIE}
    assert names(Kind.COOKIE) - seen == {GUEST_COOKIE, EXTERNAL_COOKIE, *https}


def test_temporary_files_are_the_declared_ones(used: Used) -> None:
    found = live.temporary_files(used.suite, used.before, machine_folders())

    def is_ours(one: Finding) -> bool:
        return one.place.startswith("tmp of") or (one.name.startswith(OURS) and not one.name.startswith(OF_THE_TESTS))

    none(undeclared(filter(is_ours, found), declarations()))


def test_a_live_place_that_nobody_declared_is_told(used: Used) -> None:
    (used.suite.data / "tmp" / "frames-1").touch()
    found: list[Finding] = live.temporary_files(used.suite, set(), set())

    assert [one for one in undeclared(found, declarations()) if "'frames-1'" in one and "TEMPORARY_FILES" in one]
    (used.suite.data / "tmp" / "frames-1").unlink()


def none(found: list[str]) -> None:
    """Fail with one line for each finding."""
    assert not found, "\n" + "\n".join(found)


def _certificate(suite: RunningSuite, claim: str, kind: str = "certificate") -> bool:
    with suite.anonymous() as http:
        return bool(answered(http.post("/v1/erasures/status", json={"claim": claim}))[kind])


def _take_a_copy(http: httpx2.Client) -> None:
    copy = answered(http.post("/v1/account/export"))["id"]
    until(lambda: answered(http.get(f"/v1/account/export/{copy}"))["state"] == "ready", "the copy", timeout_seconds=60)
