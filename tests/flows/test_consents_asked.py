"""What a policy rests on consent is asked, recorded with its words, counts at once, and ends as easily as it began."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lethe_cli.__main__ import build
from lethe_cli.api import Address, Api
from lethe_cli.commands.exports import taken
from lethe_common.bus.requests import ask
from lethe_common.consents import asked
from lethe_common.exports import read_export
from lethe_common.handovers import new_key
from lethe_common.policy import Policy, load_policy
from lethe_common.rpc.privacy import KeyLease, KeyLeaseQuestion, LeaseWish, Purpose
from lethe_common.services import Service
from tests.faults.messages import Bus, on_the_bus
from tests.flows.steps import decoded, made
from tests.suite import Account, RunningSuite, answered, fresh_suite, until
from tests.unit.common.policy_files import PROFILES, trainer, written

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = [pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"), pytest.mark.timeout(300)]
NEWS = 'text: {en: "telling you of new features and products"}\n    default: '
CONDITION = "    default: opt_in\n    ask: sign_up\n    condition: true\n"
TRAIN = 'text: {en: "improving AI models with what you create"}\n'
PASSWORD = "a long enough password"
TRAINER_KEY = new_key()
"""Private half and public half."""
LEDGER = """
    SELECT purpose, choice, policy_version, policy_hash, text_hash, language, way FROM keys.consents
     WHERE holder_ref = (SELECT holder_ref FROM keys.subjects WHERE subject_ref = $1) ORDER BY line
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SoraGPT, where news are sent after consent only, improving models is what one has to agree to, and somebody does."""
    folder = tmp_path_factory.mktemp("consenting")
    (folder / "catalogue.yaml").write_bytes((PROFILES / "soragpt/catalogue.yaml").read_bytes())
    news = (f"{NEWS}opt_out", f"{NEWS}opt_in")
    condition = (f"{TRAIN}    default: opt_in\n    ask: sign_up\n", f"{TRAIN}{CONDITION}")
    written(folder, news, condition, trainer(TRAINER_KEY[1]), profile="soragpt")
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


def training(suite: RunningSuite, *words: object) -> dict[str, Any]:
    """What `lethe training` says to a program."""
    said = CliRunner().invoke(build(), ["training", *map(str, words), "--data", str(suite.data), "--json"])
    assert said.exit_code == 0, said.output
    answer: dict[str, Any] = json.loads(said.stdout)
    return answer


def opened(folder: Path, into: Path, key: Path) -> dict[str, Any]:
    """What the trainer makes of a folder, offline."""
    words = ["training", "open", str(folder), "--key", str(key), "-o", str(into), "--json"]
    said = CliRunner().invoke(build(), words)
    assert said.exit_code == 0, said.output
    answer: dict[str, Any] = json.loads(said.stdout)
    return answer


def records_of(suite: RunningSuite, account: Account) -> tuple[int, int]:
    """How many records of what a trainer was given there are of somebody, and how many keys of such records."""
    (rows,) = suite.look("SELECT count(*) FROM gateway.training_records WHERE subject_ref = $1", account.subject_ref)
    keys = "SELECT count(*) FROM keys.item_keys WHERE subject_ref = $1 AND item_id LIKE 'train%'"
    return rows[0], suite.look_at_keys(keys, account.subject_ref)[0][0]


@dataclass(frozen=True, slots=True)
class Course:
    """Who consented, and what the trainer was given of them."""

    giving: Account
    leaving: Account
    videos: tuple[str, str]
    folder: Path
    taken: dict[str, Any]
    key: Path


@pytest.fixture(scope="module")
def course(asking: RunningSuite, tmp_path_factory: pytest.TempPathFactory) -> Course:
    """Three people with a video each: two consent, the third does not any more."""
    people = [asking.open_account("premium", consents={"train_models": True}) for _ in range(3)]
    videos = []
    for one in people:
        with one.openai() as client:
            videos.append(made(client, f"a boat named Seagrass of {one.account_id}").id)
    choose(people[2], train_models=False)
    folder = tmp_path_factory.mktemp("trainer")
    (folder / "key.pem").write_bytes(TRAINER_KEY[0])
    taken = training(asking, "export", "trainer", "--operator", "olive", "-o", folder / "sealed")
    return Course(people[0], people[1], (videos[0], videos[1]), folder / "sealed", taken, folder / "key.pem")


def test_a_trainer_is_given_the_work_of_those_who_consented_and_whoever_carries_it_reads_nothing(
    asking: RunningSuite, course: Course, tmp_path: Path
) -> None:
    sealed = sorted(course.folder.glob("*.sealed"))
    content = b"".join(file.read_bytes() for file in sealed)

    assert (course.taken["taken"], course.taken["standing"], len(sealed)) == (2, 2, 2)
    assert sorted(file.stem for file in sealed) == sorted(json.loads((course.folder / "standing.json").read_text()))
    personal = [
        one for name in (course.giving, course.leaving) for one in (name.account_id, name.subject_ref, name.email)
    ]
    assert [word for word in ("Seagrass", "ftyp", *course.videos, *personal) if word.encode() in content] == []

    assert opened(course.folder, tmp_path, course.key) == {"opened": 2, "deleted": []}
    facts = [json.loads(file.read_text()) for file in tmp_path.glob("*.json")]
    prompts = {f"a boat named Seagrass of {one.account_id}" for one in (course.giving, course.leaving)}
    assert {one["prompt"] for one in facts} == prompts
    assert [decoded(file.read_bytes()).frames > 0 for file in tmp_path.glob("*.mp4")] == [True, True]


def test_what_was_given_is_in_the_register_and_shown_to_whom_it_was_of(
    asking: RunningSuite, course: Course, tmp_path: Path
) -> None:
    shown = training(asking, "show")
    with course.giving.http() as http, Api(Address(asking.url, course.giving.key)) as client:
        (own,) = answered(http.get("/v1/privacy/training"))["data"]
        taken(client, tmp_path / "copy.zip")
    (kept,) = read_export(tmp_path / "copy.zip").documents["training.json"]["training"]

    assert [(one["id"], one["refusal"]) for one in shown["trainers"]] == [("trainer", None)]
    assert [(one["recipient_id"], one["operator"], one["items"]) for one in shown["given"]] == [("trainer", "olive", 2)]
    assert (own["video"], own["recipient"]) == (course.videos[0], "Example Models Ltd")
    assert (kept["generation_id"], kept["recipient_id"]) == (course.videos[0], "trainer")
    assert json.loads(kept["record"])["name"] in {file.stem for file in course.folder.glob("*.sealed")}
    again = training(asking, "export", "trainer", "--operator", "olive", "-o", course.folder)
    assert (again["taken"], again["standing"]) == (0, 2)


def test_a_withdrawal_in_the_midst_stops_at_the_next_item_and_takes_the_record_and_its_key(
    asking: RunningSuite, course: Course, tmp_path: Path
) -> None:
    assert opened(course.folder, tmp_path, course.key)["opened"] == 2
    with asking.console() as console:
        listed = answered(console.get("/api/training/trainer/items"))["items"]
        assert {one["video"] for one in listed} == set(course.videos)
        before = records_of(asking, course.leaving)
        choose(course.leaving, train_models=False)
        took = {
            one["video"]: console.post(f"/api/training/trainer/items/{one['video']}", json={"operator": "olive"})
            for one in listed
        }

    assert {video: answer.status_code for video, answer in took.items()} == {
        course.videos[0]: 200,
        course.videos[1]: 403,
    }
    assert took[course.videos[1]].json()["error"]["code"] == "use_refused"
    assert (before, records_of(asking, course.leaving), records_of(asking, course.giving)) == ((1, 1), (0, 0), (1, 1))
    again = training(asking, "export", "trainer", "--operator", "olive", "-o", course.folder)
    assert (again["taken"], again["standing"]) == (0, 1)
    after = opened(course.folder, tmp_path, course.key)
    assert (after["opened"], len(after["deleted"])) == (1, 1)
    assert [file.suffix for file in tmp_path.iterdir() if file.stem in after["deleted"]] == []


def test_a_record_that_a_crash_left_behind_a_withdrawal_is_found_within_the_hour(
    asking: RunningSuite, course: Course
) -> None:
    (row,) = asking.look("SELECT * FROM gateway.training_records WHERE subject_ref = $1", course.giving.subject_ref)
    put_back = "INSERT INTO gateway.training_records VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
    asking.look(
        put_back, f"train_{'0' * 32}", course.leaving.account_id, course.leaving.subject_ref, course.videos[1],
        "trainer", row["record_sealed"], row["key_id"], row["given_at"],
    )  # fmt: skip
    asking.advance("PT2H")

    assert records_of(asking, course.leaving)[0] == 0
    assert records_of(asking, course.giving) == (1, 1)


def test_what_its_owner_deletes_may_not_be_used_on_and_an_erasure_counts_the_records(
    asking: RunningSuite, course: Course
) -> None:
    with course.giving.openai() as client, course.giving.http() as http, asking.console() as console:
        deleted = made(client).id
        answered(console.get("/api/training/trainer/items"))
        given = console.post(f"/api/training/trainer/items/{deleted}", json={"operator": "olive"})
        name = json.loads(given.content.partition(b"\n")[0])["name"]
        standing = answered(console.get("/api/training/trainer/standing"))["names"]
        answered(http.delete(f"/v1/videos/{deleted}"))
        after = answered(console.get("/api/training/trainer/standing"))["names"]
        certificate = until(lambda: http.delete("/v1/account").json().get("certificate"), "the certificate", 60)

    assert (name in standing, name in after, len(after)) == (True, False, 1)
    counts = {one["store"]: one["before"] for one in certificate["payload"]["stores"]}
    assert counts["pg:gateway.training_records"] == 2
    assert records_of(asking, course.giving) == (0, 0)


def test_nothing_is_given_to_a_trainer_whose_contract_has_ended(asking: RunningSuite) -> None:
    with asking.console() as console:
        entry = {"operator": "olive", "reference": "DPA 1", "starts_on": "2026-01-01", "ends_on": "2026-01-02"}
        answered(console.post("/api/registers/processors/trainer", json=entry))
        refused = until(
            lambda: one if (one := console.get("/api/training/trainer/items")).is_error else None, "the contract's end"
        )

    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "contract_expired")
    (known,) = training(asking, "show")["trainers"]
    assert known["refusal"]["message"].startswith("No contract with this trainer stands today.")
