"""Every place the code makes says what it holds, and every declaration has its place; each kind fails by name."""

import ast
import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lethe_common.bus.permissions import durables
from lethe_common.catalogue import Kind, declare, held
from lethe_common.certificates import Head, entry, signed_head
from lethe_common.events.catalogue import EVENTS, FIELDS, STREAMS
from lethe_common.events.envelope import HEADERS
from lethe_common.events.privacy import StoreCount
from lethe_common.policy.policy import load_policy
from lethe_common.rpc.acts import ActContent
from lethe_common.services import Service
from lethe_gateway.browser import CONSOLE_COOKIE
from lethe_privacy import access_checkpoints
from lethe_privacy.access_checkpoints import Checkpoint
from lethe_privacy.schemas import ErasureStatement, FinalStatement
from tests.places import code as made
from tests.places.declared import Column, columns, declarations, names
from tests.places.findings import Finding, undeclared, undeclared_keys, unused
from tests.places.pages import browser_places, page_files
from tests.places.schemas import paths, paths_in
from tests.tree import ROOT, Source, code

Look = Callable[[Iterable[Source]], Iterable[Finding]]
LOOKS: dict[Kind, Look] = {
    Kind.BUCKET_PREFIX: made.bucket_prefixes,
    Kind.HEADER: made.headers,
    Kind.LOG_FIELD: made.log_fields,
    Kind.METRIC: made.metrics,
    Kind.METRIC_LABEL: made.metrics,
    Kind.COOKIE: made.cookies,
    Kind.TEMPORARY_FILE: made.temporary_files,
}
EVENT_KEYS = frozenset[str]().union(*(paths(kind) for kind in EVENTS.values()))
_SIGNING_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
A_HEAD = signed_head(Head(1, bytes(32)), datetime(2026, 11, 25, tzinfo=UTC), _SIGNING_KEY)
IN_EVENTS = "FIELDS of libs/common/lethe_common/events/catalogue.py"
IN_PRIVACY = "of services/privacy/lethe_privacy/models.py"
# Each column with JSON inside: the keys that its writer writes, and where they are declared.
JSON_WRITERS: dict[str, tuple[frozenset[str], str]] = {
    "outbox.data": (EVENT_KEYS, IN_EVENTS),
    "parked.data": (EVENT_KEYS, IN_EVENTS),
    "parked.headers": (frozenset(HEADERS.holdings), "HEADERS of libs/common/lethe_common/events/envelope.py"),
    "steps.counts": (paths(StoreCount), f"_COUNT_KEYS {IN_PRIVACY}"),
    "erasures.residue": (frozenset({"store", "method", "found"}), f"_RESIDUE_KEYS {IN_PRIVACY}"),
    "certificates.document": (
        frozenset(
            {
                "key_id",
                "signature",
                *paths(ErasureStatement, "payload."),
                *paths(FinalStatement, "payload."),
                *paths_in(entry(0, [bytes(32)], A_HEAD), "log"),
            }
        ),
        "CERTIFICATE_KEYS of services/privacy/lethe_privacy/schemas.py",
    ),
    "access_checkpoints.document": (
        paths_in(
            json.loads(
                access_checkpoints.signed(Checkpoint(1, bytes(32)), datetime(2026, 11, 25, tzinfo=UTC), _SIGNING_KEY)
            )
        ),
        "CHECKPOINT_KEYS of services/privacy/lethe_privacy/schemas.py",
    ),
    "acts.document": (paths(ActContent), "ACT_KEYS of services/privacy/lethe_privacy/schemas.py"),
    "log_heads.document": (paths_in(A_HEAD), "HEAD_KEYS of services/privacy/lethe_privacy/schemas.py"),
}
SERVICE = "services/jobs/lethe_jobs/"
ADDED: dict[Kind, tuple[str, str, str, str]] = {
    # kind: the file it is added to, what is added, what the message must call it, where it must say to write
    Kind.BUCKET_PREFIX: (
        f"{SERVICE}models.py", 'P = new_object_prefix("postcards", random)', "postcards", f"OBJECTS of {SERVICE}models.py",
    ),
    Kind.HEADER: (
        f"{SERVICE}runs.py", 'send(headers={"X-Favourite": colour})', "X-Favourite", "HEADERS = declare(Kind.HEADER",
    ),
    Kind.LOG_FIELD: (
        f"{SERVICE}runs.py", 'log.info("run_seen", nickname=who)', "nickname", "FIELDS of libs/common/lethe_common/logging.py",
    ),
    Kind.METRIC: (
        f"{SERVICE}gauges.py", 'G = Gauge("lethe_people", "By name")', "lethe_people", f"METRICS of {SERVICE}gauges.py",
    ),
    Kind.METRIC_LABEL: (
        f"{SERVICE}gauges.py",
        'G = Gauge("lethe_runs_queued", "Runs", ["city"])', "lethe_runs_queued.city", f"LABELS of {SERVICE}gauges.py",
    ),
    Kind.COOKIE: (
        "services/gateway/lethe_gateway/screens.py",
        'response.set_cookie("visits", count)', "visits", "COOKIES of services/gateway/lethe_gateway/browser.py",
    ),
    Kind.TEMPORARY_FILE: (
        f"{SERVICE}runs.py", 'F = tempfile.mkdtemp(prefix="frames-")', "frames-*", "TEMPORARY_FILES = declare(",
    ),
}  # fmt: skip


