"""After the horizon nothing that was deleted opens with any key that is left, and everything else does.

The positive control: with the destroyed epoch keys handed back, all of it opens. Both of
what was copied as rows and objects, and of what was carved out of the servers' raw files.
"""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lethe_common.handovers import new_key
from tests.faults.attacker import Attacker
from tests.flows.steps import created, made, picture
from tests.newcomers import told
from tests.servers import temporary_data_folder
from tests.suite import Account, RunningSuite, answered, running_suite, until
from tests.unit.common.policy_files import NAMES, PROFILES, shipped_policy, trained_by, written

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = [
    pytest.mark.faults, pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"), pytest.mark.timeout(900),
]  # fmt: skip

EXPIRY_HOURS, HORIZON_HOURS, ROTATION_HOURS = 24, 72, 24
OPENED = "SELECT item_id FROM privacy.access_bodies WHERE subject_ref = $1"
BY_CONSENT = {"training.record"}
REQUEST = "What do you know about my neighbour's boat?"
# What is over within the scene, and its horizon, too.
SHORTER = (
    ("free: P7D", "free: P1D"),
    ("notice: P2D", "notice: PT1H"),
    ("at_most: P3D, remains: told", "at_most: P1D, remains: told"),  # mail.queue
    ("at_most: P365D}\n    partition: P30D", "at_most: P1D, remains: told}\n    partition: PT6H"),  # access.log
)


