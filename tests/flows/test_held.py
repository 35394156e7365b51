"""What a legal hold keeps outlives its deadline, its owner's wish and the account's erasure, and goes when it ends."""

import httpx2
import pytest

from tests.flows.holds import REASON, hold, lethe
from tests.flows.steps import disclosed, made
from tests.suite import Account, RunningSuite, answered, until

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = [pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"), pytest.mark.timeout(300)]


def is_there(suite: RunningSuite, video_id: str) -> bool:
    return bool(suite.look("SELECT 1 FROM jobs.assets WHERE generation_id = $1", video_id))


def is_gone(suite: RunningSuite, video_id: str) -> bool:
    return bool(suite.look("SELECT 1 FROM gateway.tombstones WHERE generation_id = $1", video_id))


def test_a_held_video_is_hidden_when_its_owner_deletes_it_and_goes_when_the_hold_is_lifted(suite: RunningSuite) -> None:
    account = suite.open_account()
    with account.openai() as client:
        held, free = made(client), made(client)
    hold_id = hold(suite, held.id)
    with account.http() as http:
        answer = http.delete(f"/v1/videos/{held.id}")
        assert (answer.status_code, answer.json()["deleted"], answer.json()["reason"]) == (202, False, "legal_hold")
        assert http.get(f"/v1/videos/{held.id}").status_code == 410
        gone = answered(http.delete(f"/v1/videos/{free.id}"))
        assert gone["deleted"] is True
        assert 2 * 86400 < gone["unreadable_by"] - suite.policy_unix() <= 3 * 86400
    assert is_there(suite, held.id)

    lethe(suite, "lift", hold_id, "--operator", "A. Clerk")

    until(lambda: is_gone(suite, held.id), "the removal after the hold")
    assert not is_there(suite, held.id)


def test_a_held_account_keeps_its_videos_past_their_deadline_until_the_hold_ends(suite: RunningSuite) -> None:
    account = suite.open_account()
    with account.openai() as client:
        video = made(client)
    until(lambda: suite.look("SELECT 1 FROM retention.deadlines WHERE item_id = $1", video.id), "its deadline")
    hold_id = hold(suite, account.account_id)
    suite.advance("P8D")
    with account.http() as http:
        assert http.get(f"/v1/videos/{video.id}").status_code == 410
    assert is_there(suite, video.id)

    lethe(suite, "lift", hold_id, "--operator", "B. Counsel")

    until(lambda: is_gone(suite, video.id), "the expiry after the hold")


def test_a_held_accounts_erasure_waits_and_ends_in_a_certificate_after_the_hold(suite: RunningSuite) -> None:
    account = suite.open_account()
    with account.openai() as client:
        video = made(client)
    hold_id, demand = hold(suite, video.id), disclosed(suite, account)
    with account.http() as http:
        answer = http.delete("/v1/account")
    assert (answer.status_code, answer.json()["state"]) == (202, "held")
    assert is_there(suite, video.id)
    with suite.anonymous() as http:
        assert http.get("/v1/account", headers={"Authorization": f"Bearer {account.key}"}).status_code == 401

    with suite.console() as console:
        shown = answered(console.get(f"/api/registers/disclosures/{demand}"))
    assert (shown["account_id"], shown["asked"], shown["state"]) == (account.account_id, None, "disclosed")

    lethe(suite, "lift", hold_id, "--operator", "A. Clerk")

    with suite.anonymous() as http:
        claim = {"claim": answer.json()["claim"]}
        until(lambda: answered(http.post("/v1/erasures/status", json=claim))["certificate"], "the certificate", 60)
    assert not suite.look("SELECT 1 FROM retention.legal_holds WHERE subject_ref = $1", account.subject_ref)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"reason": "  "}, 400, None),
        ({"reason": None}, 400, None),
        ({"operator": ""}, 400, None),
        ({"scope": "video_" + "0" * 32}, 404, "item_unknown"),
        ({"scope": "acct_" + "0" * 32}, 404, "item_unknown"),
        ({"scope": "everything"}, 400, None),
        ({"ends_at": "2020-01-01T00:00:00Z"}, 400, "end_passed"),
        ({"ends_at": "2027-01-01T00:00:00"}, 400, None),
    ],
)
def test_an_incomplete_proposal_is_refused(
    suite: RunningSuite, owner: Account, change: dict[str, str | None], status: int, code: str | None
) -> None:
    whole = {"scope": owner.account_id, "operator": "A. Clerk", "reason": REASON}
    with suite.console() as console:
        answer = console.post("/api/legal-holds", json={**whole, **change})

    assert answer.status_code == status
    assert code is None or answer.json()["error"]["code"] == code


def test_who_proposed_cannot_approve_and_nobody_without_the_token_can_do_anything(
    suite: RunningSuite, owner: Account
) -> None:
    proposal = {"scope": owner.account_id, "operator": "A. Clerk", "reason": REASON}
    with suite.console() as console:
        made_hold = answered(console.post("/api/legal-holds", json=proposal))
        same = console.post(f"/api/legal-holds/{made_hold['hold_id']}/approve", json={"operator": "a. clerk "})
        assert (same.status_code, same.json()["error"]["code"]) == (403, "same_person")
        assert owner.subject_ref not in console.get("/api/legal-holds").text
        answered(console.post(f"/api/legal-holds/{made_hold['hold_id']}/lift", json={"operator": "A. Clerk"}))
    with httpx2.Client(base_url=suite.console_url, trust_env=False) as stranger:
        for path in ("", f"/{made_hold['hold_id']}/approve", f"/{made_hold['hold_id']}/lift"):
            assert stranger.post(f"/api/legal-holds{path}", json={"operator": "X. Y"}).status_code == 401


@pytest.fixture(scope="module")
def owner(suite: RunningSuite) -> Account:
    return suite.open_account()