def none(found: Iterable[str]) -> None:
    """Fail with one line for each finding."""
    findings = sorted(found)
    assert not findings, "\n" + "\n".join(findings)


def with_added(file: str, line: str) -> Source:
    """A file of the project with a line more, as somebody would commit it."""
    source = Source(ROOT / file)
    source.__dict__["text"] = f"{(ROOT / file).read_text()}\n{line}\n"
    return source


def hinted(message: str, kind: Kind, name: str, where: str) -> None:
    """What every message has to say: the kind, the place's name, what to write and in which file."""
    assert f"The {kind} {name!r}" in message
    assert f"{name!r}: held('<category of policy.yaml>') or impersonal(" in message
    assert where in message


@pytest.mark.parametrize("kind", LOOKS)
def test_every_place_that_the_code_makes_is_declared_and_every_declared_one_is_made(kind: Kind) -> None:
    found = list(LOOKS[kind](code()))

    assert found, f"the look for each {kind} finds nothing at all"
    none([*undeclared(found, declarations()), *unused(kind, found, declarations())])


@pytest.mark.parametrize("kind", ADDED)
def test_an_undeclared_place_in_the_code_is_told_with_what_to_write_and_where(kind: Kind) -> None:
    file, line, name, where = ADDED[kind]

    messages = undeclared(LOOKS[kind]([with_added(file, line)]), declarations())

    assert len(messages) == 1
    hinted(messages[0], kind, name, where)
    assert f"({file}:" in messages[0]


@pytest.mark.parametrize("kind", LOOKS)
def test_a_declaration_that_nothing_makes_is_told(kind: Kind) -> None:
    messages = unused(kind, [], declarations())

    assert messages
    assert all("Remove the declaration" in message for message in messages)


def test_the_pages_leave_nothing_in_a_browser_that_is_not_declared() -> None:
    found = list(browser_places(page_files()))

    none([*undeclared(found, declarations()), *unused(Kind.BROWSER_KEY, found, declarations())])


@pytest.mark.parametrize(
    ("line", "kind", "name"),
    [
        ('localStorage.setItem("last_prompt", prompt);', Kind.BROWSER_KEY, "last_prompt"),
        ("sessionStorage['draft'] = text;", Kind.BROWSER_KEY, "draft"),
        ("window.localStorage.theme = 'dark';", Kind.BROWSER_KEY, "theme"),
        ('const db = indexedDB.open("gallery", 1);', Kind.BROWSER_KEY, "gallery"),
        ('const held = await caches.open("clips");', Kind.BROWSER_KEY, "clips"),
        ("const store = localStorage; store[key] = value;", Kind.BROWSER_KEY, "localStorage: *"),
        ("document.cookie = `seen=${now}; path=/`;", Kind.COOKIE, "seen"),
        ("document.cookie = text;", Kind.COOKIE, "*"),
    ],
)
def test_a_key_that_a_script_leaves_in_the_browser_is_told(tmp_path: Path, line: str, kind: Kind, name: str) -> None:
    static = tmp_path / "services/gateway/lethe_gateway/static"
    static.mkdir(parents=True)
    (static / "lethe.js").write_text(f"{(ROOT / static.relative_to(tmp_path) / 'lethe.js').read_text()}\n{line}\n")

    messages = undeclared(browser_places(page_files(tmp_path), tmp_path), declarations())

    assert len(messages) == 1
    hinted(messages[0], kind, name, "of services/gateway/lethe_gateway/browser.py")


def test_every_stream_and_every_consumer_says_what_it_holds() -> None:
    streams = [Finding(Kind.STREAM, name, "lethe_common.events.catalogue.STREAMS") for name in STREAMS]
    consumers = [
        Finding(Kind.CONSUMER, name, "lethe_common.bus.permissions.durables")
        for service in Service
        for name in durables(service)
    ]

    none(undeclared([*streams, *consumers], declarations()))
    none([*unused(Kind.STREAM, streams, declarations()), *unused(Kind.CONSUMER, consumers, declarations())])


