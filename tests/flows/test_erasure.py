"""A person is forgotten: everywhere, at once, with a proof that anybody can check."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import openai
import pytest

from lethe_common.certificates import CertificateInvalid, render, verify
from tests.flows.outside import objects, places_beyond_frame, places_of
from tests.flows.steps import created, disclosed, made, picture
from tests.suite import Account, RunningSuite, answered, until

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")

# What still knows the random reference of an erased subject, which nothing joins to a person any more.
TRACES = {
    "privacy.facts",  # so that a restore cannot undo the erasure
    "keys.subjects",  # refuses new keys
    "billing.fences",  # refuse late messages for some days
    "jobs.erasures",
    "jobs.removals",
}
FILE_NUMBER = "1 AR 17/26"


@pytest.fixture(scope="module")
def erased(suite: RunningSuite) -> tuple[Account, dict[str, Any], list[str]]:
    """An account with two finished videos and one that still ran, its answer, and where its objects lay."""
    account = suite.open_account()
    with account.openai() as client, account.http() as http:
        made(client, "the first boat", input_reference=("boat.png", picture(), "image/png"))
        second = made(client, "the second boat")
        running = created(client, "the long one", seconds="12", size="1792x1024")
        until(lambda: client.videos.retrieve(running.id).status == "in_progress", "the long one to start")
        answered(http.post("/v1/password-resets", json={"email": account.email}))
        disclosed(suite, account, legal_reference=FILE_NUMBER, asked=f"When did {account.email} come?")
        sql = "SELECT object_random AS part FROM jobs.subjects WHERE subject_ref = $1 UNION SELECT storage_ref FROM gateway.accounts WHERE subject_ref = $1"
        parts = [row["part"] for row in suite.look(sql, account.subject_ref)]
        assert any(part in stored.name for part in parts for stored in objects(suite))
        assert second.status == "completed"
        answer = http.delete("/v1/account")
    assert answer.status_code in (200, 202)
    return account, answer.json(), parts


@pytest.fixture(scope="module")
def certificate(suite: RunningSuite, erased: tuple[Account, dict[str, Any], list[str]]) -> bytes:
    """The certificate's bytes, asked for by its claim, without the account."""
    with suite.anonymous() as http:

        def ask() -> dict[str, Any] | None:
            status = answered(http.post("/v1/erasures/status", json={"claim": erased[1]["claim"]}))
            return status["certificate"] or None

        return render(until(ask, "the certificate", timeout_seconds=60))


@pytest.fixture(scope="module")
def public_key(suite: RunningSuite) -> bytes:
    with suite.anonymous() as http:
        return http.get("/v1/certificates/public-key").content


def test_nothing_of_the_person_is_left_in_any_table(
    suite: RunningSuite, erased: tuple[Account, dict[str, Any], list[str]], certificate: bytes
) -> None:
    account, _, _ = erased
    assert certificate
    assert asyncio.run(places_of(suite, account.email)) == {}
    assert asyncio.run(places_of(suite, account.account_id)) == {}
    assert asyncio.run(places_beyond_frame(suite, account.subject_ref)).keys() <= TRACES


def test_no_version_of_any_object_is_left(
    suite: RunningSuite, erased: tuple[Account, dict[str, Any], list[str]], certificate: bytes
) -> None:
    assert certificate
    assert [stored for stored in objects(suite) if any(part in stored.name for part in erased[2])] == []


def test_its_keys_are_destroyed(
    suite: RunningSuite, erased: tuple[Account, dict[str, Any], list[str]], certificate: bytes
) -> None:
    assert certificate
    for table in ("item_keys", "class_keys", "login_index"):
        assert not suite.look_at_keys(f"SELECT 1 FROM keys.{table} WHERE subject_ref = $1", erased[0].subject_ref)


def test_a_disclosure_stays_without_its_person_and_the_certificate_says_by_which_ground(
    suite: RunningSuite, certificate: bytes
) -> None:
    payload = json.loads(certificate)["payload"]
    (store,) = [one for one in payload["stores"] if one["store"] == "pg:privacy.disclosures"]
    (kept,) = [one for one in payload["retained"] if one["store"] == "pg:privacy.disclosures"]
    (checked,) = [one for one in payload["checked"] if one["store"] == "pg:privacy.disclosures"]
    assert (store["before"], store["after"], checked["found"]) == (1, 1, 0)
    assert (kept["category"], kept["count"]) == ("disclosure.record", 1)
    assert kept["ground"]
    assert kept["until"]
    (row,) = suite.look("SELECT * FROM privacy.disclosures WHERE legal_reference = $1", FILE_NUMBER)
    assert (row["subject_ref"], row["asked_sealed"], row["key_id"], row["state"]) == (None, None, None, "disclosed")
    with suite.console() as console:
        shown = answered(console.get(f"/api/registers/disclosures/{row['disclosure_id']}"))
    assert (shown["account_id"], shown["asked"], shown["authority"]) == (None, None, "A court")


def test_the_key_and_the_password_open_nothing_any_more(
    suite: RunningSuite, erased: tuple[Account, dict[str, Any], list[str]]
) -> None:
    account, _, _ = erased
    with account.openai(max_retries=0) as client, pytest.raises(openai.AuthenticationError):
        client.videos.list()
    with suite.anonymous() as http:
        login = {"email": account.email, "password": account.password}
        refused = http.post("/v1/sessions", json=login, headers={"Origin": suite.url})
    assert refused.status_code == 401


