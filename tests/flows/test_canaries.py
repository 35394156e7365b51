"""Nothing that a person types, sends or uploads rests in clear anywhere; and the scan that says so can find it."""

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from lethe_common.catalogue import Kind
from tests.flows.persona import Persona, mail_sink
from tests.flows.scanner import UNKNOWN, Canaries, Found, forms, machine_folders, scan
from tests.places.clear import Place, holding_of_place, misdeclared, places_in_clear
from tests.places.declared import columns, declarations
from tests.suite import RunningSuite, fresh_suite, until

# Each of the two suites is started, used and read whole within the first test that asks for it.
pytestmark = pytest.mark.timeout(300)

_FILES = "files:postgres"
# The copy that its owner took has all that is kept of them, unpacked here: in its object, and in the store's files.
_COPY = {"objects:export.archive", "files:s3"}
# With sealing off, what the scan must find, and where: exactly there.
IN_CLEAR_WITHOUT_SEALING: Mapping[str, set[str]] = {
    "short prompt": {"sql:gateway.generations", _FILES, *_COPY},
    "long prompt": {"sql:gateway.generations", *_COPY},  # compressed in Postgres' files: seen only where it is unpacked
    "deleted prompt": {_FILES},  # the row is gone; dead tuples and the write-ahead log are not
    "e-mail": {"sql:gateway.accounts", _FILES, *_COPY},
    "new e-mail": {"sql:gateway.address_changes", _FILES, *_COPY},
    "mailed token": {_FILES},  # sent and deleted
    "request text": {"sql:privacy.request_steps", _FILES, *_COPY},
    "correction text": {"sql:privacy.request_steps", _FILES, *_COPY},
    "reason to read": {"sql:privacy.request_steps", _FILES, *_COPY},
    "answer text": {"sql:privacy.request_steps", _FILES, *_COPY},
    "breach text": {"sql:privacy.breach_steps", _FILES},  # of nobody's, so in nobody's copy
    "breach mail": {"sql:privacy.breach_steps", _FILES},  # kept in the register; each mail is sent and gone
    "demand text": {"sql:privacy.disclosures", _FILES},
    "image pixels": {"files:s3"},  # deleted after use; the volume file is not vacuumed yet
    "output video": {"objects:outputs", *_COPY},
    "output thumbnail": {"objects:outputs", *_COPY},
}
# Not even then, and why.
NOWHERE_ANYWAY: Mapping[str, str] = {
    "password": "argon2id",
    "new password": "argon2id",
    "wrong password": "compared and dropped",
    "unknown e-mail": "looked up by keyed digest",
    "API key": "SHA-256 of a random secret",
    "session": "SHA-256 of a random secret",
    "API key name": "keys have none; what is sent is not read",
    "Idempotency-Key": "HMAC per account",
    "file name": "not read",
    "image EXIF description": "pixels are copied into a fresh picture",
    "image EXIF copyright": "pixels are copied into a fresh picture",
    "image XMP": "pixels are copied into a fresh picture",
    "image JPEG comment": "pixels are copied into a fresh picture",
    "image PNG text": "pixels are copied into a fresh picture",
    "image PNG XMP": "pixels are copied into a fresh picture",
    "X-Request-Id": "the gateway makes its own",
    "User-Agent": "not read",
    "Referer": "not read",
    "baggage": "dropped",
    "traceparent": "a trace begins at the gateway",
    "tracestate": "a trace begins at the gateway",
    "path": "paths are not logged",
    "query": "queries are not logged",
    "refused prompt": "refusals keep and echo nothing",
    "unknown field": "refusals keep and echo nothing",
    "unknown value": "refusals keep and echo nothing",
}


# Harmless, and known to be there: the scan does look into these.
ALWAYS_FOUND: Mapping[str, set[str]] = {
    "video id": {"sql:gateway.generations", "sql:gateway.outbox", "sql:jobs.runs", "files:postgres", "files:nats"},
    "policy hash": {"files:logs", "output"},
}


# Whoever signs in is given the session's cookie: it passes there, and rests nowhere.
PASSES: Mapping[Place, set[str]] = {(Kind.COOKIE, "lethe_session"): {"session"}}
# Every other column and prefix that is declared to hold something sealed has to be found with something planted in it.
NOT_PLANTED: Mapping[str, str] = {
    "gateway.accounts.password_sealed": "a digest of the password, argon2id",
    "gateway.mails.secret_sealed": "sent and deleted; seen in the files, as the mailed token",
    "gateway.breach_tellings.text_sealed": "written to each and gone; seen in the files, as the breach mail",
    "privacy.access_bodies.sealed": "which keys were leased, for what and to whom: references and purposes, nothing typed",
    "gateway.training_records.record_sealed": "a random name; tests/flows/test_consents_asked.py looks into it",
    "privacy.acts.name_sealed": "an address, where Russian law is named; tests/integration/test_acts.py looks into it",
    "keys.class_keys.wrapped": "a key",
    "keys.item_keys.wrapped": "a key",
    "upload.image": "deleted after use; seen in the files, as the image's pixels",
}


@dataclass(frozen=True, slots=True)
class Scanned:
    """What two looks found after one person used all of a suite: by bytes, and place by place of the catalogue."""

    found: Found
    in_clear: dict[Place, set[str]]


@pytest.fixture(scope="module")
def whole_sealed() -> Scanned:
    return _used_and_scanned("on")


@pytest.fixture(scope="module")
def whole_unsealed() -> Scanned:
    return _used_and_scanned("off")


@pytest.fixture
def sealed(whole_sealed: Scanned) -> Found:
    return whole_sealed.found


