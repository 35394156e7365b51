"""What a policy rests on consent is asked, recorded with its words, counts at once, and ends as easily as it began."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lethe_common.bus.requests import ask
from lethe_common.consents import asked
from lethe_common.policy import Policy, load_policy
from lethe_common.rpc.privacy import KeyLease, KeyLeaseQuestion, LeaseWish, Purpose
from lethe_common.services import Service
from tests.faults.messages import Bus, on_the_bus
from tests.suite import Account, RunningSuite, answered, fresh_suite, until
from tests.unit.common.policy_files import PROFILES, written

pytestmark = pytest.mark.timeout(300)
NEWS = 'text: {en: "telling you of new features and products"}\n    default: '
CONDITION = "    default: opt_in\n    ask: sign_up\n    condition: true\n"
TRAIN = 'text: {en: "improving AI models with what you create"}\n'
PASSWORD = "a long enough password"
LEDGER = """
    SELECT purpose, choice, policy_version, policy_hash, text_hash, language, way FROM keys.consents
     WHERE holder_ref = (SELECT holder_ref FROM keys.subjects WHERE subject_ref = $1) ORDER BY line
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SoraGPT, where news are sent after consent only, and improving models is what one has to agree to."""
    folder = tmp_path_factory.mktemp("consenting")
    (folder / "catalogue.yaml").write_bytes((PROFILES / "soragpt/catalogue.yaml").read_bytes())
    news = (f"{NEWS}opt_out", f"{NEWS}opt_in")
    condition = (f"{TRAIN}    default: opt_in\n    ask: sign_up\n", f"{TRAIN}{CONDITION}")
    written(folder, news, condition, profile="soragpt")
    return folder


@pytest.fixture(scope="module")
def policy(folder: Path) -> Policy:
    return load_policy(folder)


@pytest.fixture(scope="module")
def asking(folder: Path) -> Iterator[RunningSuite]:
    with fresh_suite("--profile", str(folder)) as running:
        yield running


def sign_up(suite: RunningSuite, email: str, **more: object) -> tuple[int, dict[str, Any]]:
    with suite.anonymous() as client:
        answer = client.post("/v1/accounts", json={"email": email, "password": PASSWORD, "birth_year": 1990, **more})
    return answer.status_code, answer.json()


def stances(account: Account) -> dict[str, dict[str, Any]]:
    with account.http() as client:
        return {one["purpose"]: one for one in answered(client.get("/v1/privacy/consents"))["data"]}


def choose(account: Account, **consents: bool) -> dict[str, dict[str, Any]]:
    with account.http() as client:
        answer = answered(client.put("/v1/privacy/consents", json={"consents": consents, "birth_year": 1990}))
    return {one["purpose"]: one for one in answer["data"]}


def ledger(suite: RunningSuite, account: Account) -> list[tuple[str, str, str]]:
    return [(row["purpose"], row["choice"], row["way"]) for row in suite.look_at_keys(LEDGER, account.subject_ref)]


def lease(suite: RunningSuite, account: Account, use: str) -> str | None:
    """Why the address is not opened in the service of a purpose; None when it is."""
    wish = LeaseWish.model_validate({"subject_ref": account.subject_ref, "item_id": account.account_id})
    refusals: list[str | None] = []

    async def deed(bus: Bus) -> None:
        question = KeyLeaseQuestion(purpose=Purpose.MAIL, process="0" * 16, use=use, wishes=(wish,))
        refusals.append((await ask(bus.seats[Service.GATEWAY], Service.GATEWAY, KeyLease, question)).keys[0].refusal)

    on_the_bus(suite, deed)
    return refusals[0]


def test_newcomers_are_told_what_is_asked_and_an_unknown_or_missing_answer_is_refused(asking: RunningSuite) -> None:
    with asking.anonymous() as client:
        told = answered(client.get("/v1/sign-up"))
    (consent,) = told["consents"]

    unknown = sign_up(asking, "one@example.org", consents={"train_models": True, "astrology": True})
    missing = sign_up(asking, "one@example.org", consents={"train_models": False})
    stale = sign_up(asking, "one@example.org", consents={"train_models": True}, policy_version=7)

    assert (consent["purpose"], consent["is_condition"], consent["kind"]) == ("train_models", True, "consent")
    assert "generated videos" in consent["data"]
    assert [(status, body["error"]["code"]) for status, body in (unknown, missing, stale)] == [
        (400, "unknown_consent"), (400, "consent_needed"), (409, "policy_changed"),
    ]  # fmt: skip
    assert "astrology" not in str(unknown)
    assert asking.look_at_keys("SELECT 1 FROM keys.login_index") == []


def test_each_choice_is_recorded_with_its_words_and_counts_for_the_next_lease(
    asking: RunningSuite, policy: Policy
) -> None:
    account = asking.open_account(consents={"train_models": True})
    words = asked(policy, "en")

    before = stances(account)
    refused = lease(asking, account, "marketing")
    given = choose(account, marketing=True)
    opened = lease(asking, account, "marketing")
    choose(account, marketing=True, personalise=False, improve=False)
    withdrawn = choose(account, marketing=False)
    refused_again = lease(asking, account, "marketing")

    assert {name: one["is_allowed"] for name, one in before.items()} == {
        "improve": True, "analytics": True, "marketing": False, "personalise": False, "train_models": True,
    }  # fmt: skip
    assert (refused, opened, refused_again) == ("purpose_refused", None, "purpose_refused")
    assert lease(asking, account, "service") is None
    assert (given["marketing"]["choice"], withdrawn["marketing"]["choice"]) == ("consented", "withdrawn")
    assert ledger(asking, account) == [
        ("train_models", "consented", "sign_up"),
        ("terms", "accepted", "sign_up"),
        ("marketing", "consented", "settings"),
        ("improve", "objected", "settings"),
        ("personalise", "refused", "settings"),
        ("marketing", "withdrawn", "settings"),
    ]
    rows = asking.look_at_keys(LEDGER, account.subject_ref)
    assert {(row["policy_version"], row["policy_hash"], row["language"]) for row in rows} == {(1, policy.hash, "en")}
    assert {row["text_hash"] for row in rows if row["purpose"] == "marketing"} == {words["marketing"].text_hash}


def test_an_erasure_leaves_the_ledger_without_telling_whose_it_was(asking: RunningSuite) -> None:
    account = asking.open_account(consents={"train_models": True})
    (holder,) = asking.look_at_keys("SELECT holder_ref FROM keys.subjects WHERE subject_ref = $1", account.subject_ref)

    with account.http() as client:
        certificate = until(lambda: client.delete("/v1/account").json().get("certificate"), "the certificate")

    (kept,) = [one for one in certificate["payload"]["retained"] if one["category"] == "consent.record"]
    lines = asking.look_at_keys("SELECT * FROM keys.consents WHERE holder_ref = $1", holder["holder_ref"])
    assert (kept["store"], kept["count"], len(lines)) == ("pg:keys.consents", 2, 2)
    assert kept["ground"] == "proof of choices that were made (GDPR Art. 7(1))"
    completed_at = datetime.fromisoformat(certificate["payload"]["completed_at"])
    assert datetime.fromisoformat(kept["until"]) == completed_at + timedelta(days=3 * 366)
    (closed,) = asking.look_at_keys(
        "SELECT closed_at FROM keys.closed_holders WHERE holder_ref = $1", holder["holder_ref"]
    )
    assert closed["closed_at"] <= completed_at
    subject = asking.look_at_keys("SELECT * FROM keys.subjects WHERE subject_ref = $1", account.subject_ref)
    assert [(row["holder_ref"], row["consents"], row["state"]) for row in subject] == [(None, [], "erased")]
