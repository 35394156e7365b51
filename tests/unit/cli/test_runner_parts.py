"""The runner's parts that need no server."""

import base64
import hashlib
import hmac
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lethe_cli.__main__ import build
from lethe_cli.errors import ClockRefused, FolderRefused, PortTaken, ProfileMissing
from lethe_cli.local import clock, ports, profiles
from lethe_cli.local.folder import DataFolder
from lethe_cli.local.logbook import Logbook
from lethe_cli.local.logdays import first_day_kept
from lethe_cli.local.secrets import Secrets, load_or_make
from lethe_cli.local.services import PublicPorts
from lethe_cli.local.watchdog import watch
from lethe_common.bus.permissions import Listen, nats_configuration
from lethe_common.database.roles import role_statements, scram_verifier
from lethe_common.policy import load_policy
from lethe_common.services import Service
from tests.hand_clock import HandClock
from tests.tree import ROOT

START = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"), [("P7D", timedelta(days=7)), ("PT90M", timedelta(minutes=90)), ("P1M", timedelta(days=28))]
)
def test_a_step_of_months_has_the_length_it_has_from_now(text: str, expected: timedelta) -> None:
    assert clock.step(text, START) == expected


@pytest.mark.parametrize("text", ["", "7 days", "-P1D", "PT0S"])
def test_policy_time_refuses_what_is_not_forward(text: str) -> None:
    with pytest.raises(ClockRefused):
        clock.step(text, START)


def test_a_taken_port_names_the_option_that_chooses_another() -> None:
    with socket.socket() as server:
        server.bind((ports.LOOPBACK, 0))
        server.listen()
        with pytest.raises(PortTaken, match="--port"):
            ports.require_free(server.getsockname()[1], ports.LOOPBACK, "--port")


def test_free_ports_are_free_and_different() -> None:
    chosen = ports.free_ports(12)
    assert len(set(chosen)) == len(chosen)
    assert all(ports.is_free(port) for port in chosen)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:7"),
        ("0.0.0.0", "http://127.0.0.1:7"),  # noqa: S104  what people give to be reached from elsewhere
        ("::", "http://[::1]:7"),
        ("::1", "http://[::1]:7"),
        ("10.0.0.5", "http://10.0.0.5:7"),
    ],
)
def test_addresses_that_are_told_can_be_called_and_the_console_is_on_loopback(host: str, url: str) -> None:
    public = PublicPorts(host, 7, 8)

    assert (public.url, public.console_url) == (url, "http://127.0.0.1:8")


def test_ports_of_the_sixth_version_are_looked_at_too() -> None:
    with socket.socket(socket.AF_INET6) as server:
        try:
            server.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has none")
        server.listen()
        taken = server.getsockname()[1]
        assert not ports.is_free(taken, "::1")
    assert ports.is_free(taken, "::1")


def test_secrets_are_made_once_and_closed(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.prepare()
    assert load_or_make(folder) == load_or_make(folder)
    assert folder.secrets.stat().st_mode & 0o077 == 0
    assert folder.signing_key.stat().st_mode & 0o077 == 0


def test_one_folder_is_locked_by_one_suite(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.prepare()
    with folder.lock(), pytest.raises(FolderRefused):
        folder.lock()
    folder.lock().close()


def test_a_profile_is_found_by_its_folder_and_refused_without_its_files(tmp_path: Path) -> None:
    with pytest.raises(ProfileMissing):
        profiles.find(str(tmp_path))
    for name in ("policy.yaml", "catalogue.yaml"):
        (tmp_path / name).touch()
    assert profiles.find(str(tmp_path)) == tmp_path.resolve()


def test_the_watchdog_kills_what_was_not_taken_back() -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    left, ended = (subprocess.Popen(sleeper, start_new_session=True) for _ in range(2))
    watch([f"+{left.pid}\n", f"+{ended.pid}\n", f"-{ended.pid}\n"])
    assert left.wait(timeout=10) == -signal.SIGKILL
    assert ended.poll() is None
    ended.kill()
    ended.wait()


def test_a_log_line_is_kept_whole_and_shown_readably(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = Logbook(tmp_path, HandClock(START).now)
    line = b'{"event":"ready","level":"warning","timestamp":"2026-01-31T10:11:12Z","service":"jobs","port":7}'
    log.line("jobs", line, is_chatty=False)
    log.line("s3", b"chatter", is_chatty=True)
    log.close()
    assert (tmp_path / f"jobs-{START.date()}.log").read_bytes() == line + b"\n"
    assert (tmp_path / f"s3-{START.date()}.log").read_bytes() == b"chatter\n"
    assert capsys.readouterr().out.split() == ["jobs", "10:11:12", "WARNING", "ready", "port=7"]


def test_each_day_of_policy_time_has_its_file_and_goes_whole(tmp_path: Path) -> None:
    by_hand, first = HandClock(START), START.date()
    log = Logbook(tmp_path, by_hand.now)
    for _ in range(3):
        log.line("jobs", b"said", is_chatty=True)
        by_hand.advance(days=1)
    assert log.drop_before(first) == 0
    assert log.drop_before(first + timedelta(days=2)) == 2
    log.close()
    assert [file.name for file in tmp_path.iterdir()] == [f"jobs-{first + timedelta(days=2)}.log"]


@pytest.mark.parametrize(("profile", "days"), [("aisora2", 88), ("soframe", 28), ("soragpt", 28)])
def test_a_day_of_the_log_goes_when_its_youngest_line_is_over(profile: str, days: int) -> None:
    policy = load_policy(ROOT / "deploy/profiles" / profile)
    over_at = START.replace(hour=0, minute=0, second=0) + timedelta(days=1 + days)
    assert first_day_kept(policy, over_at - timedelta(seconds=1)) == START.date()
    assert first_day_kept(policy, over_at) == START.date() + timedelta(days=1)


def test_a_scram_verifier_fits_its_password() -> None:
    verifier = scram_verifier("pencil")
    scheme, parameters, keys = verifier.split("$")
    assert scheme == "SCRAM-SHA-256"
    iterations, salt = parameters.split(":")
    stored, server = (base64.b64decode(part) for part in keys.split(":"))
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", base64.b64decode(salt), int(iterations))
    assert stored == hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    assert server == hmac.digest(salted, b"Server Key", "sha256")


def test_no_password_is_in_the_statements_that_set_it() -> None:
    secrets = Secrets.fresh()
    statements = "\n".join(role_statements(secrets.postgres))
    assert not any(password in statements for password in secrets.postgres.values())


def test_a_password_from_the_environment_is_left_for_the_server_to_read() -> None:
    passwords = {service: f"$PASSWORD_{service.upper()}" for service in Service}
    written = nats_configuration(passwords, Listen("10.0.0.1", 4222, None, Path("/data")))
    assert "password: $PASSWORD_JOBS\n" in written
    assert "sync_interval: always" in written
    assert "http:" not in written


def test_the_version_that_is_told_is_the_installed_one() -> None:
    said = CliRunner().invoke(build(), ["--version"])

    assert (said.exit_code, said.output) == (0, f"lethe {version('lethe-cli')}\n")
    assert "Usage" in CliRunner().invoke(build(), []).output
