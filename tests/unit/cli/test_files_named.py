"""A file that cannot be read or written is told before anything is asked for, made or charged."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lethe_cli.__main__ import build

# Nobody listens there: whoever asked first would say so.
NOWHERE = {"LETHE_URL": "http://127.0.0.1:9", "LETHE_API_KEY": "a-key", "COLUMNS": "200"}
WRITING = (
    "generate x -o", "demo -o", "accounts export -o", "access-log checkpoint -o", "certificate fetch a -o",
    "certificate head -o", "keys recovery-key new -o", "training key -o", "training list a -o",
)  # fmt: skip


@pytest.mark.parametrize("command", WRITING)
def test_a_file_without_a_folder_is_refused_at_once(command: str, tmp_path: Path) -> None:
    said = CliRunner().invoke(build(), [*command.split(), str(tmp_path / "none" / "file")], env=NOWHERE)

    assert said.exit_code == 2
    assert "There is no folder" in said.output


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    said = CliRunner().invoke(build(), ["generate", "x", "-o", str(tmp_path)], env=NOWHERE)

    assert said.exit_code == 2
    assert "is a folder; name a file in it" in said.output


def test_a_picture_that_is_not_there_is_named(tmp_path: Path) -> None:
    said = CliRunner().invoke(build(), ["generate", "x", "--reference", str(tmp_path / "none.png")], env=NOWHERE)

    assert said.exit_code == 2
    assert "does not exist" in said.output