@dataclass(frozen=True, slots=True)
class Scene:
    """Who had what, by item."""

    attacker: Attacker
    forgotten: dict[str, str]
    """What of, by item."""
    living: dict[str, str]
    typed: tuple[str, ...]
    """Everything that somebody typed."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("short")
    (folder / "catalogue.yaml").write_bytes((PROFILES / "aisora2/catalogue.yaml").read_bytes())
    written(folder, *SHORTER, *trained_by(new_key()[1]))
    with temporary_data_folder() as data:
        recovery_key = tmp_path_factory.mktemp("offline") / "recovery.pem"
        with running_suite(data, "--profile", str(folder)) as suite:
            _lethe("keys", "recovery-key", "new", "-o", str(recovery_key), "--data", str(data))
            yield _played(suite, Attacker(suite, recovery_key))


def test_after_the_horizon_nothing_that_was_deleted_opens_and_everything_else_does(scene: Scene) -> None:
    opened = scene.attacker.opened_with(scene.attacker.surviving_epochs())

    assert {scene.forgotten[item] for item in opened & scene.forgotten.keys()} == set()
    assert {scene.living[item] for item in scene.living.keys() - opened} == set()


def test_nor_does_anything_of_it_that_was_carved_out_of_the_files_of_any_server(scene: Scene) -> None:
    opened = scene.attacker.opened_of_files(scene.attacker.surviving_epochs())

    assert {scene.forgotten[item] for item in opened & scene.forgotten.keys()} == set()
    assert {scene.living[item] for item in scene.living.keys() - opened} == set()


def test_with_the_destroyed_keys_handed_back_everything_opens(scene: Scene) -> None:
    opened = scene.attacker.opened_with(scene.attacker.epochs)
    carved = scene.attacker.opened_of_files(scene.attacker.epochs)

    everything = scene.forgotten | scene.living
    assert {everything[item] for item in everything.keys() - opened} == set()
    assert scene.attacker.sealed.keys() <= opened
    assert {everything[item] for item in everything.keys() - carved} == set()


def test_a_copied_log_holds_nothing_that_was_typed_whether_its_day_is_over_or_not(scene: Scene) -> None:
    logs = b"".join(scene.attacker.logs.values())

    assert b"policy_hash" in logs
    assert [word for word in scene.typed if word.encode() in logs] == []


@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_for_a_consent_alone_has_its_case_in_the_scene(name: str) -> None:
    """A withdrawal has to destroy it: what is kept of it is among the forgotten."""
    policy = shipped_policy(name).content
    by_consent = {purpose for purpose, said in policy.purposes.items() if said.default == "opt_in"}

    alone = {category for category, rule in policy.data.items() if {use.purpose for use in rule.uses} <= by_consent}
    assert alone <= BY_CONSENT


def test_no_byte_of_a_destroyed_key_is_left_in_any_file(scene: Scene) -> None:
    surviving = scene.attacker.surviving_epochs()
    gone = {name: key for name, key in scene.attacker.epochs.items() if name not in surviving}
    items = scene.attacker.item_keys(scene.attacker.epochs)
    keys = {f"epoch {name}": key for name, key in gone.items()}
    keys |= {f"item of {what}": key for item, what in scene.forgotten.items() for key in items[item]}
    living = {
        name: key
        for name, key in surviving.items()
        if (scene.attacker.suite.data / "keyring" / f"{name}.epoch").exists()
    }

    assert len(gone) >= HORIZON_HOURS // ROTATION_HOURS
    assert _found(scene.attacker.suite.data, keys) == set()
    assert _found(scene.attacker.suite.data, living) == living.keys()


def _played(suite: RunningSuite, attacker: Attacker) -> Scene:
    """All kinds of forgetting beside what stays, copied every hour from before the first until after the horizon of the last."""
    leaving, keeper, passing = suite.open_account("pro"), suite.open_account("pro"), suite.open_account("free")
    forgotten = {
        _made(leaving): "an erased account",
        _made(keeper): "one deleted item",
        _made(passing): "an expired item",
    }
    (deleted,) = (item for item, what in forgotten.items() if what == "one deleted item")
    with keeper.openai() as client:
        other_video = created(client, input_reference=("boat.png", picture(), "image/png")).id
    living = {other_video: "the keeper's other video"}
    upload = "SELECT upload_id FROM gateway.uploads"
    until(lambda: _copied_upload(suite, attacker, upload), "a copy while the upload is there")
    forgotten |= {item: "a finished upload" for item in attacker.sealed if item.startswith("upload_")}
    neighbour = suite.open_account("pro")
    neighbours = _made(neighbour)
    living |= {neighbours: "somebody else's video"}
    until(lambda: not suite.look(upload), "the upload to go with its run")
    forgotten |= {item: f"{what} of an erased account" for item, what in _lived(suite, leaving).items()}
    lived = {item: f"the keeper's {what}" for item, what in _lived(suite, keeper).items()}
    forgotten |= {item: f"{what}, over by now" for item, what in lived.items() if item.startswith("mail_")}
    living |= {item: what for item, what in lived.items() if item not in forgotten}
    forgotten |= {_given(suite, keeper, other_video): "what was kept by a consent that was withdrawn"}
    living |= {_given(suite, neighbour, neighbours): "what is kept by somebody else's consent"}
    attacker.copy()
    attacker.carve()
    forgotten |= {item: "an expired log" for item in attacker.sealed if item.startswith("access_")}

    with leaving.http() as http, keeper.http() as other:
        claim = answered(http.delete("/v1/account"))["claim"]
        answered(other.delete(f"/v1/videos/{deleted}"))
        answered(other.put("/v1/privacy/consents", json={"consents": {"train_models": False}}))
    for hour in range(1, EXPIRY_HOURS + HORIZON_HOURS + ROTATION_HOURS + 1):
        suite.advance("PT1H")
        attacker.copy()
        if hour % ROTATION_HOURS == 0:
            attacker.carve()
    with keeper.http() as http:
        answered(http.get("/v1/videos"))
    attacker.copy()
    attacker.carve()
    logs = {row["item_id"] for row in suite.look(OPENED, keeper.subject_ref)}
    living |= dict.fromkeys(logs, "the keeper's log of now")
    assert logs
    assert "an expired log" in forgotten.values()
    with suite.anonymous() as http:
        until(lambda: _final(http.post("/v1/erasures/status", json={"claim": claim}).json()), "the final certificate")
    print(f"{attacker.copies} copies, {len(attacker.epochs)} epochs, {len(attacker.items)} wrapped item keys")
    typed = (REQUEST, *(text for one in (leaving, keeper, passing) for text in (one.email, one.password)), "paper boat")
    return Scene(attacker, forgotten, living, typed)


def _lived(suite: RunningSuite, account: Account) -> dict[str, str]:
    """What there is of an account beside its videos: its address, a mail that waits, a request, a copy."""
    with account.http() as http:
        answered(http.post("/v1/password-resets", json={"email": account.email}))
        request = answered(http.post("/v1/privacy/requests", json={"kind": "enquiry", "text": REQUEST}))["id"]
        export = answered(http.post("/v1/account/export"))["id"]
        until(lambda: answered(http.get(f"/v1/account/export/{export}"))["state"] == "ready", "the copy", 60)
    (mail,) = suite.look("SELECT mail_id FROM gateway.mails WHERE account_id = $1", account.account_id)
    return {account.account_id: "address", mail["mail_id"]: "mail", request: "request", export: "copy"}


def _given(suite: RunningSuite, account: Account, video: str) -> str:
    """The record of a video that its owner consented to have models trained with, and that a trainer was given."""
    with account.http() as http, suite.console() as console:
        answered(http.put("/v1/privacy/consents", json={"consents": {"train_models": True}, **told(http)}))
        path = f"/api/training/trainer/items/{video}"
        until(lambda: console.post(path, json={"operator": "olive"}).is_success, "the video to be given")
    (row,) = suite.look("SELECT handover_id FROM gateway.training_records WHERE generation_id = $1", video)
    return str(row["handover_id"])


def _copied_upload(suite: RunningSuite, attacker: Attacker, sql: str) -> bool:
    attacker.copy()
    return any(item.startswith("upload_") for item in attacker.sealed) or not suite.look(sql)


def _final(status: dict[str, Any]) -> object:
    return status.get("final_certificate")


def _made(account: Account) -> str:
    with account.openai() as client:
        return made(client).id


def _found(data: Path, keys: dict[str, bytes]) -> set[str]:
    """Which of these keys stand in any file of a data folder, as bytes or in hex."""
    found = set()
    for file in data.rglob("*"):
        if file.is_file() and not file.is_symlink():
            content = file.read_bytes()
            found |= {name for name, key in keys.items() if key in content or key.hex().encode() in content}
    return found


def _lethe(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "lethe_cli", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