def test_the_certificate_tells_that_every_process_had_let_go_of_the_keys_first(certificate: bytes) -> None:
    quiesced = json.loads(certificate)["payload"]["quiesced"]
    assert quiesced["is_by_record"]
    assert {line["service"] for line in quiesced["services"]} == {"gateway", "jobs"}
    assert all(line["let_go"] == line["processes"] > 0 == line["time_over"] for line in quiesced["services"])


def test_the_certificate_verifies_offline_and_no_byte_of_it_can_be_changed(
    tmp_path: Path, certificate: bytes, public_key: bytes, erased: tuple[Account, dict[str, Any], list[str]]
) -> None:
    payload = verify(certificate, public_key).payload
    assert payload["erasure_id"] == erased[1]["id"]
    assert "virtual" in json.dumps(payload)
    for place in range(0, len(certificate), len(certificate) // 100):
        changed = bytearray(certificate)
        changed[place] ^= 1
        with pytest.raises(CertificateInvalid):
            verify(bytes(changed), public_key)

    file, key = tmp_path / "certificate.json", tmp_path / "key.pem"
    key.write_bytes(public_key)
    for content, code in ((certificate, 0), (certificate.replace(b'"after":0', b'"after":1', 1), 1)):
        file.write_bytes(content)
        command = [sys.executable, "-m", "lethe_cli", "certificate", "verify", str(file), "--key", str(key)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr


def test_the_certificate_stays_in_a_log_that_only_grows(
    suite: RunningSuite, tmp_path: Path, certificate: bytes, public_key: bytes
) -> None:
    with suite.open_account().http() as leaving:
        assert leaving.delete("/v1/account").is_success
    file, key, head = (tmp_path / name for name in ("certificate.json", "key.pem", "head.json"))
    file.write_bytes(certificate)
    key.write_bytes(public_key)
    lethe = [sys.executable, "-m", "lethe_cli", "certificate"]
    size = verify(certificate, public_key).head.size

    def grown() -> bool:
        command = [*lethe, "head", "--since", str(file), "-o", str(head), "--url", suite.url]
        subprocess.run(command, capture_output=True, check=True)
        return int(json.loads(head.read_bytes())["head"]["payload"]["size"]) > size

    until(grown, "the next certificate in the log")
    command = [*lethe, "verify", str(file), "--key", str(key), "--head", str(head)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "The log only grew between the two heads" in done.stdout) == (0, True), done.stdout
    with suite.anonymous() as http:
        published, policy = http.get("/certificates").text, http.get("/privacy").text
    assert json.loads(head.read_bytes())["head"]["payload"]["root"] in published
    assert 'href="/certificates"' in policy


def test_a_claim_that_nobody_was_given_finds_nothing(suite: RunningSuite) -> None:
    with suite.anonymous() as http:
        assert http.post("/v1/erasures/status", json={"claim": "x" * 43}).status_code == 404


def test_the_certificate_names_nobody(certificate: bytes, erased: tuple[Account, dict[str, Any], list[str]]) -> None:
    account, _, parts = erased
    for name in (account.email, account.account_id, account.subject_ref, *parts):
        assert name.encode() not in certificate


def test_the_books_balance_without_the_person(suite: RunningSuite, certificate: bytes) -> None:
    assert certificate

    def are_settled() -> bool:
        books = suite.books()
        return bool(books["is_balanced"]) and books["open_holds"] == 0

    until(are_settled, "the running video's hold to be resolved")


def test_the_same_address_may_come_back_as_somebody_new(
    suite: RunningSuite, erased: tuple[Account, dict[str, Any], list[str]], certificate: bytes
) -> None:
    assert certificate
    again = suite.open_account(email=erased[0].email)
    assert again.account_id != erased[0].account_id
    with again.openai() as client:
        assert list(client.videos.list()) == []


def test_after_the_horizon_the_same_claim_has_a_final_certificate(
    suite: RunningSuite,
    tmp_path: Path,
    erased: tuple[Account, dict[str, Any], list[str]],
    certificate: bytes,
    public_key: bytes,
) -> None:
    with suite.anonymous() as http:
        before = answered(http.post("/v1/erasures/status", json={"claim": erased[1]["claim"]}))
        until_horizon = (before["unreadable_by"] - suite.policy_unix()) / 86400
        for _ in range(4):
            suite.advance("P1D")
        after = answered(http.post("/v1/erasures/status", json={"claim": erased[1]["claim"]}))

    assert before["final_certificate"] is None
    assert 2 < until_horizon <= 3
    assert render(after["certificate"]) == certificate
    final = verify(render(after["final_certificate"]), public_key).payload
    assert final["interim"] == verify(certificate, public_key).payload["certificate_id"]
    file = tmp_path / "final.json"
    command = [sys.executable, "-m", "lethe_cli", "certificate", "fetch", erased[1]["claim"], "-o", str(file)]
    done = subprocess.run([*command, "--url", suite.url], capture_output=True, text=True, check=True)
    assert "final certificate" in done.stdout
    assert file.read_bytes() == render(after["final_certificate"])
