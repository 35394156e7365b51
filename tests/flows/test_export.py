"""A person takes a copy of everything that is kept of them: theirs alone, whole, readable again, and gone in time."""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from isodate import parse_duration

from lethe_common.exports import SECTIONS, Export, read_export
from tests.flows.outside import objects
from tests.flows.scanner import Canaries, forms
from tests.flows.steps import SMALL, disclosed, made, picture
from tests.suite import Account, RunningSuite, answered, until

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = [pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"), pytest.mark.timeout(300)]

# What a person without an erasure, a hold, a carried ledger or a trainer has nothing in.
EMPTY = {"cancellations", "carried", "legal_holds", "pauses", "training"}
# deploy/profiles/aisora2/policy.yaml, export.archive
PERIOD, GRACE = "P7D", "PT1H"


@dataclass(frozen=True, slots=True)
class Lived:
    """Somebody who used everything, with something recognisable wherever they could put it."""

    account: Account
    canaries: Canaries
    video_id: str
    removed_id: str
    video: bytes
    disclosure: dict[str, Any]


def lived(suite: RunningSuite) -> Lived:
    """Sign up, order, upload, look, choose, sign in, forget a password, delete."""
    canaries = Canaries()
    account = suite.open_account(email=f"{canaries.token('e-mail')}@example.org")
    with account.openai() as client, account.http() as http:
        reference = ("boat.png", picture(), "image/png")
        kept = made(client, f"a boat {canaries.token('prompt')}", input_reference=reference)
        gone = made(client, f"a ship {canaries.token('deleted prompt')}")
        assert answered(http.delete(f"/v1/videos/{gone.id}"))["deleted"]
        answered(http.post("/v1/quotes", json={"seconds": SMALL["seconds"]}))
        offered = answered(http.get("/v1/privacy/consents"))
        choice = {offered["data"][0]["purpose"]: False}
        answered(
            http.put("/v1/privacy/consents", json={"consents": choice, "policy_version": offered["policy_version"]})
        )
        answered(http.post("/v1/password-resets", json={"email": account.email}))
        asked = {
            "kind": "correct",
            "email": f"{canaries.token('new e-mail')}@example.org",
            "text": canaries.token("request"),
        }
        answered(http.post("/v1/privacy/requests", json=asked))
        video = http.get(f"/v1/videos/{kept.id}/content").content
        disclosed(suite, account, authority=canaries.token("authority"), asked=canaries.token("demand"))
        law = {"delay_until": "2999-01-01T00:00:00Z", "delay_ground": "Art. 5 of Example"}
        disclosed(suite, account, authority=canaries.token("secret authority"), **law)
        (told,) = until(lambda: answered(http.get("/v1/privacy/disclosures"))["data"], "the disclosure to be told")
    with suite.anonymous() as browser:
        login = {"email": account.email, "password": account.password}
        answered(browser.post("/v1/sessions", json=login, headers={"Origin": suite.url}))
    return Lived(account, canaries, kept.id, gone.id, video, told)


@pytest.fixture(scope="module")
def people(suite: RunningSuite) -> tuple[Lived, Lived]:
    return lived(suite), lived(suite)


@pytest.fixture(scope="module")
def archive(people: tuple[Lived, Lived], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first person's archive."""
    file = tmp_path_factory.mktemp("export") / "export.zip"
    with people[0].account.http() as http:
        file.write_bytes(http.get(f"/v1/account/export/{ready(http)['id']}/content").content)
    return file


@pytest.fixture(scope="module")
def export(archive: Path) -> Export:
    return read_export(archive)


def ready(http: httpx2.Client, language: str = "en") -> dict[str, Any]:
    """An export that was asked for and is packed."""
    asked = answered(http.post("/v1/account/export", headers={"Accept-Language": language}))

    def look() -> dict[str, Any] | None:
        shown = answered(http.get(f"/v1/account/export/{asked['id']}"))
        return shown if shown["state"] == "ready" else None

    return until(look, "the export to be packed", timeout_seconds=60)


def contents(archive: Path) -> Iterator[bytes]:
    """Everything in an archive, unpacked, and the archive itself."""
    yield archive.read_bytes()
    with zipfile.ZipFile(archive) as whole:
        for name in whole.namelist():
            yield name.encode()
            yield whole.read(name)


def test_it_holds_every_canary_of_its_owner_and_none_of_anybody_else(
    suite: RunningSuite, people: tuple[Lived, Lived], archive: Path
) -> None:
    owner, other = people
    found = set().union(*(owner.canaries.in_bytes(content) for content in contents(archive)))
    # The deleted video's prompt went with it; a law keeps back one disclosure, and what was asked is the authority's.
    assert found == {"e-mail", "new e-mail", "prompt", "request", "authority"}
    assert set().union(*(other.canaries.in_bytes(content) for content in contents(archive))) == set()
    ids = {other.account.account_id, other.account.subject_ref, other.video_id, other.removed_id}
    wallets = suite.look(
        "SELECT wallet_id::text FROM billing.subjects WHERE subject_ref = $1", other.account.subject_ref
    )
    ids |= {row["wallet_id"] for row in wallets}
    for name in ids:
        assert not any(form in content for form in forms(name.encode()) for content in contents(archive)), name


def test_every_section_has_what_there_is(suite: RunningSuite, people: tuple[Lived, Lived], export: Export) -> None:
    owner = people[0]
    records = {section.name: export.documents[section.document][section.name] for section in SECTIONS}
    assert {name for name, section in records.items() if not section} == EMPTY | {"uploads"}
    assert {record["generation_id"] for record in records["generations"]} == {owner.video_id}
    assert {record["generation_id"] for record in records["removed"]} == {owner.removed_id}
    assert records["account"][0]["email"] == owner.account.email
    transfers = suite.look(
        "SELECT count(*) AS n FROM billing.transfers t JOIN billing.subjects s USING (wallet_id) WHERE subject_ref = $1",
        owner.account.subject_ref,
    )
    assert len(records["transfers"]) == transfers[0]["n"]
    assert [record["disclosure_id"] for record in records["disclosures"]] == [owner.disclosure["id"]]
    for name in ("authority", "legal_reference", "digest"):
        assert records["disclosures"][0][name] == owner.disclosure[name]
    assert {asset["variant"] for asset in records["assets"]} >= {"video", "thumbnail"}


def test_it_has_the_video_as_it_was_delivered_and_says_so_in_its_manifest(
    people: tuple[Lived, Lived], export: Export
) -> None:
    name = f"media/{people[0].video_id}/video.mp4"
    assert export.media[name] == hashlib.sha256(people[0].video).hexdigest()
    assert export.manifest["missing"] == []
    assert export.manifest["policy"]["profile"] == "aisora2"


def test_no_secret_that_lets_somebody_in_is_in_it(people: tuple[Lived, Lived], archive: Path) -> None:
    secrets = (people[0].account.key, people[0].account.password, people[0].account.subject_ref)
    for content in contents(archive):
        for secret in secrets:
            assert secret.encode() not in content


def test_packed_anew_in_another_way_it_has_the_same_digest(tmp_path: Path, archive: Path, export: Export) -> None:
    again = tmp_path / "again.zip"
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(again, "w", zipfile.ZIP_STORED) as new:
        for name in reversed(old.namelist()):
            new.writestr(name, old.read(name))
    assert read_export(again).digest == export.digest == export.manifest["content_digest"]


def test_the_explanation_is_in_the_language_of_its_reader(people: tuple[Lived, Lived], tmp_path: Path) -> None:
    with people[1].account.http() as http:
        done = ready(http, "ru")
        (tmp_path / "ru.zip").write_bytes(http.get(f"/v1/account/export/{done['id']}/content").content)
    with zipfile.ZipFile(tmp_path / "ru.zip") as whole:
        assert "ВАШИ ДАННЫЕ" in whole.read("README.txt").decode()


def test_a_part_of_it_can_be_asked_for(people: tuple[Lived, Lived], archive: Path) -> None:
    with people[0].account.http() as http:
        (listed,) = answered(http.get("/v1/account/export"))["data"]
        path = f"/v1/account/export/{listed['id']}/content"
        part = http.get(path, headers={"Range": "bytes=10-99"})
        beyond = http.get(path, headers={"Range": f"bytes={archive.stat().st_size}-"})
        told = http.head(path)
    assert (part.status_code, part.content) == (206, archive.read_bytes()[10:100])
    assert (beyond.status_code, beyond.json()["error"]["code"]) == (416, "range_not_satisfiable")
    assert (told.status_code, told.content) == (200, b"")
    assert int(told.headers["content-length"]) == archive.stat().st_size


def test_somebody_elses_is_not_found(people: tuple[Lived, Lived], archive: Path) -> None:
    assert archive.exists()
    with people[0].account.http() as owner, people[1].account.http() as other:
        (listed,) = answered(owner.get("/v1/account/export"))["data"]
        for path in (f"/v1/account/export/{listed['id']}", f"/v1/account/export/{listed['id']}/content"):
            assert other.get(path).status_code == 404
        assert other.delete(f"/v1/account/export/{listed['id']}").status_code == 404


def test_who_asks_twice_joins_the_one_under_way_and_who_deletes_it_sees_it_gone(suite: RunningSuite) -> None:
    account = suite.open_account()
    with account.http() as http:
        # The second comes while the first has yet to reach the gateway, five owners and privacy again.
        first, second = (answered(http.post("/v1/account/export")) for _ in range(2))
        assert first["id"] == second["id"]
        until(lambda: answered(http.get(f"/v1/account/export/{first['id']}"))["state"] == "ready", "the export", 60)
        assert answered(http.delete(f"/v1/account/export/{first['id']}")) == {
            "id": first["id"],
            "object": "export",
            "deleted": True,
        }
        assert http.get(f"/v1/account/export/{first['id']}").status_code == 404
    _is_gone(suite, first["id"])


def test_a_gateway_that_dies_while_it_packs_delays_an_export_and_loses_nothing(suite: RunningSuite) -> None:
    account = suite.open_account()
    with account.http() as http:
        asked = answered(http.post("/v1/account/export"))
    suite.kill("gateway")
    suite.wait_for("gateway")
    with account.http() as http:
        until(partial(_is_ready, http, asked["id"]), "the export", timeout_seconds=90)
        content = http.get(f"/v1/account/export/{asked['id']}/content").content
    rows = suite.look("SELECT count(*) AS n FROM gateway.exports WHERE account_id = $1", account.account_id)
    assert (rows[0]["n"], content[:2]) == (1, b"PK")


def test_it_is_served_for_its_own_period_and_then_verifiably_gone(suite: RunningSuite) -> None:
    account = suite.open_account()
    with account.http() as http:
        done = ready(http)
        asked_at = suite.policy_unix()
        (row,) = suite.look("SELECT due_at FROM gateway.exports WHERE export_id = $1", done["id"])
        left_seconds = round(row["due_at"].timestamp() - asked_at)
        assert left_seconds == (parse_duration(PERIOD) - parse_duration(GRACE)).total_seconds()
        suite.advance(f"PT{left_seconds - 1}S")
        assert http.get(f"/v1/account/export/{done['id']}/content").status_code == 200
        suite.advance("PT1S")
        assert http.get(f"/v1/account/export/{done['id']}/content").status_code in (404, 410)
    _is_gone(suite, done["id"])


def test_an_erasure_ends_an_export_under_way_and_takes_those_that_are_ready(suite: RunningSuite) -> None:
    account = suite.open_account()
    with account.http() as http:
        done = ready(http)
        under_way = answered(http.post("/v1/account/export"))
        part = suite.look("SELECT storage_ref FROM gateway.accounts WHERE subject_ref = $1", account.subject_ref)
        claim = http.delete("/v1/account").json()["claim"]
    with suite.anonymous() as http:

        def ask() -> dict[str, Any] | None:
            return answered(http.post("/v1/erasures/status", json={"claim": claim}))["certificate"] or None

        certificate = until(ask, "the certificate", timeout_seconds=60)
    lines = {line["store"]: line for line in certificate["payload"]["stores"]}
    assert lines["pg:privacy.exports"]["before"] == 2
    # The erasure may be quicker than the news of the second copy, which then finds nobody to be packed for.
    assert lines["pg:gateway.exports"]["before"] in (1, 2)
    assert lines["s3:export.archive"]["before"] >= 1
    assert not any(part[0]["storage_ref"] in stored.name for stored in objects(suite))
    for export_id in (done["id"], under_way["id"]):
        _is_gone(suite, export_id)
    assert json.dumps(certificate).count(account.subject_ref) == 0


def _is_gone(suite: RunningSuite, export_id: str) -> None:
    for table in ("gateway.exports", "privacy.exports"):
        until(partial(_is_without, suite, table, export_id), f"{table} to be empty")
    assert not suite.look_at_keys("SELECT FROM keys.item_keys WHERE item_id = $1", export_id)
    prefixes = suite.look("SELECT prefixes FROM retention.deadlines WHERE item_id = $1", export_id)
    names = [prefix for row in prefixes for prefix in row["prefixes"]]
    assert not [stored for stored in objects(suite) for prefix in names if stored.name.startswith(prefix)]


def _is_without(suite: RunningSuite, table: str, export_id: str) -> bool:
    return not suite.look(f"SELECT FROM {table} WHERE export_id = $1", export_id)


def _is_ready(http: httpx2.Client, export_id: str) -> bool:
    return bool(answered(http.get(f"/v1/account/export/{export_id}"))["state"] == "ready")
