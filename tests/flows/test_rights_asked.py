"""What people ask for by right: filed and followed by them, answered on the console, and in force at once where it must be."""

import subprocess
import sys
from typing import Any

import httpx2
import pytest

from tests.flows.steps import SMALL, SMALL_CREDITS, made
from tests.suite import Account, RunningSuite, answered, until

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = [pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"), pytest.mark.timeout(900)]
REQUESTS = "/v1/privacy/requests"


def filed(account: Account, **wish: object) -> dict[str, Any]:
    with account.http() as http:
        return answered(http.post(REQUESTS, json=wish))


def refused(account: Account, **wish: object) -> tuple[int, str]:
    with account.http() as http:
        answer = http.post(REQUESTS, json=wish)
    return answer.status_code, answer.json()["error"]["code"]


def shown(account: Account, request_id: str) -> dict[str, Any]:
    with account.http() as http:
        return answered(http.get(f"{REQUESTS}/{request_id}"))


def requests(suite: RunningSuite, *arguments: str) -> str:
    """`lethe requests …` of an operator."""
    command = [sys.executable, "-m", "lethe_cli", "requests", *arguments, "--data", str(suite.data)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _ordered_under(http: httpx2.Client, key: str) -> int:
    return http.post("/v1/videos", json={"prompt": "a boat", **SMALL}, headers={"Idempotency-Key": key}).status_code


def is_kept(suite: RunningSuite, video_id: str) -> bool:
    return bool(suite.look("SELECT 1 FROM jobs.assets WHERE generation_id = $1", video_id))


def is_paused(suite: RunningSuite, account: Account) -> bool:
    return bool(suite.look("SELECT 1 FROM retention.pauses WHERE subject_ref = $1", account.subject_ref))


def test_whoever_writes_by_a_mailed_link_is_erased_when_nothing_is_asked_any_more(suite: RunningSuite) -> None:
    with suite.anonymous() as http:
        answer = http.post("/v1/privacy/links", json={"email": "passer-by@example.org"})
    ((correspondent,),) = suite.look("SELECT subject_ref FROM gateway.accounts WHERE state = 'correspondent'")

    assert answer.status_code == 202
    suite.advance("PT2H")
    until(lambda: not suite.look("SELECT 1 FROM gateway.accounts WHERE subject_ref = $1", correspondent), "the erasure")
    erased = "SELECT 1 FROM keys.subjects WHERE subject_ref = $1 AND state = 'erased'"
    until(lambda: suite.look_at_keys(erased, correspondent), "the keys to go")


def test_a_question_is_answered_by_an_operator_and_its_dossier_is_the_persons_to_see(suite: RunningSuite) -> None:
    account, other = suite.open_account(), suite.open_account()
    made_at = suite.policy_unix()
    request = filed(account, kind="enquiry", text="Where are my prompts?")
    assert request["received_at"] == int(made_at)
    assert request["id"] in requests(suite, "list")

    assert "Where are my prompts?" not in requests(suite, "show", request["id"])
    clerk = ("--operator", "A. Clerk")
    assert "Where are my prompts?" in requests(suite, "read", request["id"], *clerk, "--reason", "to answer it")
    requests(suite, "take", request["id"], *clerk)
    requests(suite, "answer", request["id"], *clerk, "--text", "Sealed, in our own database.")

    steps = shown(account, request["id"])["steps"]
    assert [(step["step"], step["by"], step["text"]) for step in steps] == [
        ("received", "person", "Where are my prompts?"),
        ("identity_checked", "lethe", None),
        ("read", "staff", "to answer it"),
        ("in_progress", "staff", None),
        ("answered", "staff", "Sealed, in our own database."),
    ]
    assert request["id"] not in requests(suite, "list")
    with other.http() as http:
        assert http.get(f"{REQUESTS}/{request['id']}").status_code == 404
        assert answered(http.get(REQUESTS))["data"] == []


def test_a_request_is_taken_back_and_a_correction_that_nobody_confirms_lapses(suite: RunningSuite) -> None:
    account, other = suite.open_account(), suite.open_account()
    copy, correction = filed(account, kind="access"), filed(account, kind="correct", email="new@example.org")
    enquiry = filed(account, kind="enquiry", text="Where are my prompts?")

    with other.http() as http:
        assert http.post(f"{REQUESTS}/{enquiry['id']}/close").status_code == 404
    with account.http() as http:
        for _ in range(2):
            assert answered(http.post(f"{REQUESTS}/{enquiry['id']}/close"))["state"] == "closed"
        until(lambda: shown(account, copy["id"])["state"] == "answered", "the copy", 60)
        assert http.post(f"{REQUESTS}/{copy['id']}/close").status_code == 409
    suite.advance("P2D")

    lapsed = shown(account, correction["id"])
    assert (lapsed["state"], lapsed["steps"][-1]["by"]) == ("closed", "lethe")
    assert suite.look("SELECT 1 FROM gateway.address_changes WHERE request_id = $1", correction["id"]) == []
    assert not {enquiry["id"], correction["id"]} & set(requests(suite, "list").split())


def test_a_video_goes_with_the_answer_to_somebody_who_is_seen_in_it(suite: RunningSuite) -> None:
    maker, seen = suite.open_account(), suite.open_account()
    with maker.openai() as client:
        video = made(client)
    request = filed(seen, kind="depicted", video=video.id, text="It is me.")
    enquiry = filed(seen, kind="enquiry", text="Am I in a video?")
    answer = ("--operator", "clerk", "--text", "It is gone.", "--remove-video")

    with suite.console() as console:
        path = f"/api/requests/{enquiry['id']}/answer"
        deed = {"operator": "clerk", "text": "No.", "remove_video": True}
        assert console.post(path, json=deed, headers={"Origin": suite.console_url}).status_code == 400
        path, reserved = f"/api/requests/{request['id']}/answer", {**deed, "operator": "Lethe"}
        assert console.post(path, json=reserved, headers={"Origin": suite.console_url}).status_code == 400
    assert is_kept(suite, video.id), "what is refused removes nothing"
    mails = "SELECT 1 FROM gateway.mails WHERE account_id = $1 AND template = 'video_removed'"
    assert suite.look(mails, maker.account_id) == []
    requests(suite, "answer", request["id"], *answer)

    assert len(suite.look(mails, maker.account_id)) == 1, "whose video it was is told"
    assert shown(seen, request["id"])["state"] == "answered"
    until(lambda: not is_kept(suite, video.id), "the video to go")
    with maker.http() as http:
        assert http.get(f"/v1/videos/{video.id}/content").status_code == 410
    fact = "SELECT 1 FROM privacy.facts WHERE kind = 'item_deleted' AND subject_ref = $1 AND ref = $2"
    assert suite.look(fact, maker.subject_ref, video.id), "a restore does not bring it back"


def test_what_says_nothing_or_too_much_is_refused_without_an_echo(suite: RunningSuite) -> None:
    account = suite.open_account()

    assert refused(account, kind="enquiry") == (400, "missing_text")
    assert refused(account, kind="object") == (400, "missing_text")
    assert refused(account, kind="access", purposes=["marketing"]) == (400, "invalid_request")
    assert refused(account, kind="depicted", text="It is me.") == (400, "invalid_request")
    assert refused(account, kind="object", purposes=["astrology"]) == (400, "unknown_consent")
    assert refused(account, kind="divination", text="x") == (400, "invalid_kind")
    with suite.anonymous() as http:
        assert http.post(REQUESTS, json={"kind": "access"}).status_code == 401
        assert http.get(REQUESTS).status_code == 401


def test_a_restriction_stops_generating_and_expiry_until_its_owner_lifts_it(suite: RunningSuite) -> None:
    account = suite.open_account()
    with account.openai() as client:
        video = made(client)
    request = filed(account, kind="restrict")
    assert (request["state"], request["is_restricting"]) == ("answered", True)
    until(lambda: is_paused(suite, account), "the pause to reach retention")

    with account.http() as http:
        answer = http.post("/v1/videos", json={"prompt": "a boat", **SMALL})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "processing_restricted")
        assert account.balance()["held"] == 0, "what is refused holds nothing"
        assert [_ordered_under(http, "refused") for _ in range(2)] == [403] * 2
        assert http.get(f"/v1/videos/{video.id}/content").status_code == 200
        assert answered(http.get("/v1/account"))["email"] == account.email
    suite.advance("P8D")
    assert is_kept(suite, video.id)
    assert account.balance()["held"] == 0

    with account.http() as http:
        assert answered(http.post(f"{REQUESTS}/{request['id']}/lift"))["is_restricting"] is False
    until(lambda: suite.look("SELECT 1 FROM retention.pauses WHERE ended_at IS NOT NULL"), "the end of the pause")
    suite.advance("PT1S")
    until(lambda: not is_kept(suite, video.id), "the video to go")
    with account.openai() as client:
        assert made(client).status == "completed"
    before = account.balance()["available"]
    with account.http() as http:
        assert _ordered_under(http, "refused") == 200
    assert account.balance()["available"] == before - SMALL_CREDITS, "what was refused was not paid, and is now"


def test_an_objection_counts_at_once_and_stands_in_the_ledger_of_choices(suite: RunningSuite) -> None:
    account = suite.open_account()
    request = filed(account, kind="object", purposes=["marketing"])

    with account.http() as http:
        stances = {one["purpose"]: one for one in answered(http.get("/v1/privacy/consents"))["data"]}
    assert request["state"] == "answered"
    assert (stances["marketing"]["is_allowed"], stances["marketing"]["choice"]) == (False, "objected")
    sql = """SELECT way FROM keys.consents WHERE purpose = 'marketing'
              AND holder_ref = (SELECT holder_ref FROM keys.subjects WHERE subject_ref = $1)"""
    assert [row["way"] for row in suite.look_at_keys(sql, account.subject_ref)] == ["request"]


def test_a_late_answer_is_warned_of_and_counted_by_the_clock(suite: RunningSuite) -> None:
    account = suite.open_account()
    request = filed(account, kind="child", text="It is about my child.")
    due_in = request["due_at"] - request["received_at"]
    assert due_in == 3 * 24 * 3600

    suite.advance("P2DT12H")
    assert "soon" in requests(suite, "list")
    suite.advance("P1D")
    assert "overdue" in requests(suite, "list")
    assert "warned" in requests(suite, "show", request["id"])
    assert [step["step"] for step in shown(account, request["id"])["steps"]] == ["received", "identity_checked"]


def test_a_request_to_erase_erases_and_goes_with_the_account(suite: RunningSuite) -> None:
    account = suite.open_account()
    filed(account, kind="enquiry", text="Before I go.")
    claim = filed(account, kind="erase")["erasure"]["claim"]

    def certificate() -> dict[str, Any] | None:
        with suite.anonymous() as http:
            found: dict[str, Any] | None = answered(http.post("/v1/erasures/status", json={"claim": claim}))[
                "certificate"
            ]
        return found

    stores = until(certificate, "the certificate", 60)["payload"]["stores"]
    (line,) = [one for one in stores if one["store"] == "pg:privacy.requests"]
    assert (line["category"], line["before"], line["after"]) == ("support.ticket", 2, 0)
    assert suite.look("SELECT 1 FROM privacy.requests WHERE subject_ref = $1", account.subject_ref) == []