@pytest.mark.parametrize(
    ("kind", "name", "where"),
    [
        (Kind.STREAM, "ANALYTICS", "STREAM_PLACES of libs/common/lethe_common/events/catalogue.py"),
        (Kind.CONSUMER, "ANALYTICS.gateway-export", "CONSUMERS of libs/common/lethe_common/bus/permissions.py"),
        (Kind.KEY_VALUE, "sessions", "BUCKETS = declare(Kind.KEY_VALUE"),
        (Kind.COLUMN, "gateway.accounts.nickname", "models.py of its service"),
        (Kind.JSON_KEY, "privacy.steps.counts: who", "models.py of its service"),
    ],
)
def test_what_only_a_live_store_can_show_is_told_in_the_same_words(kind: Kind, name: str, where: str) -> None:
    (message,) = undeclared([Finding(kind, name, "a live store")], declarations())

    hinted(message, kind, name, where)


def test_every_column_with_json_inside_declares_its_keys() -> None:
    def silent(column: Column) -> bool:
        return column.is_json and (column.holding is None or not column.holding.keys)

    none(
        f"{column.file}: {column.place} is JSON: say keys=declare(Kind.JSON_KEY, …)"
        for column in columns()
        if silent(column)
    )


@pytest.mark.parametrize("place", JSON_WRITERS)
def test_the_declared_keys_of_a_json_column_are_those_that_are_written(place: str) -> None:
    found = [column for column in columns() if column.place.endswith(f".{place}") and column.holding is not None]

    assert found
    written, home = JSON_WRITERS[place]
    for column in found:
        assert column.holding is not None
        none(undeclared_keys(column.place, written, column.holding.keys, home))
        assert set(column.holding.keys) <= written, f"{home} declares keys of {column.place} that nobody writes"


def test_a_key_that_an_event_gains_is_told_with_what_to_write_and_where() -> None:
    written, home = JSON_WRITERS["outbox.data"]

    (message,) = undeclared_keys("jobs.outbox.data", {*written, "winner.nickname"}, FIELDS.holdings, home)

    hinted(message, Kind.JSON_KEY, "winner.nickname", IN_EVENTS)


def test_every_declared_json_key_belongs_to_a_column_whose_writer_is_known() -> None:
    keyed = {f"{column.table}.{column.name}" for column in columns() if column.holding and column.holding.keys}

    assert keyed == set(JSON_WRITERS), "say in JSON_WRITERS of tests/unit/test_places.py what is written there"


def test_the_published_lists_of_cookies_are_the_declared_one() -> None:
    """A visitor's: the console's is an operator's. The prefix is how a browser is told to be strict, no other name."""
    policies = [load_policy(file.parent) for file in ROOT.glob("deploy/profiles/*/policy.yaml")]
    published = {cookie.name for policy in policies for cookie in policy.content.cookies if cookie.is_essential}
    declared = {name.removeprefix("__Host-") for name in names(Kind.COOKIE)} - {CONSOLE_COOKIE}

    assert declared == published, "COOKIES of services/gateway/lethe_gateway/browser.py and cookies of policy.yaml"


def test_every_category_that_a_place_names_is_in_the_policy() -> None:
    # What only one law wants is in the profiles that name it.
    known = {
        name for file in ROOT.glob("deploy/profiles/*/policy.yaml") for name in load_policy(file.parent).categories
    }

    none(
        f"{each.file}: {each.variable} says that {each.name!r} holds {each.holding.category}, which no policy knows"
        for each in declarations()
        if each.holding.category is not None and each.holding.category not in known
    )


def test_no_reason_for_not_being_personal_is_empty() -> None:
    reasons = {each.holding.why_not_personal for each in declarations()}
    reasons |= {column.holding.why_not_personal for column in columns() if column.holding}

    none(reason for reason in reasons if reason is not None and not reason.strip())


def test_a_declaration_is_made_where_the_tests_can_find_it() -> None:
    def is_hidden(source: Source, call: ast.Call) -> bool:
        outer = {id(node.value) for node in source.tree.body if isinstance(node, ast.Assign)}
        nested = {"frame_tables.py"}  # a table of tables, read by its own name
        return id(call) not in outer and source.path.name not in nested

    none(
        f"{source.name}:{call.lineno}: assign it to a name on the first level of the module"
        for source in code()
        if re.search(r"import .*\bdeclare\b", source.text)
        for call in source.calls()
        if isinstance(call.func, ast.Name) and call.func.id == "declare" and is_hidden(source, call)
    )


def test_a_place_without_a_word_about_what_it_holds_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="say held"):
        declare(Kind.HEADER, {"X-Favourite": {}})

    assert declare(Kind.HEADER, {"X-Favourite": held("content.prompt")}).holdings["X-Favourite"].is_sealed
