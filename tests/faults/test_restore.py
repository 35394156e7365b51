"""A backup of yesterday is restored: what people decided since stays so, everybody else is whole, and nothing is served before."""

import asyncio
import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from lethe_cli.local.folder import DataFolder
from lethe_cli.local.ports import free_ports
from lethe_cli.local.runtime import Runtime
from lethe_cli.local.secrets import Secrets
from lethe_common.database.roles import FACTS_DATABASE, KEYS_DATABASE
from lethe_common.services import Service
from lethe_gateway.blinding import Blinding, digest, normal_email
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from tests.faults.restored import digest_of, refused, text_of, told_alone
from tests.faults.verifier import rows_of
from tests.flows.steps import created, made, picture, trained_with
from tests.servers import temporary_data_folder
from tests.suite import Account, RunningSuite, answered, running_suite, until

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = [pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"), pytest.mark.timeout(600)]
PROFILE = "soragpt"
SETTINGS = {"PROVIDERS_NOOP": "true", "PROVIDERS_NOOP_SECONDS": "0.2"}
"""Clips of nothing, at once: it is about what becomes of them."""
# The link that stands in a mail of this kind.
_DECLINABLE = """
    INSERT INTO gateway.proof_tokens (token_hash, account_id, use, expires_at)
    VALUES ($1, $2, 'unsubscribe:marketing', 'infinity')
"""
_RECORDS = "SELECT count(*) FROM gateway.training_records WHERE subject_ref = $1"
_ALL_FACTS = "SELECT string_agg(number || encode(hash, 'hex'), ' ' ORDER BY number) FROM privacy.facts"

_KEYS_OF = """
    SELECT (SELECT count(*) FROM keys.item_keys WHERE subject_ref = '{ref}')
         + (SELECT count(*) FROM keys.class_keys WHERE subject_ref = '{ref}')
         + (SELECT count(*) FROM keys.login_index WHERE subject_ref = '{ref}')
"""


@dataclass
class Town:
    """People before and after the backup."""

    erased: Account
    keeper: Account
    """Deletes a video, withdraws, ends a kind of mail by one click, revokes a key and signs out, all after the backup."""
    neighbour: Account
    """Does nothing; has videos, one of a picture, a second key and a session."""
    kept_video: str
    deleted_video: str
    revoked_key: str
    cookies: dict[str, str]
    on_its_way: str
    """A video that is not made yet when the backup is taken."""
    backup: Path
    digest: str = ""
    """Of all rows of the neighbour's."""
    contents: dict[str, str] = field(default_factory=dict)
    """Of the neighbour's videos, by video."""
    content: str = ""
    certificate: str = ""


@pytest.fixture(scope="module")
def town() -> Iterator[tuple[Path, Town]]:
    """A stopped suite on its data folder, a day after its backup."""
    with temporary_data_folder() as data:
        with running_suite(data, "--profile", PROFILE, settings=SETTINGS) as suite:
            people = _yesterday(suite)
            suite.advance("P1D")
            _today(suite, people)
        yield data, people


def _yesterday(suite: RunningSuite) -> Town:
    erased, keeper, neighbour = (suite.open_account() for _ in range(3))
    with erased.openai() as client:
        made(client, "soon forgotten")
    with neighbour.openai() as client:
        made(client, "the neighbour's")
        made(client, "from a picture", input_reference=("boat.png", picture(), "image/png"))
    with keeper.openai() as client, keeper.http() as http:
        kept, deleted = made(client, "kept"), made(client, "deleted tomorrow")
        answered(http.put("/v1/privacy/consents", json={"consents": {"train_models": True}, "birth_year": 1990}))
        trained_with(suite, keeper.account_id)
        # A fact of before the backup, so that a ledger can be older than that.
        answered(http.delete(f"/v1/api-keys/{answered(http.post('/v1/api-keys'))['id']}"))
        key = answered(http.post("/v1/api-keys"))["key"]
        cookies = _signed_in(suite, keeper)
        # A worker that stands still: the backup is taken while this one is on its way.
        os.kill(suite.pid("jobs") or 0, signal.SIGSTOP)
        on_its_way = created(client, "on its way").id
    _signed_in(suite, neighbour)
    with neighbour.http() as http:
        answered(http.post("/v1/api-keys"))
    until(lambda: not suite.look("SELECT FROM gateway.uploads"), "the picture to go with its run")
    out = suite.data.parent / "backups"
    _lethe("backup", "-o", str(out), "--data", str(suite.data))
    (backup,) = out.iterdir()
    people = Town(erased, keeper, neighbour, kept.id, deleted.id, key, cookies, on_its_way, backup)
    people.digest = digest_of(suite, neighbour)
    os.kill(suite.pid("jobs") or 0, signal.SIGCONT)
    people.content, people.contents = _content(keeper, kept.id), _contents(neighbour)
    return people


def _today(suite: RunningSuite, people: Town) -> None:
    with people.keeper.http() as http:
        http.delete(f"/v1/videos/{people.deleted_video}").raise_for_status()
        answered(http.put("/v1/privacy/consents", json={"consents": {"train_models": False}}))
        assert suite.look(_RECORDS, people.keeper.subject_ref)[0]["count"] == 0
        (key_id,) = (one["id"] for one in answered(http.get("/v1/api-keys"))["data"] if not one["is_current"])
        answered(http.delete(f"/v1/api-keys/{key_id}"))
    with httpx2.Client(base_url=suite.url, cookies=people.cookies, headers=own_site(suite), trust_env=False) as browser:
        assert browser.delete("/v1/sessions").status_code == 204
    link = secrets.token_urlsafe(32)
    suite.look(_DECLINABLE, digest(link), people.keeper.account_id)
    with suite.anonymous() as http:
        assert http.post(f"/v1/unsubscribe/{link}").status_code == 204
    with people.erased.http() as http:
        erasure = http.delete("/v1/account").json()
    people.certificate = until(lambda: _certificate_of(suite, erasure["claim"]), "the certificate", 60)
    for _ in range(2):
        _lethe("facts", "copy", "-o", str(_copy_of(suite.data)), "--data", str(suite.data))
    assert len(list(_copy_of(suite.data).glob("*.dump"))) == 1, "only the newest copy is kept"


def test_a_restore_refuses_without_the_ledger_and_with_one_older_than_the_backup(town: tuple[Path, Town]) -> None:
    data, people = town
    with _other_ledger(data, "DROP SCHEMA privacy CASCADE"):
        assert "ledger of facts is not here" in _refusal("restore", str(people.backup), "--yes", "--data", str(data))
    number = json.loads((people.backup / "manifest.json").read_bytes())["payload"]["ledger"]["number"]
    with _other_ledger(data, f"DELETE FROM privacy.facts WHERE number >= {number}"):
        assert "older than the backup" in _refusal("restore", str(people.backup), "--yes", "--data", str(data))


@pytest.mark.parametrize("loss", ["DROP SCHEMA privacy CASCADE", "DELETE FROM privacy.facts WHERE number > 1"])
def test_a_ledger_that_is_lost_or_behind_is_brought_back_from_its_copy(town: tuple[Path, Town], loss: str) -> None:
    data, _ = town
    present = told_alone(data, (FACTS_DATABASE, _ALL_FACTS))
    with _other_ledger(data, loss):
        _lethe("facts", "restore", str(_copy_of(data)), "--data", str(data))
        assert told_alone(data, (FACTS_DATABASE, _ALL_FACTS)) == present


def test_a_copy_that_is_not_ahead_of_the_ledger_or_not_its_own_is_refused(town: tuple[Path, Town]) -> None:
    data, people = town
    restore = ("facts", "restore", str(_copy_of(data)), "--data", str(data))
    assert "nothing to bring back" in _refusal(*restore)
    with _other_ledger(
        data, "UPDATE privacy.facts SET hash = sha256(hash)", "DELETE FROM privacy.facts WHERE number > 1"
    ):
        assert "another one than the copy's" in _refusal(*restore)
    assert "was not signed by this suite" in _refusal("facts", "restore", str(people.backup), "--data", str(data))
    (file,) = _copy_of(data).glob("*.dump")
    with file.open("ab") as stream:
        stream.write(b"x")
    assert "is not the file that was backed up" in _refusal(*restore)


def test_a_backup_that_was_changed_or_is_not_whole_is_refused(town: tuple[Path, Town], tmp_path: Path) -> None:
    data, people = town
    copy = tmp_path / people.backup.name
    copy.mkdir()
    for file in people.backup.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    with (copy / "objects.jsonl").open("a") as stream:
        stream.write("\n")
    assert "is not the file that was backed up" in _refusal("restore", str(copy), "--yes", "--data", str(data))
    (copy / "manifest.json").write_text("{}")
    assert "was not signed by this suite" in _refusal("restore", str(copy), "--yes", "--data", str(data))
    (copy / "manifest.json").unlink()
    assert "is no whole backup" in _refusal("restore", str(copy), "--yes", "--data", str(data))


def test_an_old_backup_and_all_keys_cannot_tell_whether_an_address_was_a_user(town: tuple[Path, Town]) -> None:
    data, people = town
    known = Secrets.model_validate_json(DataFolder(data).secrets.read_bytes())
    text = text_of(people.backup / "lethe.dump")
    for who in (people.erased, people.neighbour):
        # Its reference is in it, so the dump is read whole; the address is not, in any form that could be computed.
        assert who.subject_ref.encode() in text
        index = bytes.fromhex(Blinding(SecretStr(known.pepper)).login_index(normal_email(who.email)))
        digest = asyncio.run(_index_digest(DataFolder(data).keyring, index))
        for form in (who.email.encode(), index.hex().encode(), digest.hex().encode()):
            assert form not in text
    left = told_alone(
        data, *((KEYS_DATABASE, _KEYS_OF.format(ref=who.subject_ref)) for who in (people.erased, people.neighbour))
    )
    assert left[0] == 0
    assert left[1] > 0


def test_after_a_restore_what_people_decided_stays_so_and_everybody_else_is_whole(town: tuple[Path, Town]) -> None:
    data, people = town
    said = _lethe("restore", str(people.backup), "--yes", "--data", str(data))
    assert "Restored the data of" in said

    with _sealed_start(data, people) as suite:
        gone = until(lambda: _is_gone(suite, people.erased), "the erased person to be erased once more", 120)
        assert gone
        again = "SELECT count(*) FROM privacy.certificates"
        assert suite.look(again)[0]["count"] == 2, "the second erasure has a certificate of its own"
        with people.erased.http(url=suite.url) as http:
            assert http.get("/v1/credits").status_code == 401
        with suite.anonymous() as http:
            login = {"email": people.erased.email, "password": people.erased.password}
            assert http.post("/v1/sessions", json=login, headers=own_site(suite)).status_code == 401

        with people.keeper.http(url=suite.url) as http:
            until(lambda: http.get(f"/v1/videos/{people.deleted_video}").status_code == 410, "the deleted video's end")
            assert http.get(f"/v1/videos/{people.deleted_video}/content").status_code == 410
            choices = {one["purpose"]: one for one in answered(http.get("/v1/privacy/consents"))["data"]}
            assert (choices["train_models"]["is_allowed"], choices["marketing"]["is_allowed"]) == (False, False)
            assert suite.look(_RECORDS, people.keeper.subject_ref)[0]["count"] == 0
            video = until(lambda: _done(http, people.on_its_way), "the video that was on its way", 90)
            assert video["status"] == "completed"
        assert refused(suite.url, {"Authorization": f"Bearer {people.revoked_key}"})
        with httpx2.Client(base_url=suite.url, cookies=people.cookies, trust_env=False) as browser:
            assert browser.get("/v1/credits").status_code == 401
        assert _content(people.keeper, people.kept_video, suite.url) == people.content
        assert digest_of(suite, people.neighbour) == people.digest
        assert _contents(people.neighbour, suite.url) == people.contents
        assert suite.books()["is_balanced"]
        parked = [suite.look(f"SELECT count(*) FROM {schema}.parked")[0]["count"] for schema in Service]
        assert parked == [0] * len(Service)


@contextmanager
def _sealed_start(data: Path, people: Town) -> Iterator[RunningSuite]:
    """Start on restored data, hold one service up, kill two, and see that nothing is served before all have been through."""
    port, console_port = free_ports(2)
    command = [sys.executable, "-m", "lethe_cli", "up", "--data", str(data), "--profile", PROFILE, "--virtual-clock"]
    command += ["--port", str(port), "--console-port", str(console_port), "--set", "FACTS_PAGE=1"]
    command += [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
    output = data.with_name("restored.output")
    with output.open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        file = DataFolder(data).runtime
        jobs = until(lambda: _pids(file).get("jobs"), "the jobs service's process", 90)
        os.kill(jobs, signal.SIGSTOP)
        url = f"http://127.0.0.1:{port}"
        _see_it_sealed(url, people.keeper)
        # Both begin again where they stopped; the supervisor starts them anew.
        os.kill(_pids(file)["gateway"], signal.SIGKILL)
        os.kill(jobs, signal.SIGKILL)
        runtime = until(lambda: _ready(file, process), "the suite to open", 150)
        known = Secrets.model_validate_json(DataFolder(data).secrets.read_bytes())
        suite = RunningSuite(data, runtime, known, output)
        yield suite
        suite.looks.close()
    except AssertionError:
        sys.stdout.write(output.read_text(errors="replace")[-6000:])
        raise
    finally:
        process.terminate()
        process.wait(timeout=60)


def _see_it_sealed(url: str, account: Account) -> None:
    key = {"Authorization": f"Bearer {account.key}"}
    with httpx2.Client(base_url=url, headers=key, timeout=10, trust_env=False) as http:
        first = until(lambda: _answer(http, "/v1/videos"), "the gateway to listen", 90)
        answers = [first, *(http.get(path) for path in ("/v1/credits", "/", "/v1/models", "/privacy"))]
        answers.append(http.post("/v1/videos", json={"prompt": "not now", "seconds": "4"}))
        page = http.get("/", headers={"Accept": "text/html", "Accept-Language": "ru"})
    assert {answer.status_code for answer in (*answers, page)} == {503}
    assert all("Retry-After" in answer.headers for answer in (*answers, page))
    assert first.json()["error"]["code"] == "starting"
    assert "Запускаемся" in page.text


def _answer(http: httpx2.Client, path: str) -> httpx2.Response | None:
    try:
        return http.get(path)
    except httpx2.TransportError:
        return None


def _pids(file: Path) -> Mapping[str, int]:
    return Runtime.model_validate_json(file.read_bytes()).pids if file.exists() else {}


def _ready(file: Path, process: "subprocess.Popen[bytes]") -> Runtime | None:
    assert process.poll() is None, "lethe up ended"
    runtime = Runtime.model_validate_json(file.read_bytes())
    return runtime if runtime.is_ready and runtime.pid == process.pid else None


def own_site(suite: RunningSuite) -> dict[str, str]:
    """What a browser says of a request from the studio's own page."""
    return {"Origin": suite.url, "Sec-Fetch-Site": "same-origin"}


def _signed_in(suite: RunningSuite, account: Account) -> dict[str, str]:
    with suite.anonymous() as http:
        login = {"email": account.email, "password": account.password}
        http.post("/v1/sessions", json=login, headers=own_site(suite)).raise_for_status()
        return dict(http.cookies)


def _content(account: Account, video_id: str, url: str | None = None) -> str:
    with account.http(url=url) as http:
        answer = http.get(f"/v1/videos/{video_id}/content")
    answer.raise_for_status()
    return hashlib.sha256(answer.content).hexdigest()


def _contents(account: Account, url: str | None = None) -> dict[str, str]:
    with account.http(url=url) as http:
        videos = [one["id"] for one in answered(http.get("/v1/videos"))["data"]]
    assert len(videos) > 1
    return {video: _content(account, video, url) for video in videos}


def _certificate_of(suite: RunningSuite, claim: str) -> str | None:
    with suite.anonymous() as http:
        found: dict[str, Any] | None = answered(http.post("/v1/erasures/status", json={"claim": claim}))["certificate"]
    return None if found is None else str(found["payload"]["certificate_id"])


def _done(http: httpx2.Client, video_id: str) -> dict[str, Any] | None:
    video = answered(http.get(f"/v1/videos/{video_id}"))
    return video if video["status"] in {"completed", "failed"} else None


def _is_gone(suite: RunningSuite, account: Account) -> bool:
    open_ = suite.look("SELECT 1 FROM privacy.erasures WHERE state <> 'completed'")
    return not open_ and not any(asyncio.run(rows_of(suite, account.subject_ref)).values())


def _lethe(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "lethe_cli", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _refusal(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "lethe_cli", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr


@contextmanager
def _other_ledger(data: Path, *changes: str) -> Iterator[None]:
    """The ledger set aside, and a changed copy in its place."""
    told_alone(
        data,
        ("postgres", f"ALTER DATABASE {FACTS_DATABASE} RENAME TO aside"),
        ("postgres", f"CREATE DATABASE {FACTS_DATABASE} TEMPLATE aside"),
        *((FACTS_DATABASE, change) for change in changes),
    )
    yield
    told_alone(
        data,
        ("postgres", f"DROP DATABASE {FACTS_DATABASE}"),
        ("postgres", f"ALTER DATABASE aside RENAME TO {FACTS_DATABASE}"),
    )


def _copy_of(data: Path) -> Path:
    """Where the copy of the ledger is kept."""
    return data.parent / "ledger"


async def _index_digest(keyring: Path, index: bytes) -> bytes:
    return await FolderKeyring(keyring).index_digest(index)
