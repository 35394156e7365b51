"""Commands for a running suite, where none runs any more or something stands in their way: a sentence, never a traceback."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lethe_cli.__main__ import build
from lethe_cli.errors import BackupRefused, CommandError, NotRunning
from lethe_cli.local.folder import DataFolder
from lethe_cli.local.keys import new_recovery_key
from lethe_cli.local.ports import free_ports
from lethe_cli.local.runtime import Runtime, read
from lethe_cli.local.secrets import load_or_make


@pytest.fixture
def left(tmp_path: Path) -> DataFolder:
    """A data folder as `lethe up` leaves it when it is killed: its runtime file says that all is well."""
    folder = DataFolder(tmp_path / "data")
    folder.prepare()
    load_or_make(folder)
    folder.lock().close()
    runtime = Runtime(
        pid=1,
        started_at=datetime(2026, 1, 31, tzinfo=UTC),
        profile="aisora2",
        store="seaweed",
        clock="real",
        url="http://127.0.0.1:8080",
        console_url="http://127.0.0.1:8081",
        postgres_port=free_ports(1)[0],
        nats_url="nats://127.0.0.1:9",
        nats_monitor_url="http://127.0.0.1:9",
        s3_endpoint="127.0.0.1:9",
        s3_bucket="lethe",
        postgres_folder="/nowhere",
        services=["gateway"],
        health_ports={},
        is_ready=True,
    )
    runtime.write(folder.runtime)
    return folder


def refused(folder: DataFolder, *arguments: str) -> BaseException | None:
    return CliRunner().invoke(build(), [*arguments, "--data", str(folder.path)]).exception


def test_what_a_killed_suite_left_is_read_while_somebody_has_the_folder_only(left: DataFolder) -> None:
    with pytest.raises(NotRunning, match="lethe up"):
        read(left)
    with left.lock():
        assert read(left).services == ["gateway"]


@pytest.mark.parametrize("command", ["backup -o PLACE", "facts copy -o PLACE", "keys backup", "access-log verify"])
def test_after_a_kill_commands_say_that_nothing_runs(left: DataFolder, tmp_path: Path, command: str) -> None:
    place = tmp_path / "place"

    assert isinstance(refused(left, *command.replace("PLACE", str(place)).split()), NotRunning)
    assert not place.exists()


def test_a_ledger_that_does_not_answer_is_said(left: DataFolder, tmp_path: Path) -> None:
    with left.lock():
        said = refused(left, "facts", "copy", "-o", str(tmp_path / "place"))

    assert isinstance(said, BackupRefused)
    assert "lethe service status" in str(said)


def test_a_place_that_cannot_be_written_is_named(left: DataFolder, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with left.lock():
        said = refused(left, "facts", "copy", "-o", str(tmp_path / "file" / "place"))

    assert isinstance(said, CommandError)
    assert str(tmp_path / "file") in str(said)


def test_a_recovery_key_makes_the_folder_of_its_public_half(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "none" / "data")

    assert refused(folder, "keys", "recovery-key", "new", "-o", str(tmp_path / "recovery.pem")) is None
    assert b"PUBLIC" in folder.recovery_key.read_bytes()
    assert b"PRIVATE" in (tmp_path / "recovery.pem").read_bytes()


@pytest.mark.parametrize("closed", ["private", "public"])
def test_one_half_of_a_recovery_key_never_stays_alone(tmp_path: Path, closed: str) -> None:
    (tmp_path / "file").touch()
    halves = {"private": tmp_path / "recovery.pem", "public": tmp_path / "recovery_key.pem"}
    halves[closed] = tmp_path / "file" / "half.pem"

    with pytest.raises(CommandError, match="cannot be written"):
        new_recovery_key(halves["private"], halves["public"])

    assert [file.name for file in tmp_path.iterdir()] == ["file"]