@pytest.fixture
def unsealed(whole_unsealed: Scanned) -> Found:
    return whole_unsealed.found


def test_nothing_planted_is_anywhere_in_clear(sealed: Found) -> None:
    assert {name: places for name, places in sealed.items() if name not in ALWAYS_FOUND} == {}


def test_with_sealing_off_the_same_scan_finds_each_where_it_belongs(unsealed: Found) -> None:
    found = {name: places for name, places in unsealed.items() if name in IN_CLEAR_WITHOUT_SEALING}
    assert found == IN_CLEAR_WITHOUT_SEALING


def test_what_is_never_stored_is_found_only_in_the_file_where_the_test_put_it(unsealed: Found) -> None:
    # What lies in clear without sealing may be cut by the edge of a page of the write-ahead log, and is nameless then.
    elsewhere = {*IN_CLEAR_WITHOUT_SEALING, *ALWAYS_FOUND, UNKNOWN}
    found = {name: places for name, places in unsealed.items() if name not in elsewhere}
    assert found == {name: {"files:tmp", "machine"} for name in NOWHERE_ANYWAY}


@pytest.mark.parametrize("run", ["whole_sealed", "whole_unsealed"])
def test_no_place_that_says_it_is_not_personal_holds_anything_planted(run: str, request: pytest.FixtureRequest) -> None:
    scanned: Scanned = request.getfixturevalue(run)

    wrong = misdeclared(scanned.in_clear)
    assert not wrong, "\n" + "\n".join(wrong)


def test_places_that_hold_a_category_hold_it_sealed(whole_sealed: Scanned, whole_unsealed: Scanned) -> None:
    assert whole_sealed.in_clear == PASSES
    for kind, name in whole_unsealed.in_clear.keys() - PASSES.keys():
        holding = holding_of_place((kind, name))
        assert holding is not None
        assert holding.is_sealed, name


def test_something_is_planted_in_each_place_that_the_catalogue_says_is_sealed(whole_unsealed: Scanned) -> None:
    sealed = {each.place for each in columns() if each.holding is not None and each.holding.is_sealed}
    sealed |= {one.name for one in declarations() if one.kind is Kind.BUCKET_PREFIX and one.holding.is_sealed}

    seen = {name for kind, name in whole_unsealed.in_clear if kind is Kind.COLUMN}
    seen |= {place.removeprefix("objects:") for places in whole_unsealed.found.values() for place in places}
    assert sealed - seen == NOT_PLANTED.keys(), "plant something new in tests/flows/persona.py, or say here why not"


@pytest.mark.parametrize(
    "place",
    [
        (Kind.COLUMN, "gateway.generations.error_code"),
        (Kind.JSON_KEY, "privacy.erasures.residue: method"),
        (Kind.LOG_FIELD, "cause"),
        (Kind.METRIC_LABEL, "lethe_rpc_seconds.outcome"),
        (Kind.HEADER, "X-Request-Id"),
        (Kind.BUCKET_PREFIX, "postcards"),
    ],
)
def test_something_planted_in_a_place_that_is_not_personal_is_told(place: Place) -> None:
    (message,) = misdeclared(
        {place: {"short prompt"}, (Kind.COLUMN, "gateway.generations.prompt_sealed"): {"short prompt"}}
    )

    assert f"The {place[0]} {place[1]!r}" in message
    assert "short prompt" in message


@pytest.mark.parametrize("run", ["sealed", "unsealed"])
def test_the_scan_looks_into_tables_files_bus_logs_and_output(run: str, request: pytest.FixtureRequest) -> None:
    found: Found = request.getfixturevalue(run)
    for name, places in ALWAYS_FOUND.items():
        assert found[name] >= places


@pytest.mark.parametrize("form", range(len(forms(b"0123456789ab"))))
def test_each_form_of_a_token_is_recognised_wherever_it_stands(form: int) -> None:
    canaries = Canaries()
    token = canaries.token("something")
    for before in range(6):
        content = b"\xff" * before + forms(token.encode())[form] + b"\xff"
        assert canaries.in_bytes(content) == {"something"}
    half = forms(token.encode())[form][: 3 * len(token) // 2]
    assert canaries.in_bytes(half) in ({UNKNOWN}, {"something"})


def _used_and_scanned(sealing: str) -> Scanned:
    """What a scan finds in a fresh suite after one person used all of it."""
    before, canaries = machine_folders(), Canaries()
    with mail_sink() as (sink, address), fresh_suite(settings={"SEALING": sealing, "SMTP_URL": address}) as suite:
        persona = Persona(suite, canaries, sink)
        lived = persona.live()
        for table in ("uploads", "mails"):  # both are swept once they have served
            until(partial(_is_empty, suite, table), f"{table} to go")
        canaries.pieces["video id"] = lived.kept_video_id.encode()
        canaries.pieces["policy hash"] = b"policy_hash"
        in_clear = asyncio.run(places_in_clear(suite, canaries, persona.answers, ALWAYS_FOUND))
        if sealing == "on":
            return Scanned(asyncio.run(scan(suite, canaries, before)), in_clear)
        with tempfile.NamedTemporaryFile(prefix="lethe-planted-") as outside:
            for file in (suite.data / "tmp" / "planted", Path(outside.name)):
                file.write_text("\n".join(_known(canaries, name) for name in NOWHERE_ANYWAY))
            return Scanned(asyncio.run(scan(suite, canaries, before)), in_clear)


def _is_empty(suite: RunningSuite, table: str) -> bool:
    return not suite.look(f"SELECT FROM gateway.{table}")


def _known(canaries: Canaries, name: str) -> str:
    return canaries.tokens.get(name) or canaries.pieces[name].decode()
